"""Work on stored meshes."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint

from orfeas.jobs.views import Surface
from orfeas.routes.body import v1_body
from orfeas.routes.context import caller, services
from orfeas.routes.examples import ASSET_ID, MODEL_ASSET_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.problems import problems
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.schemas.meshes import (
    AnalyzeMeshSchema,
    ConvertMeshSchema,
    HollowMeshSchema,
    OptimizeMeshSchema,
    OrientMeshSchema,
    RepairMeshSchema,
    SimplifyMeshSchema,
    TextureMeshSchema,
)
from orfeas.routes.schemas.renders import RenderMeshSchema, TurntableMeshSchema
from orfeas.routes.sources import SOURCE_PROBLEMS, input_of, stored
from orfeas.routes.waiting import waits
from orfeas.services.plans.meshes import MeshRequest
from orfeas.services.plans.renders import camera_members, material_members

blp = Blueprint("meshes", __name__, description="Look at stored meshes, mend, reduce, prepare and convert them.")

MESHES = "/api/v1/meshes"
PART = ("input",)
PROBLEMS = (
    *SOURCE_PROBLEMS, "parameter_not_supported", "format_unavailable", "queue_full", "disk_full", "rate_limited",
)  # fmt: skip
INPUT = {"input": {"asset_id": MODEL_ASSET_ID}}


@blp.post(f"{MESHES}/analyze")
@idempotent
@waits()
@v1_body(blp, AnalyzeMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "printer": "fdm-220"})
def analyze(params: dict[str, Any]) -> Response:
    """Report on a mesh: closed, manifold, thin, overhanging, printable."""
    return _started("analyze", params)


@blp.post(f"{MESHES}/repair")
@idempotent
@waits()
@v1_body(blp, RepairMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "require": {"watertight": True}})
def repair(params: dict[str, Any]) -> Response:
    """Mend a mesh, with a report before and after."""
    return _started("repair", params)


@blp.post(f"{MESHES}/simplify")
@idempotent
@waits()
@v1_body(blp, SimplifyMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "target_faces": 1000})
def simplify(params: dict[str, Any]) -> Response:
    """Make a copy of a mesh with exactly so many triangles."""
    return _started("simplify", params)


@blp.post(f"{MESHES}/optimize")
@idempotent
@waits()
@v1_body(blp, OptimizeMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "printer": "halot-x1", "formats": ["stl"]})
def optimize(params: dict[str, Any]) -> Response:
    """Make a mesh ready for a printer: mended, sized, turned, placed on the bed."""
    return _started("optimize", params)


@blp.post(f"{MESHES}/orient")
@idempotent
@waits()
@v1_body(blp, OrientMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "goal": "overhang"})
def orient(params: dict[str, Any]) -> Response:
    """Turn a mesh into the best direction for printing it."""
    return _started("orient", params)


@blp.post(f"{MESHES}/hollow")
@idempotent
@waits()
@v1_body(blp, HollowMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS, "open_mesh")
@example(request={**INPUT, "wall_mm": 2.0, "grid": 64})
def hollow(params: dict[str, Any]) -> Response:
    """Leave a shell of a closed mesh, with holes to drain it."""
    return _started("hollow", params)


@blp.post(f"{MESHES}/convert")
@idempotent
@waits()
@v1_body(blp, ConvertMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "formats": ["stl", "3mf"], "up_axis": "z"})
def convert(params: dict[str, Any]) -> Response:
    """Write a mesh in other formats, also in another size."""
    return _started("convert", params)


@blp.post(f"{MESHES}/texture")
@idempotent
@waits()
@v1_body(blp, TextureMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS)
@example(request={**INPUT, "mode": "projection", "images": {"front": {"asset_id": ASSET_ID}}, "size": 256})
def texture(params: dict[str, Any]) -> Response:
    """Dress a mesh in a material, or paint it with pictures of its sides."""
    services().meshes.check(MeshRequest.of("texture", params))
    return _started("texture", {**params, "images": sides_of(params)})


@blp.post(f"{MESHES}/render")
@idempotent
@waits()
@v1_body(blp, RenderMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS, "invalid_name")
@example(request={**INPUT, "camera": "angle1", "material": "ceramic", "lighting": "warm", "width": 256, "height": 256})
def render(params: dict[str, Any]) -> Response:
    """Draw a picture of a mesh."""
    return _started("render", _drawn(params))


@blp.post(f"{MESHES}/turntable")
@idempotent
@waits()
@v1_body(blp, TurntableMeshSchema, files=PART)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS, "invalid_name")
@example(request={**INPUT, "animation": {"type": "orbital", "radius": 9}, "frames": 12, "width": 160, "height": 160})
def turntable(params: dict[str, Any]) -> Response:
    """Draw a mesh from all sides, as an animation."""
    return _started("turntable", _drawn(params))


def _drawn(params: dict[str, Any]) -> dict[str, Any]:
    """A request with the named camera and material as their members."""
    camera = params["camera"]
    if isinstance(camera, str):
        camera = camera_members(services().camera.named(caller(), camera))
    return {**params, "camera": camera, "material": material_members(params["material"])}


def sides_of(params: dict[str, Any]) -> dict[str, dict[str, str]] | None:
    """The pictures of a request as stored assets, by view."""
    sides = params.get("images") or {}
    found = {view: stored(image, params["files"], f"/images/{view}") for view, image in sides.items()}
    return {view: {"asset_id": asset.id} for view, asset in found.items()} or None


def _started(kind: str, params: dict[str, Any]) -> Response:
    request, meshes = MeshRequest.of(kind, params), services().meshes
    meshes.check(request)
    return created(meshes.create(caller(), Surface.V1, request, input_of(params)))
