"""Materials and light: presets, metadata, MTL files."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.domain.materials import (
    lighting_document,
    lighting_threejs,
    material_document,
    material_threejs,
    mtl,
)
from orfeas.domain.presets import LIGHTING, MATERIALS
from orfeas.routes.body import compatible_body, query_args
from orfeas.routes.context import caller, services
from orfeas.routes.examples import JOB_ID, example
from orfeas.routes.problems import problems
from orfeas.routes.schemas.materials import (
    ExportMtlSchema,
    LightingPresetsSchema,
    MaterialPresetsSchema,
    MetadataAnswerSchema,
    MetadataQuerySchema,
    MetadataRequestSchema,
    MtlAnswerSchema,
)
from orfeas.services.materials import MaterialFile

METADATA = "/api/materials/metadata"
METAL, STUDIO = MATERIALS["metal"], LIGHTING["studio"]
SAMPLE = {
    "success": True,
    "metadata": {
        "orfeas_version": "0.1.0",
        "material": material_document("metal", METAL),
        "material_threejs": material_threejs(METAL),
        "lighting": lighting_document("studio", STUDIO),
        "lighting_threejs": lighting_threejs(STUDIO),
        "timestamp": "2026-05-04T09:30:00.000Z",
    },
}

blp = Blueprint("materials", __name__, description="Materials and light: presets, metadata, MTL files.")


@blp.get("/api/materials/presets")
@blp.response(200, MaterialPresetsSchema)
@example(response={"success": True, "materials": ["metal"], "presets": {"metal": material_document("metal", METAL)}})
def presets() -> Response:
    """List the material presets."""
    found = {name: material_document(name, material) for name, material in MATERIALS.items()}
    return jsonify(success=True, materials=[*found], presets=found)


@blp.get("/api/lighting/presets")
@blp.response(200, LightingPresetsSchema)
@example(
    response={"success": True, "environments": ["studio"], "presets": {"studio": lighting_document("studio", STUDIO)}}
)
def lighting_presets() -> Response:
    """List the lighting presets."""
    found = {name: lighting_document(name, rig) for name, rig in LIGHTING.items()}
    return jsonify(success=True, environments=[*found], presets=found)


@blp.get(METADATA)
@query_args(blp, MetadataQuerySchema)
@blp.response(200, MetadataAnswerSchema)
@problems(blp, "invalid_request", "bad_request")
@example(query={"material_type": "metal", "custom_properties": '{"roughness": 0.2}'}, response=SAMPLE)
def metadata(query: dict[str, Any]) -> Response:
    """Describe a material and its light."""
    return _metadata(query, save=False)


@blp.post(METADATA)
@compatible_body(blp, MetadataRequestSchema)
@blp.response(200, MetadataAnswerSchema)
@problems(blp, "invalid_request", "bad_request", "queue_full", "disk_full")
@example(
    request={"material_type": "metal", "lighting_environment": "studio", "custom_properties": {"roughness": 0.2}},
    response=SAMPLE,
)
def make_metadata(params: dict[str, Any]) -> Response:
    """Describe a material and its light, and keep it as a file with `save`."""
    return _metadata(params, save=params["save"])


@blp.post("/api/materials/export-mtl")
@compatible_body(blp, ExportMtlSchema)
@blp.response(200, MtlAnswerSchema)
@problems(blp, "invalid_request", "queue_full", "disk_full")
@example(
    request={"material_type": "metal", "material_name": "brushed"},
    response={
        "success": True,
        "mtl_content": mtl("brushed", METAL),
        "job_id": JOB_ID,
        "output_file": "brushed.mtl",
        "download_url": f"/api/download/{JOB_ID}/brushed.mtl",
    },
)
def export_mtl(params: dict[str, Any]) -> Response:
    """Write a material in the MTL format."""
    made = services().materials.export_mtl(
        caller(), params["material_type"], params["material_name"], params["custom_properties"]
    )
    return jsonify(success=True, mtl_content=made.content, output_file=made.filename, **_links(made))


def _metadata(params: dict[str, Any], *, save: bool) -> Response:
    made = services().materials.metadata(
        caller(), params["material_type"], params["lighting_environment"], params["custom_properties"], save=save
    )
    kept = {"metadata_file": made.filename, **_links(made)} if save else {}
    return jsonify(success=True, metadata=made.content, **kept)


def _links(made: MaterialFile) -> dict[str, str]:
    assert made.job is not None
    return {"job_id": made.job.id, "download_url": f"/api/download/{made.job.id}/{made.filename}"}
