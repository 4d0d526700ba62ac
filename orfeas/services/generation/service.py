"""Generations: images in, models out, files at the names that clients ask for."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import IO, Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.formats import Formats
from orfeas.domain.profiles import STANDARD
from orfeas.errors import CapabilityMissingError, InvalidRequestError, LatentGoneError, ParameterNotSupportedError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Plan
from orfeas.jobs.views import JobInput, JobState, JobView, RunRequest, RunView, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.engines import Choice, EngineService
from orfeas.services.exports import require_writable
from orfeas.services.folder_models import BackgroundModels, PictureModels
from orfeas.services.generation import text
from orfeas.services.generation.checks import checked
from orfeas.services.generation.estimates import Estimate, estimate
from orfeas.services.generation.files import GenerationFiles, image_ids, recorded_request, source
from orfeas.services.generation.options import Options, drawn
from orfeas.services.generation.pictures import PictureService
from orfeas.services.generation.requests import normalised, recorded, request_of, tuned
from orfeas.services.meshes import MeshService
from orfeas.services.performance import PerformanceService, Tuning
from orfeas.services.plans import NeuralRequest, ParametricRequest, Pictures, ShapeRequest, generation_plan

STEM_CHARACTERS = 50
KEPT = ("switches", "below", "repair", "unavailable", "picture", "unrecognized_words", "background")
"""Settings of a run that say what its profile meant, what its sentence was taken for, and who cut its subject out."""
FIXED_IN_SOLIDS = ("octree_resolution", "mc_level")
"""What a derived job may change of a field, and solids do not have."""

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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A checked request: with the settings in force, as the engine takes it; `further` settings of its run."""

    options: Options
    request: ShapeRequest
    warnings: tuple[str, ...]
    tuning: Tuning
    further: dict[str, Any]


