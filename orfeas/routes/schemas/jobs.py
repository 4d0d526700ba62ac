"""Jobs of v1: the document that every operation shows, and what the job operations take."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from orfeas.domain import limits
from orfeas.domain.formats import MESH_FORMATS
from orfeas.jobs.views import JobState, JobView, RunView
from orfeas.routes.paging import PageArgsSchema
from orfeas.routes.schemas.common import Integer, LowerText, Number, Text, Timestamp, Word, rfc3339
from orfeas.routes.schemas.require import RequireSchema
from orfeas.services.agents.reading import agent_members
from orfeas.services.mesh_reports import result_members

JOBS = "/api/v1/jobs"
AGENT = "agent"


class ProgressSchema(Schema):
    """Where a run stands."""

    percent = fields.Integer(allow_none=True, metadata={"description": "0 to 100; null while pending."})
    stage = fields.String(allow_none=True, metadata={"example": "shape.inflate"})
    stage_index = fields.Integer(allow_none=True)
    stage_count = fields.Integer(allow_none=True)
    step = fields.Integer(allow_none=True)
    steps = fields.Integer(allow_none=True)
    message = fields.String(allow_none=True)


class JobRunSchema(Schema):
    """One run of a job; a job made by v1 has exactly one."""

    run = fields.Integer()
    type = fields.String()
    state = fields.String(validate=validate.OneOf([state.value for state in JobState]))
    fingerprint = fields.String()
    started_at = Timestamp(allow_none=True)
    finished_at = Timestamp(allow_none=True)


class ResultAssetSchema(Schema):
    """A file of a result."""

    asset_id = fields.String()
    role = fields.String(metadata={"example": "model"})
    format = fields.String(metadata={"example": "glb"})
    filename = fields.String(metadata={"example": "model.glb"})
    media_type = fields.String()
    size_bytes = fields.Integer()
    up_axis = fields.String(allow_none=True)
    url = fields.String()


class MeshResultSchema(Schema):
    """What jobs on meshes add to their results, each type some of them."""

    before = fields.Dict(metadata={"description": "The analysis of the input (repair)."})
    after = fields.Dict(metadata={"description": "The analysis of the file that was written (repair)."})
    operations = fields.List(fields.Dict(), metadata={"description": "What changed something, in order (repair)."})
    initial_quality = fields.Float(metadata={"description": "The score of the input (repair)."})
    final_quality = fields.Float(metadata={"description": "The score of the file (repair)."})
    improvement = fields.Float(metadata={"description": "The difference of both scores (repair)."})
    initial_faces = fields.Integer(metadata={"description": "Of the input (simplify)."})
    target_faces = fields.Integer(metadata={"description": "What was aimed for (simplify)."})
    final_faces = fields.Integer(metadata={"description": "Of the file (simplify)."})
    reduction_achieved = fields.Float(metadata={"description": "Share of the faces that went (simplify)."})
    quality_preserved = fields.Float(allow_none=True, metadata={"description": "Volume kept, % (simplify)."})
    is_watertight = fields.Boolean()
    volume_change = fields.Float(allow_none=True, metadata={"description": "Share of the volume (repair, simplify)."})
    max_deviation_mm = fields.Float(metadata={"description": "Between both surfaces (repair, simplify)."})
    mean_deviation_mm = fields.Float(metadata={"description": "Between both surfaces (repair, simplify)."})
    report = fields.Dict(metadata={"description": "Every step (optimize)."})
    goal = fields.Raw(
        metadata={
            "description": "What the turn is best for (orient), or each goal with wanted, measured and ok (agent).",
            "oneOf": [{"type": "string"}, {"type": "object"}],
        }
    )
    matrix = fields.List(fields.List(fields.Float()), metadata={"description": "The turn, z up (orient)."})
    candidates = fields.List(fields.Dict(), metadata={"description": "Directions with their figures (orient)."})
    volumes = fields.Dict(metadata={"description": "mm3 of the solid, the shell and the hollow (hollow)."})
    thinnest_wall_mm = fields.Float(allow_none=True, metadata={"description": "Measured (hollow)."})
    drains = fields.List(fields.Dict(), metadata={"description": "The holes, in the file's axes (hollow)."})
    uv_coverage = fields.Float(metadata={"description": "Share of the picture that lies on the surface (texture)."})
    share_seen = fields.Float(metadata={"description": "Share of the surface that a picture shows (texture)."})
    processing_time = fields.Float(allow_none=True, metadata={"description": "s"})


class AgentResultSchema(Schema):
    """What runs of agents add to their results; the trace is there while they are at work, too."""

    trace = fields.List(fields.Dict(), metadata={"description": "What each agent did, in order (agent)."})
    attempts = fields.List(fields.Dict(), metadata={"description": "Each model and what it reached (agent)."})
    best = fields.String(allow_none=True, metadata={"description": "The job whose files are listed (agent)."})
    optimization_applied = fields.List(fields.Dict(), metadata={"description": "Changes to the plain map (agent)."})
    answer = fields.Dict(metadata={"description": "Of a single task (agent)."})


class ResultSchema(MeshResultSchema, AgentResultSchema):
    """What a run made. Figures that nothing measured are null."""

    engine = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    model_revision = fields.String(allow_none=True)
    method = fields.String(allow_none=True, metadata={"example": "silhouette-inflation"})
    profile = fields.String(allow_none=True)
    seed = fields.Integer(allow_none=True)
    settings = fields.Dict()
    assets = fields.List(fields.Nested(ResultAssetSchema))
    measures = fields.Dict(
        metadata={"description": "Of each written file, loaded again, by format; of an analysis, the analysis."}
    )
    checks = fields.List(fields.Dict())
    timings = fields.Dict(metadata={"description": "Seconds of each stage that ran."})
    degraded = fields.List(fields.Dict())
    licence = fields.Dict(allow_none=True, metadata={"description": "Of the model: name, url and terms."})
    unrecognized_words = fields.List(
        fields.String(), metadata={"description": "Of the prompt: words outside the vocabulary, which were left out."}
    )


class JobLinksSchema(Schema):
    """Where a job's parts are."""

    self = fields.String()
    events = fields.String()
    cancel = fields.String()
    result = fields.String()
    manifest = fields.String()


