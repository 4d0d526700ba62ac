"""Files of generations by the names that clients ask for; what does not exist yet is made by a hidden job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.domain.formats import READABLE, Formats
from orfeas.domain.specs import ShapeDecode
from orfeas.errors import (
    AssetGoneError,
    CapabilityMissingError,
    FileNotFoundProblem,
    FormatUnavailableError,
    InvalidRequestError,
    JobNotFoundError,
    ResultFailedError,
    ResultNotReadyError,
)
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Output, Plan, Source, privately
from orfeas.jobs.views import JobState, JobView, RunRequest, RunView, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.engines import EngineService
from orfeas.services.generation import downloads
from orfeas.services.generation.downloads import StoredFile, Wanted
from orfeas.services.generation.pictures import TEXT_TO_IMAGE
from orfeas.services.generation.requests import request_of
from orfeas.services.meshes import MeshService
from orfeas.services.plans import (
    PREVIEW_SIZE,
    ModelRef,
    PictureRequest,
    Pictures,
    ShapeRequest,
    conversion_plan,
    preview_plan,
)
from orfeas.services.plans.meshes import ConvertRequest, file_plan, picture_plan
from orfeas.services.plans.renders import turntable_plan

Wait = Callable[[JobView], JobView]
"""Waits for a job as long as the request may, and returns it as it then is."""


class GenerationFiles:
    """Find the files of generations, convert and render them."""

    def __init__(
        self, jobs: Jobs, assets: AssetService, engines: EngineService, meshes: MeshService, formats: Formats
    ) -> None:
        self._jobs = jobs
        self._assets = assets
        self._engines = engines
        self._meshes = meshes
        self._formats = formats

    def input_picture(self, caller: Caller, filename: str) -> StoredFile:
        """The stored input of a job by the name that links show."""
        try:
            job = self._jobs.by_input_filename(caller, filename)
        except JobNotFoundError as error:
            raise downloads.no_file(filename) from error
        if job.input.asset_id is None:  # a picture of a sentence, which the job itself made
            found = downloads.named_file(self._jobs.files(caller, job.id), Wanted(filename))
            return self._used(caller, found.asset_id, found.media_type, filename, found.size_bytes)
        asset = self._assets.get(caller, job.input.asset_id)
        return self._used(caller, asset.id, asset.media_type, filename, asset.size_bytes)

    def download(self, caller: Caller, job_id: str, filename: str, wait: Wait) -> StoredFile:
        """A file of a job by its download name; a model in another format is converted first."""
        job = self._jobs.get(caller, job_id)
        wanted = downloads.parse(job.id, filename, self._formats)
        if wanted.format is None:
            return self._named(caller, job, wanted, wait)
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
            return self._main_picture(caller, listed, format_name)
        wanted = downloads.parse(job.id, f"model.{format_name or main}", self._formats)
        return self._model(caller, job, run, wanted.format or main, wait)

    def _main_picture(self, caller: Caller, listed: list[dict[str, Any]], format_name: str | None) -> StoredFile:
        """The one file of a job that made a picture."""
        found = next((asset for asset in listed if asset["role"] in ("source", "preview", "bundle")), None)
        if found is None:
            raise FileNotFoundProblem("This job has no model file.")
        if format_name not in (None, found["format"]):
            raise FormatUnavailableError(f"The result is a picture and is kept as {found['format']} alone.")
        return self._used(caller, found["asset_id"], found["media_type"], found["filename"], found["size_bytes"])

    def preview_picture(self, caller: Caller, job: JobView, wait: Wait, size: int = PREVIEW_SIZE) -> StoredFile:
        """The rendered thumbnail of the latest run; rendered first where none of that size was asked for."""
        run = downloads.run_of(job, Wanted("preview.png"))
        downloads.require_success(job, run)
        for found in self._jobs.files(caller, job.id):
            kept = found.run_number == run.number and found.role == "preview" and found.format == "png"
            if size == PREVIEW_SIZE and kept:
                return self._used(caller, found.asset_id, found.media_type, "preview.png", found.size_bytes)
        if run.type == TEXT_TO_IMAGE:
            return self._main_picture(caller, (run.result or {}).get("assets", []), None)
        return self._made(caller, job, run, "render", self._picture_plan(caller, job, run, size), "preview.png", wait)

    def turntable(self, caller: Caller, job: JobView, wait: Wait) -> StoredFile:
        """The latest run's mesh from all sides, rendered on first look."""
        run = downloads.run_of(job, Wanted("turntable.gif"))
        downloads.require_success(job, run)
        plan = turntable_plan(self._picture_plan(caller, job, run, PREVIEW_SIZE))
        return self._made(caller, job, run, "turntable", _of_run(run, plan), "turntable.gif", wait)

    def converted(self, caller: Caller, asset: Asset, format_name: str, wait: Wait) -> StoredFile:
        """An uploaded mesh in another format."""
        self._meshes.check(ConvertRequest(formats=(format_name,)))
        mesh = self._meshes.stored(caller, asset)
        asked = RunRequest("convert", file_plan(mesh, format_name), {"asset_id": asset.id})
        return self._produced(caller, Surface.V1, asked, f"{mesh.stem}.{format_name}", wait)

    def rendered(self, caller: Caller, asset: Asset, size: int, wait: Wait) -> StoredFile:
        """A picture of an uploaded mesh."""
        plan = picture_plan(self._meshes.stored(caller, asset), size)
        return self._produced(
            caller, Surface.V1, RunRequest("render", plan, {"asset_id": asset.id}), "preview.png", wait
        )

    def output_picture(self, caller: Caller, job_id: str, filename: str, wait: Wait) -> StoredFile:
        """`preview.png`, or any file of the job, to be shown in place."""
        job = self._jobs.get(caller, job_id)
        if filename == "turntable.gif":
            return self.turntable(caller, job if job.state.final else wait(job), wait)
        if filename == "preview.png":
            return self.preview_picture(caller, job if job.state.final else wait(job), wait)
        return self.download(caller, job_id, filename, wait)

    def pictures_of(self, caller: Caller, run: RunView) -> Pictures:
        """The pictures that a run started from: stored ones, or the one that is made of its sentence."""
        if "prompt" in run.request:
            picture = run.settings.get("picture")
            return {"front": PictureRequest.read(picture).node()} if picture else {}
        return {view: source(self._assets.get(caller, asset_id)) for view, asset_id in image_ids(run).items()}

    def _picture_plan(self, caller: Caller, job: JobView, run: RunView, size: int) -> Plan:
        """The thumbnail of what a run made."""
        if run.type == "generation":
            return _of_run(run, preview_plan(recorded_request(run), self.pictures_of(caller, run), size))
        return picture_plan(self._meshes.stored(caller, self._main_mesh(caller, job, run)), size)

    def _named(self, caller: Caller, job: JobView, wanted: Wanted, wait: Wait) -> StoredFile:
        if wanted.filename == job.input.filename:
            return self.input_picture(caller, wanted.filename)
        if job.latest is not None and not job.state.final:
            job = wait(job)
            if job.latest is not None:
                downloads.require_success(job, job.latest)
        found = downloads.named_file(self._jobs.files(caller, job.id), wanted)
        return self._used(caller, found.asset_id, found.media_type, found.filename, found.size_bytes)

    def _model(self, caller: Caller, job: JobView, run: RunView, format_name: str, wait: Wait) -> StoredFile:
        downloads.require_success(job, run)
        found = downloads.stored_model(self._jobs.files(caller, job.id), run, format_name)
        if found is not None:
            name = downloads.download_name(job, run, format_name, found.media_type)
            return self._used(caller, found.asset_id, found.media_type, name, found.size_bytes)
        if run.type == "generation":
            plan = _of_run(run, conversion_plan(recorded_request(run), self.pictures_of(caller, run), format_name))
        else:
            plan = file_plan(self._meshes.stored(caller, self._main_mesh(caller, job, run)), format_name)
        name = downloads.download_name(job, run, format_name, plan.outputs[0].media_type)
        return self._made(caller, job, run, "convert", plan, name, wait)

    def _used(self, caller: Caller, blob: str, media_type: str, filename: str, size_bytes: int) -> StoredFile:
        self._assets.note_use(caller, blob)
        return StoredFile(blob, media_type, filename, size_bytes)

    def _main_mesh(self, caller: Caller, job: JobView, run: RunView) -> Asset:
        """The main file of a job that is no generation: conversions and pictures start from its bytes."""
        for found in self._jobs.files(caller, job.id):
            if found.run_number == run.number and found.role == "model" and found.format in READABLE:
                return self._assets.content(caller, found.asset_id)
        raise CapabilityMissingError(f"A job of type {run.type} has no mesh to convert or to render.")

    def _made(
        self, caller: Caller, job: JobView, run: RunView, kind: str, plan: Plan, name: str, wait: Wait
    ) -> StoredFile:
        """The plan's file, made by a hidden job where it does not exist; a look at what exists writes nothing."""
        if not self._jobs.cached(caller, plan):
            self._require_same_model(caller, run, plan)
        asked = RunRequest(type=kind, plan=plan, request={"job_id": job.id}, engine=run.engine, model=run.model)
        return self._produced(caller, job.surface, asked, name, wait)

    def _produced(self, caller: Caller, surface: Surface, asked: RunRequest, name: str, wait: Wait) -> StoredFile:
        kept = self._jobs.find_output(caller, asked.plan) if self._jobs.cached(caller, asked.plan) else None
        size = self._assets.size(kept) if kept else None
        if kept and size is not None:
            return self._named_as(caller, asked.plan.outputs[0], kept, name, size)
        hidden = self._jobs.create(caller, surface, asked, hidden=True)
        if not hidden.state.final:
            hidden = wait(hidden)
        making = hidden.latest
        if making is None or not making.state.final:
            raise ResultNotReadyError(
                f"{name} is being made; ask again.", retry_after=downloads.RETRY_AFTER_S, **_asked_for(asked)
            )
        if making.state is not JobState.SUCCEEDED or making.result is None:
            reason = (making.error or {}).get("detail", "it was cancelled")
            raise ResultFailedError(f"{name} could not be made: {reason}", problem=making.error, **_asked_for(asked))
        made = making.result["assets"][0]
        return self._named_as(caller, asked.plan.outputs[0], made["asset_id"], name, made["size_bytes"])

    def _named_as(self, caller: Caller, output: Output, blob: str, name: str, size: int) -> StoredFile:
        """The file; whether an obj had to be packed with its picture is seen at its bytes."""
        packed = output.format == "obj" and self._assets.starts_with(blob, b"PK\x03\x04")
        if packed and not name.endswith(".zip"):
            name = f"{name}.zip"
        return self._used(caller, blob, "application/zip" if packed else output.media_type, name, size)

    def _require_same_model(self, caller: Caller, run: RunView, plan: Plan) -> None:
        """A shape that was swept is only made again by the files that made it."""
        shape = Plan((), also=tuple(node for node in plan.nodes() if node.spec.name == ShapeDecode.name))
        if not shape.also or self._jobs.cached(caller, shape):
            return
        model = ModelRef.read(run.settings["model"])
        if not self._engines.unchanged(caller, model):
            raise AssetGoneError(f"The mesh was removed and the files of {model.id} have changed; generate it again.")