class GenerationService:
    """Make models of pictures, and find or convert their files."""

    def __init__(
        self,
        config: Config,
        jobs: Jobs,
        assets: AssetService,
        engines: EngineService,
        meshes: MeshService,
        performance: PerformanceService,
        backgrounds: BackgroundModels,
    ) -> None:
        self._config = config
        self._jobs = jobs
        self._engines = engines
        self._assets = assets
        self._performance = performance
        self.backgrounds = backgrounds
        self._formats = Formats(config.blender)
        self.files = GenerationFiles(jobs, assets, engines, meshes, self._formats)
        self.pictures = PictureService(jobs, PictureModels(config, engines.device))

    # pictures

    def upload(self, caller: Caller, data: bytes | IO[bytes], filename: str) -> Upload:
        """Store a picture and open a pending job for it."""
        asset, given, job_id = self._store(caller, data, filename)
        return Upload(self._jobs.open(caller, Surface.COMPATIBLE, given, job_id=job_id), asset)

    # generating

    def create(
        self,
        caller: Caller,
        options: Options,
        images: Images,
        *,
        batch: tuple[str, int] | None = None,
        job_id: str | None = None,
        timeout_s: float | None = None,
        warnings: Sequence[str] = (),
    ) -> JobView:
        """A v1 job with its one run, which may take `timeout_s` seconds in all and carries further `warnings`."""
        with self._jobs.look():
            asked = self._request(caller, options, images, Surface.V1)
        asked = replace(asked, timeout_s=timeout_s, warnings=(*asked.warnings, *warnings))
        job_id = job_id or str(uuid.uuid4())
        return self._jobs.create(
            caller, Surface.V1, asked, input=_input(job_id, options, images), job_id=job_id,
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
        with self._jobs.look():
            before = self._jobs.get(caller, job_id)
            options, images = self._start_of(caller, options, before)
            asked = self._request(caller, options, images, Surface.COMPATIBLE)
        job, same = self._jobs.add_run(caller, before.id, asked, private=not options.use_cache)
        run = job.latest
        joined = same or bool(run and run.joined)
        return Started(job, joined, reused_mesh=_only_written_anew(before, job), warnings=asked.warnings)

    def check_job(self, caller: Caller, options: Options, job_id: str) -> None:
        """Raise what `generate_job` would raise, and start nothing."""
        options, images = self._start_of(caller, options, self._jobs.get(caller, job_id))
        self._request(caller, options, images, Surface.COMPATIBLE)

    def check(self, caller: Caller, options: Options, surface: Surface) -> None:
        """Raise what the options alone are refused for."""
        self._asked(caller, options, surface)

    def estimate(self, caller: Caller, options: Options, images: Images) -> Estimate:
        """What the same request would take; runs nothing."""
        found = self._asked(caller, options, Surface.V1)
        asked = self._request(caller, options, images, Surface.V1)
        return estimate(self._jobs, caller, asked, found.request, _pictures(found.options, images))

    def rebuild(self, caller: Caller, run: RunView, **changes: Any) -> RunRequest:
        """The request of a run again, with changes: all members of the engine's request may be changed."""
        if run.type != "generation":
            raise CapabilityMissingError(f"A job of type {run.type} cannot be made again from here.")
        before = request_of(run.request, run.settings.get("model"), tuning=run.settings)
        request = recorded_request(run) if changes else before
        if isinstance(request, NeuralRequest):
            request = self._with_files_as_they_are(caller, run, request, changed=bool(changes))
        if isinstance(request, ParametricRequest):
            _refuse_fixed(changes)
        if not changes:
            request = self._with_background(request)[0]
        request = replace(request, **changes)
        plan = generation_plan(request, self.files.pictures_of(caller, run))
        spelled = {**run.request, **recorded(request)}
        kept = {name: run.settings[name] for name in KEPT if name in run.settings} | _background(request)
        return _run_request(request, plan, spelled, priority=run.priority, warnings=(), further=kept)

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
            caller, engine=options.engine, model=options.model, mode=options.mode, views=options.views,
            solids=options.of_solids and (options.picture is not None or self.pictures.models.why_not() is not None),
        )  # fmt: skip

    def _request(self, caller: Caller, options: Options, images: Images, surface: Surface) -> RunRequest:
        asked = self._asked(caller, options, surface)
        request, options = asked.request, asked.options
        if surface is Surface.COMPATIBLE:
            request = replace(request, preview=False)  # rendered when it is first looked at
        plan = generation_plan(request, _pictures(options, images))
        spelled = normalised(options, request, {view: picture.id for view, picture in images.items()})
        made = _run_request(
            request, plan, spelled, priority=options.priority, warnings=asked.warnings, further=asked.further
        )
        return replace(made, monitored=asked.tuning.monitored)

    def _asked(self, caller: Caller, options: Options, surface: Surface) -> _Asked:
        """What the chosen engine is asked for under the profile, and what that profile means here."""
        wish = self._performance.wish(surface, options.profile, allow_degrade=options.allow_degrade)
        named = options.profile is not None and surface is Surface.COMPATIBLE
        settled = replace(options, profile=wish.profile, allow_degrade=wish.allow_degrade)
        choice = self._choice(caller, settled)
        choice, tuning = self._performance.tuned(caller, wish, choice, named=options.model is not None)
        settled = self._illustrated(settled, choice)
        require_writable(self._formats, settled.formats)
        request, warnings = checked(settled, surface, choice)
        request = tuning.applied(request, options.batch_size)
        shown = named or wish.profile != STANDARD
        further = {**tuned(request), "unavailable": [*tuning.unavailable]} if shown else {}
        if tuning.repair:
            further["repair"] = True
        further |= _told(settled, request)
        request, removed = self._with_background(request)
        if settled.deterministic:
            on_device = choice.model is not None or request.background is not None
            self._engines.check_deterministic(on_device=on_device)
        return _Asked(settled, request, (*warnings, *removed), tuning, further | _background(request))

    def _with_background(self, request: ShapeRequest) -> tuple[ShapeRequest, tuple[str, ...]]:
        """The request with the model that removes backgrounds, and what is said where one is set and not used."""
        if isinstance(request, ParametricRequest) or request.remove_background == "never":
            return replace(request, background=None), ()
        instead = self.backgrounds.instead()
        return replace(request, background=self.backgrounds.usable()), (instead,) if instead else ()

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

    def _illustrated(self, options: Options, choice: Choice) -> Options:
        """With the picture of its sentence where a model needs one, drawn with the seed of the shape."""
        if options.prompt is None or options.picture is not None or choice.model is None:
            return options
        seed = drawn(options.seed)
        return replace(options, seed=seed, picture=self.pictures.for_shape(options.prompt, seed))

    def _start_of(self, caller: Caller, options: Options, job: JobView) -> tuple[Options, Images]:
        """What a further run of a compatible job starts from: its picture, or its sentence with the picture of it."""
        if job.surface is Surface.V1:
            raise InvalidRequestError(
                f"Job {job.id} was made by v1 and has one run; post the changes to /api/v1/jobs/{job.id}/derive.",
                job_id=job.id,
            )
        if job.input.asset_id is not None:
            return options, {"front": self._assets.get(caller, job.input.asset_id, references=False)}
        picture = self.pictures.of_job(job)
        if picture is None:
            raise InvalidRequestError(f"Job {job.id} has neither an image nor a prompt.", job_id=job.id)
        if picture.model is not None:
            return replace(options, prompt=picture.prompt, picture=picture), {}
        text.understood(picture.prompt)  # solids lie as they do in the picture
        return replace(options, prompt=picture.prompt, picture=picture, seed=options.seed or picture.seed), {}


