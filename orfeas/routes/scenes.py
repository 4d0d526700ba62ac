"""Scenes: models that stand together under a light, before a camera."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, jsonify, request
from flask_smorest import Blueprint

from orfeas.errors import PreconditionFailedError
from orfeas.jobs.views import JobView
from orfeas.routes.body import query_args, v1_body
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import EMPTY_SCENE_ID, MODEL_ASSET_ID, OBJECT_ID, SCENE_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.paging import NEWEST_FIRST, PageArgsSchema, page_response
from orfeas.routes.problems import problems
from orfeas.routes.response_headers import canonical
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.schemas.scenes import (
    SCENES,
    AddObjectSchema,
    ChangeObjectSchema,
    CreateSceneSchema,
    ExportSceneSchema,
    LayoutSchema,
    ScenePageSchema,
    SceneSchema,
    scene_document,
)
from orfeas.routes.sources import SOURCE_PROBLEMS, input_of
from orfeas.routes.waiting import finish, waits
from orfeas.services.scenes import Scene

ONE = "/api/v1/scene"
READING_WAIT_S = 30.0
PROBLEMS = ("not_found", "invalid_request", "rate_limited", "disk_full")
OBJECT = {
    "id": OBJECT_ID, "asset_id": MODEL_ASSET_ID, "name": "mug", "position": [0.0, 0.0, 0.0],
    "rotation_deg": [0.0, 0.0, 0.0], "scale": [1.0, 1.0, 1.0], "material": None, "visible": True,
}  # fmt: skip
SAMPLE = {
    "id": SCENE_ID, "name": "breakfast", "objects": [OBJECT], "lighting": "studio", "camera": "angle1",
    "bounds_mm": {"min": [-48.5, 0.0, -33.7], "max": [48.5, 100.0, 33.7], "size": [97.0, 100.0, 67.4]}, "overlaps": 0,
    "created_at": "2026-05-04T09:30:00.000Z",
    "links": {
        "self": f"{SCENES}/{SCENE_ID}", "objects": f"{SCENES}/{SCENE_ID}/objects",
        "layout": f"{SCENES}/{SCENE_ID}/layout", "export": f"{SCENES}/{SCENE_ID}/export",
    },
}  # fmt: skip
EMPTY = {**SAMPLE, "objects": [], "bounds_mm": None}

blp = Blueprint("scenes", __name__, description="Models that stand together under a light, before a camera.")


@blp.post(SCENES)
@idempotent
@v1_body(blp, CreateSceneSchema)
@blp.response(201, SceneSchema)
@problems(blp, "invalid_request", "invalid_name", "unsupported_media_type", "disk_full")
@example(request={"name": "breakfast", "lighting": "studio", "camera": "angle1"}, response=EMPTY)
def create(params: dict[str, Any]) -> Response:
    """Open a scene without objects."""
    return _made(
        services().scenes.create(caller(), params["name"], lighting=params["lighting"], camera=params["camera"])
    )


@blp.post(f"{ONE}/create")
@idempotent
@v1_body(blp, CreateSceneSchema)
@blp.response(201, SceneSchema)
@problems(blp, "invalid_request", "invalid_name", "unsupported_media_type", "disk_full")
@example(request={"name": "breakfast"}, response=EMPTY)
def create_alias(params: dict[str, Any]) -> Response:
    """Open a scene; alias of /api/v1/scenes."""
    made = services().scenes.create(caller(), params["name"], lighting=params["lighting"], camera=params["camera"])
    return canonical(_made(made), SCENES)


@blp.get(SCENES)
@query_args(blp, PageArgsSchema)
@blp.response(200, ScenePageSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "bad_cursor", "invalid_request")
@example(query={"limit": 10}, response={"items": [SAMPLE], "next_cursor": None})
def list_scenes(query: dict[str, Any]) -> Response:
    """List scenes, newest first."""
    newest_first = query.pop("sort") == NEWEST_FIRST
    page = services().scenes.list(caller(), newest_first=newest_first, **query)
    return page_response([scene_document(scene) for scene in page.items], page.next_cursor)


@blp.get(f"{SCENES}/<scene_id>")
@blp.response(200, SceneSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "not_found")
@example(path={"scene_id": SCENE_ID}, response=SAMPLE)
def get(scene_id: str) -> Response:
    """Read a scene."""
    return with_etag(jsonify(scene_document(services().scenes.get(caller(), scene_id))))


@blp.delete(f"{SCENES}/<scene_id>")
@blp.response(204)
@problems(blp, "not_found", "forbidden")
@example(path={"scene_id": EMPTY_SCENE_ID})
def delete(scene_id: str) -> Response:
    """Let a scene go; its models stay."""
    services().scenes.delete(caller(), scene_id)
    return Response(status=204)


@blp.post(f"{SCENES}/<scene_id>/objects")
@idempotent
@v1_body(blp, AddObjectSchema, files=("input",))
@blp.response(201, SceneSchema)
@problems(blp, *PROBLEMS, *SOURCE_PROBLEMS, "queue_full")
@example(
    path={"scene_id": SCENE_ID}, request={"input": {"asset_id": MODEL_ASSET_ID}, "position": [120, 0, 0]},
    response=SAMPLE,
)  # fmt: skip
def add(params: dict[str, Any], scene_id: str) -> Response:
    """Put a stored model into a scene."""
    return _made(_added(scene_id, params))


@blp.post(f"{ONE}/<scene_id>/add-object")
@idempotent
@v1_body(blp, AddObjectSchema, files=("input",))
@blp.response(201, SceneSchema)
@problems(blp, *PROBLEMS, *SOURCE_PROBLEMS, "queue_full")
@example(path={"scene_id": SCENE_ID}, request={"input": {"asset_id": MODEL_ASSET_ID}}, response=SAMPLE)
def add_alias(params: dict[str, Any], scene_id: str) -> Response:
    """Put a stored model into a scene; alias of /api/v1/scenes/{scene_id}/objects."""
    return canonical(_made(_added(scene_id, params)), f"{SCENES}/{scene_id}/objects")


@blp.patch(f"{SCENES}/<scene_id>/objects/<object_id>")
@v1_body(blp, ChangeObjectSchema)
@blp.response(200, SceneSchema)
@problems(blp, *PROBLEMS, "precondition_failed", "forbidden", "unsupported_media_type")
@example(path={"scene_id": SCENE_ID, "object_id": OBJECT_ID}, request={"material": "wood"}, response=SAMPLE)
def change(params: dict[str, Any], scene_id: str, object_id: str) -> Response:
    """Move, turn, size, dress or hide an object."""
    _require_match(scene_id)
    vectors = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    return with_etag(jsonify(scene_document(services().scenes.change(caller(), scene_id, object_id, vectors))))


@blp.delete(f"{SCENES}/<scene_id>/objects/<object_id>")
@blp.response(204)
@problems(blp, "not_found", "precondition_failed", "forbidden")
@example(path={"scene_id": SCENE_ID, "object_id": OBJECT_ID})
def remove(scene_id: str, object_id: str) -> Response:
    """Take an object out of a scene."""
    _require_match(scene_id)
    services().scenes.remove(caller(), scene_id, object_id)
    return Response(status=204)


@blp.post(f"{SCENES}/<scene_id>/layout")
@v1_body(blp, LayoutSchema)
@blp.response(200, SceneSchema)
@problems(blp, *PROBLEMS, "does_not_fit", "queue_full", "unsupported_media_type")
@example(path={"scene_id": SCENE_ID}, request={"strategy": "row", "spacing_mm": 10}, response=SAMPLE)
def lay_out(params: dict[str, Any], scene_id: str) -> Response:
    """Set the objects' positions so that none overlap."""
    return with_etag(jsonify(scene_document(_laid_out(scene_id, params))))