class JobSchema(Schema):
    """A job."""

    id = fields.String(required=True)
    type = fields.String(allow_none=True, metadata={"example": "generation"})
    state = fields.String(required=True, validate=validate.OneOf([state.value for state in JobState]))
    run = fields.Integer(allow_none=True)
    runs = fields.List(fields.Nested(JobRunSchema))
    created_at = Timestamp()
    started_at = Timestamp(allow_none=True)
    finished_at = Timestamp(allow_none=True)
    queue_seconds = fields.Float(allow_none=True)
    run_seconds = fields.Float(allow_none=True)
    priority = fields.Integer(allow_none=True)
    project_id = fields.String(allow_none=True)
    batch_id = fields.String(allow_none=True)
    tags = fields.List(fields.String())
    request = fields.Dict(allow_none=True)
    fingerprint = fields.String(allow_none=True)
    cached = fields.Boolean()
    joined_to = fields.String(allow_none=True)
    progress = fields.Nested(ProgressSchema)
    queue_position = fields.Integer(allow_none=True)
    eta_seconds = fields.Float(allow_none=True)
    sequence = fields.Integer()
    result = fields.Nested(ResultSchema, allow_none=True)
    error = fields.Dict(allow_none=True, metadata={"description": "The problem that ended the job."})
    warnings = fields.List(fields.String())
    retried_from = fields.String(allow_none=True)
    derived_from = fields.String(allow_none=True)
    links = fields.Nested(JobLinksSchema)


class JobPageSchema(Schema):
    """A page of jobs."""

    items = fields.List(fields.Nested(JobSchema), required=True)
    next_cursor = fields.String(allow_none=True, required=True)


class JobQuerySchema(PageArgsSchema):
    """Which jobs a list shows."""

    state = Word(*(state.value for state in JobState), load_default=None)
    type = Text(load_default=None, validate=validate.Length(1, 32))
    tag = Text(load_default=None, validate=validate.Length(1, limits.TAG_CHARACTERS))
    batch = LowerText(load_default=None, validate=validate.Length(1, 36))


class DimensionsSchema(Schema):
    """A size in mm: width, height and depth are x, y and z with y up."""

    width = Number(required=True, validate=validate.Range(*limits.SIDE_MM))
    height = Number(required=True, validate=validate.Range(*limits.SIDE_MM))
    depth = Number(required=True, validate=validate.Range(*limits.SIDE_MM))


class DeriveSchema(Schema):
    """What is made differently; everything else stays as the job was made."""

    octree_resolution = Integer(validate=validate.Range(*limits.OCTREE_RESOLUTION))
    mc_level = Number(validate=validate.Range(*limits.MC_LEVEL))
    target_faces = Integer(validate=validate.Range(*limits.TARGET_FACES))
    formats = fields.List(Word(*MESH_FORMATS), validate=validate.Length(min=1))
    dimensions_mm = fields.Nested(DimensionsSchema)
    fit = Word("inside", "stretch")
    require = fields.Nested(RequireSchema)


class ResultQuerySchema(Schema):
    """How the main file is wanted."""

    format = Word(*MESH_FORMATS, load_default=None, metadata={"description": "Converts when it is not stored."})
    download = fields.Boolean(load_default=False, metadata={"description": "1: to be saved rather than shown."})


