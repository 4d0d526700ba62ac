"""Work on stl files, on the compatible surface: the answer is the result."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_smorest import Blueprint
from marshmallow import Schema

from orfeas.domain import limits
from orfeas.domain.formats import MESH_FORMATS
from orfeas.errors import FileMissingError, InvalidRequestError, ResultFailedError, rebuilt
from orfeas.jobs.files import Asset
from orfeas.jobs.views import JobState, JobView, RunView, Surface
from orfeas.routes.body import compatible_body, query_args, warn
from orfeas.routes.conditional import send_blob
from orfeas.routes.context import caller, services
from orfeas.routes.examples import MESH, example
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.stl import (
    DEFAULT_REDUCTION,
    StlAnalysisSchema,
    StlAnalyzeSchema,
    StlOptimizedSchema,
    StlOptimizeSchema,
    StlQuerySchema,
    StlRepairedSchema,
    StlRepairSchema,
    StlSimplifiedSchema,
    StlSimplifySchema,
    StlStartedSchema,
)
from orfeas.routes.stl_samples import ANALYZED, OPTIMIZED, REPAIRED, SIMPLIFIED, STARTED
from orfeas.routes.waiting import finish, wait_seconds, waits
from orfeas.services.mesh_reports import analysis, compatible_members
from orfeas.services.plans.meshes import MeshRequest

blp = Blueprint("stl", __name__, description="Look at stl files, mend, reduce and prepare them; the answer waits.")

FILE = ("file",)
PROBLEMS = (
    "file_missing", "file_not_found", "job_not_found", "result_not_ready", "result_failed", "asset_gone",
    "unreadable_mesh", "empty_mesh", "rate_limited", "queue_full", "disk_full", "stage_crashed", "stage_memory",
    "stage_timeout", "worker_lost", "deadline_exceeded", "result_invalid",
)  # fmt: skip
STILL = "The work goes on; GET /api/job-status/{job_id} tells its end."
STL = MESH_FORMATS["stl"].media_type
BOTH = "target_reduction has no effect beside a number of faces."


@blp.post("/api/stl/analyze")
@waits(limits.STL_WAIT_S)
@compatible_body(blp, StlAnalyzeSchema, files=FILE)
@blp.response(200, StlAnalysisSchema)
@blp.alt_response(202, schema=StlStartedSchema, example=STARTED, description=STILL)
@problems(blp, *PROBLEMS)
@example(files={"file": MESH}, request={"printer": "halot-x1"}, response=ANALYZED)
def analyze(params: dict[str, Any]) -> Response:
    """Report on an stl file: closed, manifold, thin, overhanging, printable."""
    return _done("analyze", params, StlAnalysisSchema, {})


@blp.post("/api/stl/repair")
@waits(limits.STL_WAIT_S)
@query_args(blp, StlQuerySchema)
@compatible_body(blp, StlRepairSchema, files=FILE)
@blp.response(200, StlRepairedSchema)
@blp.alt_response(202, schema=StlStartedSchema, example=STARTED, description=STILL)
@problems(blp, *PROBLEMS, "open_mesh")
@example(files={"file": MESH}, request={"aggressive": "false"}, response=REPAIRED)
def repair(query: dict[str, Any], params: dict[str, Any]) -> Response:
    """Mend an stl file, with a report before and after."""
    return _done("repair", {**params, "formats": ["stl"]}, StlRepairedSchema, query)


@blp.post("/api/stl/optimize")
@waits(limits.STL_WAIT_S)
@query_args(blp, StlQuerySchema)
@compatible_body(blp, StlOptimizeSchema, files=FILE)
@blp.response(200, StlOptimizedSchema)
@blp.alt_response(202, schema=StlStartedSchema, example=STARTED, description=STILL)
@problems(blp, *PROBLEMS, "open_mesh", "does_not_fit")
@example(files={"file": MESH}, request={"printer": "halot-x1"}, response=OPTIMIZED)
def optimize(query: dict[str, Any], params: dict[str, Any]) -> Response:
    """Make an stl file ready for a printer: mended, sized, turned, placed on the bed."""
    members = {**params, "formats": ["stl"], "wall_mm": params["wall_thickness_mm"]}
    return _done("optimize", members, StlOptimizedSchema, query)


@blp.post("/api/stl/simplify")
@waits(limits.STL_WAIT_S)
@query_args(blp, StlQuerySchema)
@compatible_body(blp, StlSimplifySchema, files=FILE)
@blp.response(200, StlSimplifiedSchema)
@blp.alt_response(202, schema=StlStartedSchema, example=STARTED, description=STILL)
@problems(blp, *PROBLEMS, "target_unreachable")
@example(files={"file": MESH}, request={"target_faces": 500}, response=SIMPLIFIED)
def simplify(query: dict[str, Any], params: dict[str, Any]) -> Response:
    """Reduce an stl file to an exact number of triangles."""
    faces, share = params["target_faces"] or params["target_triangles"], params["target_reduction"]
    if faces and share:
        warn(BOTH)
    reduction = None if faces else share or DEFAULT_REDUCTION
    members = {**params, "formats": ["stl"], "target_faces": faces, "target_reduction": reduction}
    return _done("simplify", members, StlSimplifiedSchema, query)


def _done(kind: str, params: dict[str, Any], schema: type[Schema], query: dict[str, Any]) -> Response:
    """Start the job, wait for it, and answer with what came of it."""
    asked = MeshRequest.of(kind, params)
    given = params.get("file")
    name = None if given is None or isinstance(given, str) else given.filename
    job = services().meshes.create(caller(), Surface.COMPATIBLE, asked, _mesh_of(given), filename=name)
    job = finish(caller(), job, wait_seconds(limits.STL_WAIT_S))
    run = job.latest
    assert run is not None
    if not job.state.final:
        return _started(job)
    _require_success(job, run)
    for warning in run.warnings:
        warn(warning)
    if kind != "analyze" and (query["download"] or _wants_stl()):
        return _stl(run)
    answer = _analyzed(run) if kind == "analyze" else _filed(job, run)
    return jsonify(schema().dump({"success": True, "job_id": job.id, **answer}))


def _mesh_of(given: Any) -> Asset:
    """The file part, or the stored mesh that a text names."""
    if given is None:
        raise FileMissingError("The request has no mesh: send it as the multipart file field file.")
    if isinstance(given, str):
        found: Asset = services().assets.named_mesh(caller(), given)
        return found
    if not given.filename:
        raise FileMissingError("The file field has no file name, so no file was chosen.")
    if not given.filename.lower().endswith(".stl"):
        detail = f"{given.filename[:80]!r} is not named .stl; other formats are read at /api/v1/meshes."
        raise InvalidRequestError.at("/file", detail)
    return services().assets.store_mesh(caller(), given.stream, given.filename)


def _require_success(job: JobView, run: RunView) -> None:
    if job.state is JobState.FAILED and run.error:
        raise rebuilt({**run.error, "job_id": job.id})
    if job.state is not JobState.SUCCEEDED:
        raise ResultFailedError("The job was cancelled; send the file again.", job_id=job.id)


def _started(job: JobView) -> Response:
    response = jsonify(dumped(StlStartedSchema, {"job_id": job.id, "status": "processing"}))
    response.status_code = 202
    response.headers["Location"] = f"/api/job-status/{job.id}"
    return response


def _analyzed(run: RunView) -> dict[str, Any]:
    found = analysis((run.result or {})["reports"])
    return {
        "analysis": found,
        "triangle_count": found["face_count"],
        "surface_area": found["surface_area"],
        "volume": found["volume"],
        "bounds": found["bounding_box"],
        "manifold": found["is_manifold"],
        "watertight": found["is_watertight"],
    }


def _filed(job: JobView, run: RunView) -> dict[str, Any]:
    made = _file(run)
    return {
        "output_file": made["filename"],
        "download_url": f"/api/download/{job.id}/{made['filename']}",
        "asset_id": made["asset_id"],
        **compatible_members(run),
    }


def _file(run: RunView) -> dict[str, Any]:
    return dict((run.result or {})["assets"][0])


def _wants_stl() -> bool:
    accepted = request.accept_mimetypes
    return STL in accepted.values() and accepted[STL] >= accepted["application/json"]


def _stl(run: RunView) -> Response:
    made = _file(run)
    return send_blob(
        made["asset_id"], STL, filename=made["filename"], attachment=True, cache_control="private, no-cache"
    )
