"""Jobs that agents start: each has an id of its own, so that a step that runs again finds what it has started."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from orfeas.config import Config
from orfeas.domain.agents.rules import REPAIR, SIMPLIFY, Change
from orfeas.domain.caller import Caller
from orfeas.domain.specs import Analyze, MeasureImage, MeasureOverlap, ReadMesh, Verify
from orfeas.errors import JobNotFoundError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobState, JobView, RunRequest, Surface
from orfeas.services.assets import Asset, AssetService
from orfeas.services.generation import GenerationService, Options
from orfeas.services.meshes import MeshService
from orfeas.services.plans import prepared
from orfeas.services.plans.meshes import ConvertRequest, MeshRequest, RepairRequest, SimplifyRequest

MEASURE = "analyze"
TUPLES = ("formats", "dimensions_mm", "tags", "views")
CANCELLED = {"code": "cancelled", "detail": "The job was cancelled."}


@dataclass(frozen=True, slots=True)
class Work:
    """Starts what agents need; `found` is the child of a step, whether it was started now or before."""

    config: Config
    jobs: Jobs
    assets: AssetService
    generation: GenerationService
    meshes: MeshService

    def generate(
        self, caller: Caller, job_id: str, options: Options, images: Mapping[str, Asset], left_s: float
    ) -> JobView:
        """An ordinary generation."""
        return self._once(
            caller, job_id, lambda: self.generation.create(caller, options, images, job_id=job_id, timeout_s=left_s)
        )

    def rework(
        self, caller: Caller, job_id: str, change: Change, asset: Asset, formats: tuple[str, ...], left_s: float
    ) -> JobView:
        """A repair, a reduction or another size of a file."""
        request = _request(change, formats, asset.up_axis or "y")
        return self._once(
            caller, job_id,
            lambda: self.meshes.create(caller, Surface.V1, request, asset, job_id=job_id, timeout_s=left_s),
        )  # fmt: skip

    def look(self, caller: Caller, job_id: str, asset: Asset) -> JobView:
        """Measures of a picture as an input."""
        plan = Plan((), also=(Node(MeasureImage(), (self.assets.source_of(asset),)),))
        return self._measured(caller, job_id, asset, plan)

    def analyze(self, caller: Caller, job_id: str, asset: Asset) -> JobView:
        """The whole analysis of a mesh."""
        given = self.meshes.stored(caller, asset)
        plan = Plan((), also=(Node(Analyze(up_axis=given.up_axis), (given.read(),)),))
        return self._measured(caller, job_id, asset, plan)

    def measure(
        self, caller: Caller, job_id: str, asset: Asset, picture: Asset | None, min_wall_mm: float | None
    ) -> JobView:
        """A written file, loaded again: its measures, and its outline beside that of the picture."""
        given = self.meshes.stored(caller, asset)
        check = Verify(format=given.format, up_axis=given.up_axis, min_wall_mm=min_wall_mm, scored=True)
        wanted = [Node(check, (given.source,))]
        if picture is not None:
            subject = prepared(self.assets.source_of(picture), self.generation.backgrounds.usable())
            read = ReadMesh(format=given.format, up_axis=given.up_axis, max_faces=given.max_faces)
            wanted.append(Node(MeasureOverlap(), (subject, Node(read, (given.source,)))))
        return self._measured(caller, job_id, asset, Plan((), also=tuple(wanted)))

    def model_of(self, caller: Caller, job: JobView) -> Asset:
        """The main file of a job that succeeded."""
        return self.assets.resolve_source(caller, {"job_id": job.id})

    def _measured(self, caller: Caller, job_id: str, asset: Asset, plan: Plan) -> JobView:
        asked = RunRequest(MEASURE, plan, {"asset_id": asset.id}, monitored=False)
        return self._once(
            caller, job_id, lambda: self.jobs.create(caller, Surface.V1, asked, job_id=job_id, hidden=True)
        )

    def _once(self, caller: Caller, job_id: str, create: Callable[[], JobView]) -> JobView:
        try:
            return self.jobs.get(caller, job_id)
        except JobNotFoundError:
            return create()


def child_id(job_id: str, number: int) -> str:
    """The id of the job that a step starts."""
    return str(uuid.uuid5(uuid.UUID(job_id), str(number)))


def error_of(job: JobView) -> dict[str, Any] | None:
    """What ended a job that did not succeed."""
    if job.state is JobState.SUCCEEDED or job.latest is None:
        return None
    return job.latest.error or dict(CANCELLED)


def seconds_of(job: JobView) -> float:
    """The time that a job took from its start; 0 for what was made before."""
    run = job.latest
    if run is None or run.started_at is None or run.finished_at is None:
        return 0.0
    return round(run.finished_at - run.started_at, 4)


def reports_of(job: JobView) -> dict[str, dict[str, Any]]:
    """What the stages of a finished job reported."""
    assert job.latest is not None
    return dict((job.latest.result or {}).get("reports", {}))


def options_document(options: Options) -> dict[str, Any]:
    """Options as JSON, for rows."""
    found = {field.name: getattr(options, field.name) for field in fields(options) if field.name != "picture"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def options_read(document: Mapping[str, Any]) -> Options:
    """What `options_document` wrote."""
    typed: dict[str, Any] = {
        name: tuple(value) if name in TUPLES and value is not None else value for name, value in document.items()
    }
    return Options(**typed)


def _request(change: Change, formats: tuple[str, ...], up_axis: str) -> MeshRequest:
    wanted = change.parameters
    if change.kind == REPAIR:
        return RepairRequest(aggressive=wanted["aggressive"], formats=formats)
    if change.kind == SIMPLIFY:
        return SimplifyRequest(target_faces=wanted["target_faces"], formats=formats)
    x, y, z = wanted["dimensions_mm"]
    return ConvertRequest(formats=formats, dimensions_mm=(x, y, z), up_axis=up_axis)
