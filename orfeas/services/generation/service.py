"""Generations: images in, models out, files at the names that clients ask for."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import IO, Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.errors import CapabilityMissingError, InvalidRequestError, LatentGoneError
from orfeas.jobs.events import Notifier
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Plan, Source
from orfeas.jobs.views import JobInput, JobState, JobView, RunRequest, RunView, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.engines import Choice, EngineService
from orfeas.services.generation.estimates import Estimate, estimate
from orfeas.services.generation.files import GenerationFiles, image_ids, recorded_request, source
from orfeas.services.generation.options import Options, checked, normalised, recorded, request_of
from orfeas.services.plans import NeuralRequest, ShapeRequest, generation_plan

STEM_CHARACTERS = 50

Images = Mapping[str, Asset]
"""The pictures of a request by view; a single one is the front."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored picture and the job it opened."""

    job: JobView
    asset: Asset


@dataclass(frozen=True, slots=True)
class Started:
    """A compatible generation: the job; whether it shares a run in flight; whether the kept mesh is written anew."""

    job: JobView
    joined: bool = False
    reused_mesh: bool = False
    warnings: tuple[str, ...] = ()


class GenerationService:
    """Make models of pictures, and find or convert their files."""

    def __init__(
        self, config: Config, jobs: Jobs, assets: AssetService, notifier: Notifier, engines: EngineService
    ) -> None:
        self._config = config
        self._jobs = jobs
        self._engines = engines
        self._assets = assets
        self._notifier = notifier
        self.files = GenerationFiles(jobs, assets, engines)

    # pictures

    def upload(self, caller: Caller, data: bytes | IO[bytes], filename: str) -> Upload:
        """Store a picture and open a pending job for it."""
        asset, given, job_id = self._store(caller, data, filename)
        return Upload(self._jobs.open(caller, Surface.COMPATIBLE, given, job_id=job_id), asset)

    # generating

    def create(
        self, caller: Caller, options: Options, images: Images, *, batch: tuple[str, int] | None = None
    ) -> JobView:
        """A v1 job with its one run."""
        asked = self._request(caller, options, images, Surface.V1)
        job_id, shown = str(uuid.uuid4()), next(iter(images.values()))
        name = stored_name(job_id, shown.filename, shown.format, time.time())
        views = {view: picture.id for view, picture in images.items()} if len(images) > 1 else None
        return self._jobs.create(
            caller, Surface.V1, asked, input=JobInput(shown.id, name, shown.filename, views=views), job_id=job_id,
            batch=batch, tags=options.tags, private=not options.use_cache,
        )  # fmt: skip

    def generate_file(
        self,
        caller: Caller,
        options: Options,
        data: bytes | IO[bytes],
        filename: str,
        *,
        batch: tuple[str, int] | None = None,
    ) -> Started:
        """A compatible job of a picture that comes with the request."""
        self.check(caller, options, Surface.COMPATIBLE)
        asset, given, job_id = self._store(caller, data, filename)
        asked = self._request(caller, options, {"front": asset}, Surface.COMPATIBLE)
        job = self._jobs.create(
            caller, Surface.COMPATIBLE, asked, input=given, job_id=job_id, batch=batch, private=not options.use_cache
        )
        return Started(job, joined=bool(job.latest and job.latest.joined), warnings=asked.warnings)

    def generate_job(self, caller: Caller, options: Options, job_id: str) -> Started:
        """A further run of a compatible job; the identical run in flight is joined."""
        before = self._jobs.get(caller, job_id)
        asked = self._request(caller, options, {"front": self._picture_of(caller, before)}, Surface.COMPATIBLE)
        job, same = self._jobs.add_run(caller, before.id, asked, private=not options.use_cache)
        run = job.latest
        joined = same or bool(run and run.joined)
        return Started(job, joined, reused_mesh=_only_written_anew(before, job), warnings=asked.warnings)

    def check_job(self, caller: Caller, options: Options, job_id: str) -> None:
        """Raise what `generate_job` would raise, and start nothing."""
        picture = self._picture_of(caller, self._jobs.get(caller, job_id))
        self._request(caller, options, {"front": picture}, Surface.COMPATIBLE)

    def check(self, caller: Caller, options: Options, surface: Surface) -> None:
        """Raise what the options alone are refused for."""
        checked(options, surface, self._choice(caller, options))

    def estimate(self, caller: Caller, options: Options, images: Images) -> Estimate:
        """What the same request would take; runs nothing."""
        request, _ = checked(options, Surface.V1, self._choice(caller, options))
        asked = self._request(caller, options, images, Surface.V1)
        return estimate(self._jobs, caller, asked, request, _sources(images))

    def rebuild(self, caller: Caller, run: RunView, **changes: Any) -> RunRequest:
        """The request of a run again, with changes: all members of the engine's request may be changed."""
        if run.type != "generation":
            raise CapabilityMissingError(f"A job of type {run.type} cannot be made again from here.")
        request = recorded_request(run) if changes else request_of(run.request, run.settings.get("model"))
        if isinstance(request, NeuralRequest):
            request = self._with_files_as_they_are(caller, run, request, changed=bool(changes))
        request = replace(request, **changes)
        plan = generation_plan(request, self.files.pictures_of(caller, run))
        spelled = {**run.request, **recorded(request)}
        return _run_request(request, plan, spelled, priority=run.priority, warnings=())

    def job(self, caller: Caller, job_id: str) -> JobView:
        """One job, for its record."""
        return self._jobs.get(caller, job_id)

    # common

    def _store(self, caller: Caller, data: bytes | IO[bytes], filename: str) -> tuple[Asset, JobInput, str]:
        asset = self._assets.store_image(caller, data, filename)
        job_id = str(uuid.uuid4())
        name = stored_name(job_id, filename, asset.format, time.time())
        return asset, JobInput(asset_id=asset.id, filename=name, original_filename=filename), job_id

    def _choice(self, caller: Caller, options: Options) -> Choice:
        return self._engines.choose(
            caller, engine=options.engine, model=options.model, mode=options.mode, views=options.views
        )

    def _request(self, caller: Caller, options: Options, images: Images, surface: Surface) -> RunRequest:
        request, warnings = checked(options, surface, self._choice(caller, options))
        if surface is Surface.COMPATIBLE:
            request = replace(request, preview=False)  # rendered when it is first looked at
        plan = generation_plan(request, _sources(images))
        spelled = normalised(options, request, {view: picture.id for view, picture in images.items()})
        return _run_request(request, plan, spelled, priority=options.priority, warnings=tuple(warnings))

    def _with_files_as_they_are(
        self, caller: Caller, run: RunView, request: NeuralRequest, *, changed: bool
    ) -> NeuralRequest:
        """The same request of the model as it is now; its latents are of no use where the files have changed."""
        if self._engines.unchanged(caller, request.model):
            return request
        if changed:
            raise LatentGoneError(
                f"The files of {request.model.id} have changed since; post the request again.",
                model_id=request.model.id,
            )
        views = tuple(image_ids(run)) if "images" in run.request else None
        chosen = self._engines.choose(caller, engine=request.engine, model=request.model.id, views=views)
        return replace(request, model=chosen.model or request.model)

    def _picture_of(self, caller: Caller, job: JobView) -> Asset:
        if job.surface is Surface.V1:
            raise InvalidRequestError(
                f"Job {job.id} was made by v1 and has one run; post the changes to /api/v1/jobs/{job.id}/derive.",
                job_id=job.id,
            )
        if job.input.asset_id is None:
            raise CapabilityMissingError("This job has no image; models of text cannot be made yet.")
        return self._assets.get(caller, job.input.asset_id)