def _asked_for(asked: RunRequest) -> dict[str, Any]:
    """The job that something is made for, if it is made for one."""
    return {"job_id": asked.request["job_id"]} if "job_id" in asked.request else {}


def _of_run(run: RunView, plan: Plan) -> Plan:
    """The plan on the kept stages of a run: those of a run that shares nothing have fingerprints of their own."""
    return privately(plan, run.id) if run.private else plan


def source(picture: Asset) -> Source:
    """A stored picture as the start of a plan; one that was made here counts by its bytes."""
    if picture.kind != "image":
        raise InvalidRequestError(f"The file {picture.filename!r} is no picture.")
    return Source(fingerprint=picture.pixel_sha256 or picture.id, blob=picture.id)


def image_ids(run: RunView) -> dict[str, str]:
    """The assets that a run started from by view; a single picture is the front, and a sentence has none."""
    if "prompt" in run.request:
        return {}
    images = run.request.get("images") or {"front": run.request["image"]}
    return {view: str(image["asset_id"]) for view, image in images.items()}


def recorded_request(run: RunView) -> ShapeRequest:
    """The request of a run, stepped down and mended as the run was."""
    degraded = (run.result or {}).get("degraded") or ()
    return request_of(run.request, run.settings.get("model"), degraded, run.settings)
