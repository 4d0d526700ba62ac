"""Files of generations by the names that clients ask for; what does not exist yet is made by a hidden job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orfeas.domain.caller import Caller
from orfeas.domain.specs import ShapeDecode
from orfeas.errors import (
    AssetGoneError,
    CapabilityMissingError,
    FileNotFoundProblem,
    InvalidRequestError,
    JobNotFoundError,
    ResultFailedError,
    ResultNotReadyError,
)
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Plan, Source, privately
from orfeas.jobs.views import JobState, JobView, RunRequest, RunView
from orfeas.services.assets import Asset, AssetService
from orfeas.services.engines import EngineService
from orfeas.services.generation import downloads
from orfeas.services.generation.downloads import StoredFile, Wanted
from orfeas.services.generation.options import request_of
from orfeas.services.plans import PREVIEW_SIZE, ModelRef, Pictures, ShapeRequest, conversion_plan, preview_plan

Wait = Callable[[JobView], JobView]
"""Waits for a job as long as the request may, and returns it as it then is."""


class GenerationFiles:
    """Find the files of generations, convert and render them."""

    def __init__(self, jobs: Jobs, assets: AssetService, engines: EngineService) -> None:
        self._jobs = jobs
        self._assets = assets
        self._engines = engines

    def input_picture(self, caller: Caller, filename: str) -> StoredFile:
        """The stored input of a job by the name that links show."""
        try:
            job = self._jobs.by_input_filename(caller, filename)
        except JobNotFoundError as error:
            raise downloads.no_file(filename) from error
        asset = self._assets.get(caller, job.input.asset_id or "")
        return self._used(caller, asset.id, asset.media_type, filename, asset.size_bytes)

    def download(self, caller: Caller, job_id: str, filename: str, wait: Wait) -> StoredFile:
        """A file of a job by its download name; a model in another format is converted first."""
        job = self._jobs.get(caller, job_id)
        wanted = downloads.parse(job.id, filename)
        if wanted.format is None:
            return self._named(caller, job, wanted)
        run = downloads.run_of(job, wanted)
        if not run.state.final:
            job = wait(job)
            run = downloads.run_of(job, replace(wanted, run=run.number))
        return self._model(caller, job, run, wanted.format, wait)

    def main_file(self, caller: Caller, job: JobView, format_name: str | None, wait: Wait) -> StoredFile:
        """The main file of a job's latest run, in its own or another format."""
        run = downloads.run_of(job, Wanted("result"))
        downloads.require_success(job, run)
        listed = (run.result or {}).get("assets", [])
        main = next((asset["format"] for asset in listed if asset["role"] == "model"), None)
        if main is None:
            raise FileNotFoundProblem("This job has no model file.")
        wanted = downloads.parse(job.id, f"model.{format_name or main}")
        return self._model(caller, job, run, wanted.format or main, wait)

    def preview_picture(self, caller: Caller, job: JobView, wait: Wait, size: int = PREVIEW_SIZE) -> StoredFile:
        """The rendered thumbnail of the latest run; rendered first where none of that size was asked for."""
        run = downloads.run_of(job, Wanted("preview.png"))
        downloads.require_success(job, run)
        for found in self._jobs.files(caller, job.id):
            if size == PREVIEW_SIZE and found.run_number == run.number and found.role == "preview":
                return self._used(caller, found.asset_id, found.media_type, "preview.png", found.size_bytes)
        self._require_generation(run)
        plan = _of_run(run, preview_plan(recorded_request(run), self.pictures_of(caller, run), size))
        return self._made(caller, job, run, "render", plan, "preview.png", wait)

    def output_picture(self, caller: Caller, job_id: str, filename: str, wait: Wait) -> StoredFile:
        """`preview.png`, or any file of the job, to be shown in place."""
        job = self._jobs.get(caller, job_id)
        if filename == "turntable.gif":
            raise CapabilityMissingError("Turntables cannot be rendered yet; preview.png can.")
        if filename == "preview.png":
            return self.preview_picture(caller, job if job.state.final else wait(job), wait)
        return self.download(caller, job_id, filename, wait)

    def pictures_of(self, caller: Caller, run: RunView) -> Pictures:
        """The pictures that a run started from."""
        return {view: source(self._assets.get(caller, asset_id)) for view, asset_id in image_ids(run).items()}

    def _named(self, caller: Caller, job: JobView, wanted: Wanted) -> StoredFile:
        if wanted.filename == job.input.filename:
            return self.input_picture(caller, wanted.filename)
        found = downloads.named_file(self._jobs.files(caller, job.id), wanted)
        return self._used(caller, found.asset_id, found.media_type, found.filename, found.size_bytes)

    def _model(self, caller: Caller, job: JobView, run: RunView, format_name: str, wait: Wait) -> StoredFile:
        downloads.require_success(job, run)
        found = downloads.stored_model(self._jobs.files(caller, job.id), run, format_name)
        if found is not None:
            name = downloads.download_name(job, run, format_name, found.media_type)
            return self._used(caller, found.asset_id, found.media_type, name, found.size_bytes)
        self._require_generation(run)
        plan = _of_run(run, conversion_plan(recorded_request(run), self.pictures_of(caller, run), format_name))
        name = downloads.download_name(job, run, format_name, plan.outputs[0].media_type)
        return self._made(caller, job, run, "convert", plan, name, wait)

    def _used(self, caller: Caller, blob: str, media_type: str, filename: str, size_bytes: int) -> StoredFile:
        self._assets.note_use(caller, blob)
        return StoredFile(blob, media_type, filename, size_bytes)

    def _require_generation(self, run: RunView) -> None:
        if run.type != "generation":
            raise CapabilityMissingError(f"Files of a job of type {run.type} cannot be converted or rendered yet.")

    def _made(
        self, caller: Caller, job: JobView, run: RunView, kind: str, plan: Plan, name: str, wait: Wait
    ) -> StoredFile:
        """The plan's file, made by a hidden job where it does not exist; a look at what exists writes nothing."""
        kept = self._jobs.find_output(caller, plan) if self._jobs.cached(caller, plan) else None
        size = self._assets.size(kept) if kept else None
        if kept and size is not None:
            return self._used(caller, kept, plan.outputs[0].media_type, name, size)
        self._require_same_model(caller, run, plan)
        asked = RunRequest(type=kind, plan=plan, request={"job_id": job.id}, engine=run.engine, model=run.model)
        hidden = self._jobs.create(caller, job.surface, asked, hidden=True)
        if not hidden.state.final:
            hidden = wait(hidden)
        making = hidden.latest
        if making is None or not making.state.final:
            raise ResultNotReadyError(
                f"{name} is being made; ask again.", job_id=job.id, retry_after=downloads.RETRY_AFTER_S
            )
        if making.state is not JobState.SUCCEEDED or making.result is None:
            reason = (making.error or {}).get("detail", "it was cancelled")
            raise ResultFailedError(f"{name} could not be made: {reason}", job_id=job.id, problem=making.error)
        made = making.result["assets"][0]
        return self._used(caller, made["asset_id"], plan.outputs[0].media_type, name, made["size_bytes"])

    def _require_same_model(self, caller: Caller, run: RunView, plan: Plan) -> None:
        """A shape that was swept is only made again by the files that made it."""
        shape = Plan((), also=tuple(node for node in plan.nodes() if node.spec.name == ShapeDecode.name))
        if not shape.also or self._jobs.cached(caller, shape):
            return
        model = ModelRef.read(run.settings["model"])
        if not self._engines.unchanged(caller, model):
            raise AssetGoneError(f"The mesh was removed and the files of {model.id} have changed; generate it again.")


def _of_run(run: RunView, plan: Plan) -> Plan:
    """The plan on the kept stages of a run: those of a run that shares nothing have fingerprints of their own."""
    return privately(plan, run.id) if run.private else plan


def source(picture: Asset) -> Source:
    """A stored picture as the start of a plan."""
    if picture.pixel_sha256 is None:
        raise InvalidRequestError(f"The file {picture.filename!r} is no picture.")
    return Source(fingerprint=picture.pixel_sha256, blob=picture.id)


def image_ids(run: RunView) -> dict[str, str]:
    """The assets that a run started from by view; a single picture is the front."""
    images = run.request.get("images") or {"front": run.request["image"]}
    return {view: str(image["asset_id"]) for view, image in images.items()}


def recorded_request(run: RunView) -> ShapeRequest:
    """The request of a run, stepped down as often as the run was."""
    degraded = len((run.result or {}).get("degraded") or ())
    return request_of(run.request, run.settings.get("model"), degraded=degraded)