def stored_name(job_id: str, filename: str, format_name: str, now: float) -> str:
    """`<job_id>_<YYYYMMDD_HHMMSS>_<stem>.<ext>` with a stem of at most 50 safe characters."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePosixPath(filename.replace("\\", "/")).stem).strip("_")
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d_%H%M%S")
    extension = "jpg" if format_name == "jpeg" else format_name
    return f"{job_id}_{moment}_{stem[:STEM_CHARACTERS] or 'image'}.{extension}"


def _run_request(
    request: ShapeRequest, plan: Plan, spelled: dict[str, Any], *, priority: int, warnings: tuple[str, ...]
) -> RunRequest:
    return RunRequest(
        type="generation",
        plan=plan,
        request=spelled,
        engine=request.engine,
        model=request.model_id,
        method=request.method,
        profile=spelled["profile"],
        quality=request.quality,
        settings=_settings(request),
        priority=priority,
        warnings=warnings,
    )


def _settings(request: ShapeRequest) -> dict[str, Any]:
    """What the engine uses, with the model that conversions and derived jobs have to find again."""
    if not isinstance(request, NeuralRequest):
        return request.settings
    return {**request.settings, "mc_level": request.mc_level, "model": request.model.document()}


def _sources(images: Images) -> dict[str, Source]:
    return {view: source(picture) for view, picture in images.items()}


def _only_written_anew(before: JobView, job: JobView) -> bool:
    """Whether the new run differs from an earlier, finished one of its job in the formats only, and used its mesh."""
    run = job.latest
    if run is None or run.cached or "mesh.simplify" not in run.reused:
        return False
    asked = {**run.request, "formats": None, "tags": None, "priority": None}
    return any(
        earlier.state is JobState.SUCCEEDED
        and {**earlier.request, "formats": None, "tags": None, "priority": None} == asked
        and earlier.request["formats"] != run.request["formats"]
        for earlier in before.runs
        if earlier.type == run.type
    )