class ManifestSchema(Schema):
    """Provenance: what a result was made of, by what and how."""

    job_id = fields.String()
    run = fields.Integer()
    fingerprint = fields.String()
    created_at = Timestamp()
    finished_at = Timestamp(allow_none=True)
    software = fields.Dict(metadata={"description": "Versions installed on the server now."})
    engine = fields.String(allow_none=True)
    model = fields.Dict(allow_none=True)
    method = fields.String(allow_none=True)
    device = fields.String(allow_none=True)
    batch_size = fields.Integer(allow_none=True)
    seed = fields.Integer(allow_none=True)
    parameters = fields.Dict()
    request = fields.Dict()
    inputs = fields.List(fields.Dict())
    operations = fields.List(fields.Dict())
    outputs = fields.List(fields.Dict())
    degraded = fields.List(fields.Dict())
    licence = fields.Dict(allow_none=True)


class EventQuerySchema(Schema):
    """Where a stream goes on."""

    last_event_id = Integer(load_default=None, validate=validate.Range(min=0))


class WorkerSchema(Schema):
    """A worker that gave a sign of life."""

    id = fields.String()
    queue = fields.String(metadata={"example": "cpu"})
    device = fields.String(allow_none=True)
    state = fields.String()
    job_id = fields.String(allow_none=True)
    heartbeat_at = Timestamp()


class QueueSchema(Schema):
    """What waits and who works."""

    depth = fields.Integer(metadata={"description": "Queued runs."})
    running = fields.Integer()
    oldest_seconds = fields.Float(allow_none=True)
    by_type = fields.Dict(keys=fields.String(), values=fields.Integer())
    workers = fields.List(fields.Nested(WorkerSchema))


_PROGRESS = tuple(ProgressSchema().fields)
INTERNAL = frozenset({"model", "picture", "scene", "unrecognized_words"})
"""Settings by which the server finds again what a run was made of, and those shown elsewhere."""


def job_document(view: JobView) -> dict[str, Any]:
    """The job as v1 shows it everywhere: JSON values with times as RFC 3339."""
    run = view.latest
    return {
        "id": view.id,
        "type": run.type if run else None,
        "state": view.state.value,
        "run": run.number if run else None,
        "runs": [_run(one) for one in view.runs],
        "created_at": rfc3339(view.created_at),
        **_times(run),
        "priority": run.priority if run else None,
        "project_id": None,
        "batch_id": view.batch_id,
        "tags": list(view.tags),
        "request": run.request if run else None,
        "fingerprint": run.fingerprint if run else None,
        "cached": run.cached if run else False,
        "joined_to": view.joined_to,
        "progress": progress_document(view),
        "queue_position": view.queue_position,
        "eta_seconds": view.eta_seconds,
        "sequence": view.sequence,
        "result": _result(run) if run and run.result else None,
        "error": run.error if run else None,
        "warnings": list(run.warnings) if run else [],
        "retried_from": view.retried_from,
        "derived_from": view.derived_from,
        "links": _links(view.id),
    }


def progress_document(view: JobView) -> dict[str, Any]:
    """Where the latest run stands."""
    return {name: getattr(view.progress, name) for name in _PROGRESS}


def asset_url(asset_id: str) -> str:
    """Where the bytes of an asset are."""
    return f"/api/v1/assets/{asset_id}/content"


def _run(run: RunView) -> dict[str, Any]:
    return {
        "run": run.number,
        "type": run.type,
        "state": run.state.value,
        "fingerprint": run.fingerprint,
        "started_at": rfc3339(run.started_at),
        "finished_at": rfc3339(run.finished_at),
    }


def _times(run: RunView | None) -> dict[str, Any]:
    if run is None:
        return dict.fromkeys(("started_at", "finished_at", "queue_seconds", "run_seconds"))
    return {
        "started_at": rfc3339(run.started_at),
        "finished_at": rfc3339(run.finished_at),
        "queue_seconds": _between(run.created_at, run.started_at),
        "run_seconds": _between(run.started_at, run.finished_at),
    }


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 3)


def _result(run: RunView) -> dict[str, Any]:
    made, model = run.result or {}, run.settings.get("model") or {}
    return {
        "engine": run.engine,
        "model": run.model,
        "model_revision": model.get("revision"),
        "method": made.get("method") or run.method,
        "profile": run.profile,
        "seed": run.settings.get("seed"),
        "settings": {name: value for name, value in run.settings.items() if name not in INTERNAL},
        "assets": [{**asset, "url": asset_url(asset["asset_id"])} for asset in made.get("assets", [])],
        "measures": made.get("measures", {}),
        "checks": made.get("checks", []),
        "timings": made.get("timings", {}),
        "degraded": made.get("degraded", []),
        "licence": model.get("licence"),
        "unrecognized_words": run.settings.get("unrecognized_words", []),
        **(agent_members(run, made.get("reports", {})) if run.type == AGENT else result_members(run)),
    }


def _links(job_id: str) -> dict[str, str]:
    here = f"{JOBS}/{job_id}"
    return {"self": here, **{name: f"{here}/{name}" for name in ("events", "cancel", "result", "manifest")}}
