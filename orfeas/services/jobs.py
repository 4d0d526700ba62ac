"""Jobs of both surfaces: read, end, make again, tell where they come from."""

from __future__ import annotations

import functools
import platform
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.formats import Formats
from orfeas.domain.specs import Inflate, Relief, ShapeSample
from orfeas.errors import (
    CapabilityMissingError,
    FormatUnavailableError,
    JobNotFinalError,
    LatentGoneError,
    ResultFailedError,
    ResultNotReadyError,
)
from orfeas.jobs import outcome
from orfeas.jobs.event_log import EventLog
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Plan
from orfeas.jobs.queue import QueueStatus
from orfeas.jobs.views import JobInput, JobState, JobView, Page, RunRequest, RunView, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.exports import require_writable
from orfeas.services.generation import GenerationService, StoredFile, stored_name
from orfeas.services.plans import PREVIEW_SIZE, without_folders
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow
from orfeas.version import __version__

FIELDS = (Inflate.name, Relief.name, ShapeSample.name)
"""The stages whose kept output a derived job starts from."""

PACKAGES = (
    "embreex", "fast-simplification", "lxml", "manifold3d", "numpy", "opencv-python-headless", "pillow", "pycollada",
    "scikit-image", "scipy", "torch", "trimesh",
)  # fmt: skip
Retry = Callable[..., JobView]
"""`retry(caller, run, retried_from=job_id)`: the same work as a new job."""
RETRY_AFTER_S = (1, 10)
WITH_PLACES = ("model", "picture", "background")
"""Settings of a run that hold folders of this machine."""