@blp.post(f"{ONE}/<scene_id>/layout")
@v1_body(blp, LayoutSchema)
@blp.response(200, SceneSchema)
@problems(blp, *PROBLEMS, "does_not_fit", "queue_full", "unsupported_media_type")
@example(path={"scene_id": SCENE_ID}, request={"strategy": "grid"}, response=SAMPLE)
def lay_out_alias(params: dict[str, Any], scene_id: str) -> Response:
    """Set the objects' positions; alias of /api/v1/scenes/{scene_id}/layout."""
    answer = with_etag(jsonify(scene_document(_laid_out(scene_id, params))))
    return canonical(answer, f"{SCENES}/{scene_id}/layout")


@blp.post(f"{SCENES}/<scene_id>/export")
@idempotent
@waits()
@v1_body(blp, ExportSceneSchema)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS, "queue_full", "asset_gone", "file_not_found", "unsupported_media_type")
@example(path={"scene_id": SCENE_ID}, request={"format": "glb"})
def export(params: dict[str, Any], scene_id: str) -> Response:
    """Write all visible objects to one file, a glb with lights and camera."""
    return created(_exported(scene_id, params))


@blp.post(f"{ONE}/<scene_id>/export")
@idempotent
@waits()
@v1_body(blp, ExportSceneSchema)
@blp.response(202, JobSchema)
@problems(blp, *PROBLEMS, "queue_full", "asset_gone", "file_not_found", "unsupported_media_type")
@example(path={"scene_id": SCENE_ID}, request={"format": "glb"})
def export_alias(params: dict[str, Any], scene_id: str) -> Response:
    """Write all visible objects to one file; alias of /api/v1/scenes/{scene_id}/export."""
    return canonical(created(_exported(scene_id, params)), f"{SCENES}/{scene_id}/export")


def _added(scene_id: str, params: dict[str, Any]) -> Scene:
    services().scenes.get(caller(), scene_id)
    asset = input_of(params)
    members = {name: value for name, value in params.items() if name not in ("input", "files")}
    return services().scenes.add(caller(), scene_id, asset, members, _wait)


def _laid_out(scene_id: str, params: dict[str, Any]) -> Scene:
    width, depth = params["bed_mm"]
    return services().scenes.lay_out(
        caller(), scene_id, params["strategy"], spacing_mm=params["spacing_mm"], bed_mm=(width, depth), wait=_wait
    )


def _exported(scene_id: str, params: dict[str, Any]) -> JobView:
    return services().scenes.export(caller(), scene_id, params["format"], flatten=params["flatten"], wait=_wait)


def _wait(job: JobView) -> JobView:
    return finish(caller(), job, READING_WAIT_S)


def _made(scene: Scene) -> Response:
    answer = jsonify(scene_document(scene))
    answer.status_code = 201
    answer.headers["Location"] = f"{SCENES}/{scene.id}"
    return answer


def _require_match(scene_id: str) -> None:
    """Refuse a change of a scene that is not the one the client has seen."""
    if not request.if_match:
        return
    now = jsonify(scene_document(services().scenes.get(caller(), scene_id)))
    etag = hashlib.sha256(now.get_data()).hexdigest()[:32]
    if not request.if_match.contains(etag):
        raise PreconditionFailedError("The scene has changed since; read it again.")
