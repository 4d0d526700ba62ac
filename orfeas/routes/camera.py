"""Cameras: standard and kept views, positions, paths."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.domain import camera as cameras
from orfeas.domain.presets import CAMERA_DISTANCE
from orfeas.routes.body import compatible_body, query_args
from orfeas.routes.context import caller, services
from orfeas.routes.examples import example
from orfeas.routes.problems import problems
from orfeas.routes.schemas.camera import (
    CameraPresetsQuerySchema,
    CameraPresetsSchema,
    CameraSchema,
    OrbitalSchema,
    PathAnswerSchema,
    PositionSchema,
    SavedAnswerSchema,
    SaveViewSchema,
    TurntableSchema,
    animation_document,
    configuration,
    saved_document,
)
from orfeas.routes.schemas.common import dumped

PRESETS = "/api/camera/presets"
VIEW = {"position": [0, 5, 10], "target": [0, 0, 0], "fov": 50.0, "projection": "perspective"}
PATH = {
    "duration": 10.0, "speed": 1.0, "loop": True, "ease": "linear", "rotation_axis": "y", "orbital_radius": 10.0,
    "orbital_height_variation": 0.0, "frames": 60,
}  # fmt: skip
START = {"t": 0.0, "position": [0.0, 5.0, 10.0], "target": [0.0, 0.0, 0.0], "up": [0.0, 1.0, 0.0]}

blp = Blueprint("camera", __name__, description="Cameras: standard and kept views, positions, paths.")


@blp.get(PRESETS)
@query_args(blp, CameraPresetsQuerySchema)
@blp.response(200, CameraPresetsSchema)
@problems(blp, "invalid_request")
@example(
    query={"distance": 10},
    response={
        "success": True,
        "presets": ["front"],
        "configurations": {
            "front": {
                "position": {"x": 0, "y": 0, "z": 10}, "target": {"x": 0, "y": 0, "z": 0}, "fov": 50,
                "projection": "perspective",
            }
        },
        "default_distance": 10.0,
        "saved": [],
    },
)  # fmt: skip
def presets(query: dict[str, Any]) -> Response:
    """List the standard views at a distance, and the kept ones."""
    views = cameras.scaled_presets(query["distance"])
    saved = [saved_document(found) for found in services().camera.saved(caller())]
    return jsonify(
        dumped(
            CameraPresetsSchema,
            {
                "success": True,
                "presets": [*views],
                "configurations": {name: configuration(seen) for name, seen in views.items()},
                "default_distance": CAMERA_DISTANCE,
                "saved": saved,
            },
        )
    )


@blp.post("/api/camera/position")
@compatible_body(blp, CameraSchema)
@blp.response(200, PositionSchema)
@problems(blp, "invalid_request")
@example(
    request=VIEW,
    response={
        "success": True,
        "camera": VIEW,
        "camera_threejs": {**{k: VIEW[k] for k in ("position", "target", "fov")}, "projectionMode": "perspective"},
        "look_at": {"theta": 0.0, "phi": 0.4636476, "distance": 11.1803399},
        "view_matrix": [
            1.0, 0.0, 0.0, 0.0, 0.0, 0.8944272, 0.4472136, 0.0, 0.0, -0.4472136, 0.8944272, 0.0, 0.0, 0.0,
            -11.1803399, 1.0,
        ],
    },
)  # fmt: skip
def position(params: dict[str, Any]) -> Response:
    """Turn a camera into angles, a view matrix and what three.js takes."""
    seen = cameras.view(params)
    found = cameras.look_at(seen.position, seen.target)
    shown = {name: params[name] for name in ("position", "target", "fov")}
    return jsonify(
        success=True,
        camera={**shown, "projection": seen.projection},
        camera_threejs={**shown, "projectionMode": seen.projection},
        look_at={"theta": found.theta, "phi": found.phi, "distance": found.distance},
        view_matrix=list(cameras.view_matrix(seen)),
    )


@blp.post("/api/camera/animation/turntable")
@compatible_body(blp, TurntableSchema)
@blp.response(200, PathAnswerSchema)
@problems(blp, "invalid_request")
@example(
    request={"distance": 10, "height": 5, "frames": 60},
    response={
        "success": True,
        "type": "turntable",
        "animation": {"animation_type": "turntable", **PATH, "path_points": [START]},
    },
)
def turntable(params: dict[str, Any]) -> Response:
    """Key frames around an axis."""
    return jsonify(animation_document(cameras.turntable(**params)))


@blp.post("/api/camera/animation/orbital")
@compatible_body(blp, OrbitalSchema)
@blp.response(200, PathAnswerSchema)
@problems(blp, "invalid_request")
@example(
    request={"radius": 10, "height_variation": 3},
    response={
        "success": True,
        "type": "orbital",
        "animation": {
            "animation_type": "orbital",
            **PATH,
            "duration": 15.0,
            "orbital_height_variation": 3.0,
            "path_points": [{**START, "position": [0.0, 0.0, 10.0]}],
        },
    },
)
def orbital(params: dict[str, Any]) -> Response:
    """Key frames around y that rise and sink."""
    return jsonify(animation_document(cameras.orbital(**params)))


@blp.post("/api/camera/preset/save")
@compatible_body(blp, SaveViewSchema)
@blp.response(200, SavedAnswerSchema)
@problems(blp, "invalid_request", "invalid_name", "disk_full")
@example(
    request={"name": "hero shot", **VIEW},
    response={
        "success": True,
        "preset_name": "hero shot",
        "preset_id": "0f6c2f5e-8a0b-4b4e-9a39-2a6f5f1f7c11",
        "preset_url": PRESETS,
    },
)
def save(params: dict[str, Any]) -> Response:
    """Keep a view by name; the same name again replaces it."""
    name, description = params.pop("name"), params.pop("description")
    kept = services().camera.save(caller(), name, params, description)
    replaced = {"replaced": True} if kept.replaced else {}
    return jsonify(success=True, preset_name=kept.name, preset_id=kept.id, preset_url=PRESETS, **replaced)