@dataclass(frozen=True, slots=True)
class JobService:
    """What can be done with a job that exists."""

    config: Config
    database: Database
    engine: Jobs
    generation: GenerationService
    assets: AssetService
    retries: Mapping[str, Retry]
    """How jobs that are not generations are made again, by type."""

    @property
    def log(self) -> EventLog:
        """The events of jobs."""
        return EventLog(self.database)

    def get(self, caller: Caller, job_id: str) -> JobView:
        """One job."""
        return self.engine.get(caller, job_id)

    def list(self, caller: Caller, **filters: Any) -> Page[JobView]:
        """A page of jobs."""
        return self.engine.list(caller, **filters)

    def delete(self, caller: Caller, job_id: str) -> None:
        """Remove a final job with what no other job uses."""
        self.engine.delete(caller, job_id)

    def cancel(self, caller: Caller, job_id: str) -> JobView:
        """Cancel the latest run; a final one stays as it is."""
        return self.engine.cancel(caller, job_id)

    def queue(self, caller: Caller) -> QueueStatus:
        """Depth, age and workers."""
        return self.engine.queue_status(caller)

    def retry(self, caller: Caller, job_id: str) -> JobView:
        """A new job with the same request."""
        job, run = self._final(caller, job_id)
        if run.type in self.retries:
            return self.retries[run.type](caller, run, retried_from=job.id)
        return self._again(caller, job, run, self.generation.rebuild(caller, run), retried_from=job.id)

    def derive(self, caller: Caller, job_id: str, changes: dict[str, Any]) -> JobView:
        """A new job that starts at the kept latents or field of this one.

        Raises
        ------
        LatentGoneError
            The field was swept, or was never shared (`use_cache: false`).
        FormatUnavailableError
            A format cannot be written here.
        """
        job, run = self._final(caller, job_id)
        require_writable(Formats(self.config.blender), changes.get("formats", ()))
        asked = self.generation.rebuild(caller, run, **_as_members(changes))
        if not self.engine.cached(caller, _field_of(asked.plan)):
            raise LatentGoneError("What this job kept was removed; post the request again.", job_id=job.id)
        return self._again(caller, job, run, asked, derived_from=job.id)

    def result(
        self, caller: Caller, job: JobView, format_name: str | None, wait: Callable[[JobView], JobView]
    ) -> StoredFile:
        """The main file, converted when another format is asked for."""
        return self.generation.files.main_file(caller, job, format_name, wait)

    def asset_as(
        self, caller: Caller, asset: Asset, format_name: str, wait: Callable[[JobView], JobView]
    ) -> StoredFile:
        """A stored file in a format: its own, or that of a mesh that was made here."""
        if format_name.replace("jpg", "jpeg") == asset.format:
            return StoredFile(asset.id, asset.media_type, asset.filename, asset.size_bytes)
        if asset.kind != "mesh":
            raise FormatUnavailableError(f"The file is {asset.format} and is kept in that form alone.")
        job = self._maker(caller, asset)
        if job is None:
            return self.generation.files.converted(caller, asset, format_name, wait)
        return self.generation.files.main_file(caller, job, format_name, wait)

    def picture_of(self, caller: Caller, asset: Asset, size: int, wait: Callable[[JobView], JobView]) -> str:
        """The blob of a picture of an asset, at least `size` pixels large where it is rendered."""
        if asset.kind == "image":
            return asset.id
        if asset.kind != "mesh":
            raise CapabilityMissingError(f"There is no picture of a file of format {asset.format}.")
        job = self._maker(caller, asset)
        if job is None:
            return self.generation.files.rendered(caller, asset, max(size, PREVIEW_SIZE), wait).blob
        return self.generation.files.preview_picture(caller, job, wait, max(size, PREVIEW_SIZE)).blob

    def _maker(self, caller: Caller, asset: Asset) -> JobView | None:
        """The job that made a file, with the run that did as its latest; for a conversion, the job it was made for."""
        found = self.assets.maker(caller, asset)
        if found is None:
            return None
        job = self.engine.get(caller, found[0])
        if job.hidden and job.latest is not None:
            made_for = job.latest.request.get("job_id")
            return self.engine.get(caller, made_for) if made_for else None
        return replace(job, runs=tuple(run for run in job.runs if run.number <= found[1]))

    def manifest(self, caller: Caller, job_id: str) -> dict[str, Any]:
        """What the result was made of, by what, and what it is; times and job are facts of this run alone."""
        job = self.engine.get(caller, job_id)
        run = job.latest
        if run is None or not run.state.final:
            raise ResultNotReadyError(f"The job is {job.state}; ask again.", job_id=job.id, retry_after=2)
        if run.state is not JobState.SUCCEEDED:
            raise ResultFailedError(f"The job is {job.state}, so nothing was made.", job_id=job.id, problem=run.error)
        with self.database.read() as connection:
            rows = outcome.stages_of(connection, run.id)
        return _manifest(job, run, rows)

    def _final(self, caller: Caller, job_id: str) -> tuple[JobView, RunView]:
        job = self.engine.get(caller, job_id)
        if job.latest is None or not job.latest.state.final:
            raise JobNotFinalError(f"The job is {job.state}; wait for its end or cancel it.", job_id=job.id)
        return job, job.latest

    def _input(self, caller: Caller, given: JobInput, job_id: str) -> JobInput:
        """The same input for another job; its stored name carries that job's id."""
        if given.asset_id is None:
            return given
        asset = self.assets.get(caller, given.asset_id)
        shown = given.original_filename or asset.filename
        return replace(given, filename=stored_name(job_id, shown, asset.format, time.time()))

    def _again(
        self,
        caller: Caller,
        job: JobView,
        run: RunView,
        asked: RunRequest,
        *,
        retried_from: str | None = None,
        derived_from: str | None = None,
    ) -> JobView:
        job_id = str(uuid.uuid4())
        return self.engine.create(
            caller,
            Surface.V1,
            replace(asked, profile=run.profile),
            input=self._input(caller, job.input, job_id),
            job_id=job_id,
            tags=job.tags,
            private=run.request.get("use_cache") is False,
            retried_from=retried_from,
            derived_from=derived_from,
        )