def _input(job_id: str, options: Options, images: Images) -> JobInput:
    if options.prompt is not None:
        return JobInput(prompt=options.prompt)
    shown = next(iter(images.values()))
    name = stored_name(job_id, shown.filename, shown.format, time.time())
    views = {view: picture.id for view, picture in images.items()} if len(images) > 1 else None
    return JobInput(shown.id, name, shown.filename, views=views)


def _told(options: Options, request: ShapeRequest) -> dict[str, Any]:
    """What a sentence was taken for, for the settings of its run."""
    if options.prompt is None:
        return {}
    if not isinstance(request, ParametricRequest):
        return {"picture": options.picture.document()} if options.picture else {}
    unknown = text.understood(options.prompt).unrecognized_words
    return {"unrecognized_words": [*unknown]} if unknown else {}


def _background(request: ShapeRequest) -> dict[str, Any]:
    """The model that removes backgrounds, for the settings of a run: conversions have to find the same stages."""
    return {"background": asdict(request.background)} if request.background else {}


def _refuse_fixed(changes: Mapping[str, Any]) -> None:
    for name in FIXED_IN_SOLIDS:
        if changes.get(name) is not None:
            detail = f"{name} has no effect on solids of a prompt; leave it out."
            raise ParameterNotSupportedError.at(f"/{name}", detail)


def stored_name(job_id: str, filename: str, format_name: str, now: float) -> str:
    """`<job_id>_<YYYYMMDD_HHMMSS>_<stem>.<ext>` with a stem of at most 50 safe characters."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePosixPath(filename.replace("\\", "/")).stem).strip("_")
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d_%H%M%S")
    extension = "jpg" if format_name == "jpeg" else format_name
    return f"{job_id}_{moment}_{stem[:STEM_CHARACTERS] or 'image'}.{extension}"


def _run_request(
    request: ShapeRequest,
    plan: Plan,
    spelled: dict[str, Any],
    *,
    priority: int,
    warnings: tuple[str, ...],
    further: dict[str, Any],
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
        settings={**_settings(request), **further},
        priority=priority,
        warnings=warnings,
        checks=dict(request.require) if request.require else None,
    )


def _settings(request: ShapeRequest) -> dict[str, Any]:
    """What the engine uses, with the model that conversions and derived jobs have to find again."""
    if isinstance(request, ParametricRequest):
        return {**request.settings, "scene": request.scene}
    if not isinstance(request, NeuralRequest):
        return request.settings
    return {**request.settings, "mc_level": request.mc_level, "model": request.model.document()}


def _pictures(options: Options, images: Images) -> Pictures:
    """What a plan starts from; solids need no picture, and take none."""
    if options.picture is not None:
        return {"front": options.picture.node()}
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
