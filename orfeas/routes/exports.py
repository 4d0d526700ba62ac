"""Exports: which formats there are, and files with collision bodies and levels of detail."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.jobs.views import Surface
from orfeas.routes.body import v1_body
from orfeas.routes.context import caller, services
from orfeas.routes.examples import MODEL_ASSET_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.exports import ExportFormatsSchema, ExportSchema
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.sources import SOURCE_PROBLEMS, input_of
from orfeas.routes.waiting import waits
from orfeas.services.plans.meshes import MeshRequest

blp = Blueprint("exports", __name__, description="Formats, and files for game engines and pages.")

EXPORTS = "/api/v1/exports"
FORMATS = {
    "items": [
        {
            "format": "glb", "media_type": "model/gltf-binary", "read": True, "write": True, "available": True,
            "reason": None, "colors": True, "textures": True, "units": "m", "converter": "orfeas",
        }
    ]
}  # fmt: skip


@blp.get(f"{EXPORTS}/formats")
@blp.response(200, ExportFormatsSchema)
@example(response=FORMATS)
def formats() -> Response:
    """List every format, what it carries, and why one cannot be written here."""
    return jsonify(dumped(ExportFormatsSchema, {"items": services().exports.formats(caller())}))


@blp.post(EXPORTS)
@idempotent
@waits()
@v1_body(blp, ExportSchema, files=("input",))
@blp.response(202, JobSchema)
@problems(
    blp, *SOURCE_PROBLEMS, "parameter_not_supported", "format_unavailable", "queue_full", "disk_full", "rate_limited"
)
@example(request={"input": {"asset_id": MODEL_ASSET_ID}, "format": "glb", "collision": "box", "lods": [200]})
def create(params: dict[str, Any]) -> Response:
    """Write a mesh with collision bodies and levels of detail as further nodes."""
    members = {**params, "formats": [params["format"]], "written_unit": params["unit"], "unit": None}
    request, meshes = MeshRequest.of("export", members), services().meshes
    meshes.check(request)
    return created(meshes.create(caller(), Surface.V1, request, input_of(params)))