def retry_after_s(job: JobView) -> int | None:
    """When a client should look again: 1 to 10 s; None once the job is final."""
    if job.state.final:
        return None
    low, high = RETRY_AFTER_S
    return max(low, min(high, round(job.eta_seconds or (job.queue_position or 1))))


def _as_members(changes: dict[str, Any]) -> dict[str, Any]:
    """Members of the body as the engine's request names and types them."""
    found = dict(changes)
    if "formats" in found:
        found["formats"] = tuple(dict.fromkeys(found["formats"]))
    if "dimensions_mm" in found:
        size = found["dimensions_mm"]
        found["dimensions_mm"] = (size["width"], size["height"], size["depth"])
    return found


def _field_of(plan: Plan) -> Plan:
    return Plan((), also=tuple(node for node in plan.nodes() if node.spec.name in FIELDS))


def _manifest(job: JobView, run: RunView, rows: list[AnyRow]) -> dict[str, Any]:
    result, model = run.result or {}, run.settings.get("model")
    return {
        "job_id": job.id,
        "run": run.number,
        "fingerprint": run.fingerprint,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "software": {"orfeas": __version__, "python": platform.python_version(), "packages": package_versions()},
        "engine": run.engine,
        "model": model and {name: model[name] for name in ("id", "place", "revision", "precision")},
        "method": result.get("method") or run.method,
        "device": _device(rows),
        "batch_size": next(
            (row.report["largest_batch"] for row in rows if "largest_batch" in (row.report or {})), None
        ),
        "seed": run.settings.get("seed"),
        "parameters": {name: value for name, value in run.settings.items() if name not in WITH_PLACES},
        "request": run.request,
        "inputs": _inputs(rows),
        "operations": _operations(rows),
        "outputs": _outputs(result),
        "degraded": result.get("degraded", []),
        "licence": model and model["licence"],
    }


def _device(rows: list[AnyRow]) -> str | None:
    """The device that a model ran on; the processor where none was used."""
    if {row.queue for row in rows} <= {"cpu", "io"}:
        return "cpu"
    return next((row.report["device"] for row in rows if row.queue == "gpu" and "device" in (row.report or {})), None)


def _inputs(rows: list[AnyRow]) -> list[dict[str, str]]:
    """What the run started from: the hash that counts and the hash of the stored file."""
    found = {
        part["blob"]: {"fingerprint": part["fingerprint"], "sha256": part["blob"]}
        for row in rows
        for part in row.inputs
        if "blob" in part
    }
    return list(found.values())


def _operations(rows: list[AnyRow]) -> list[dict[str, Any]]:
    """Each stage in order. `before` and `after` are the numbers that the stages before it and it itself reported."""
    reports = {row.fingerprint: row.report or {} for row in rows}
    return [
        {
            "stage": row.name,
            "version": row.version,
            "fingerprint": row.fingerprint,
            "parameters": without_folders(row.parameters),
            "model": row.model,
            "inputs": [part.get("stage") or part["fingerprint"] for part in row.inputs],
            "before": _first_report(row, reports),
            "after": reports[row.fingerprint] or None,
            "output_sha256": row.output,
            "output_bytes": row.output_bytes,
            "seconds": row.seconds,
        }
        for row in rows
    ]


def _first_report(row: AnyRow, reports: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    first = next((part["stage"] for part in row.inputs if "stage" in part), None)
    return reports.get(first or "") or None


def _outputs(result: dict[str, Any]) -> list[dict[str, Any]]:
    measures = result.get("measures", {})
    return [
        {
            "sha256": asset["asset_id"],
            **{name: asset[name] for name in ("role", "format", "filename", "size_bytes", "media_type", "up_axis")},
            "measures": measures.get(asset["format"]) if asset["role"] == "model" else None,
        }
        for asset in result.get("assets", [])
    ]


@functools.cache
def package_versions() -> dict[str, str | None]:
    """Versions of the libraries that shape results, as installed here now; None where one is missing."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
