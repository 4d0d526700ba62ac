"""Uploads and stored files."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, make_response, request
from flask_smorest import Blueprint

from orfeas.errors import FileMissingError, InvalidRequestError
from orfeas.jobs.files import Asset
from orfeas.jobs.views import JobView
from orfeas.routes.body import load, query_args, read_json
from orfeas.routes.conditional import IMMUTABLE, send_blob, with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import ASSET_ID, PHOTO, UNUSED_ASSET_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.paging import NEWEST_FIRST, page_response
from orfeas.routes.problems import problems
from orfeas.routes.schemas.assets import (
    ASSETS,
    AssetPageSchema,
    AssetQuerySchema,
    AssetSchema,
    ContentQuerySchema,
    PreviewQuerySchema,
    UploadFormSchema,
    UploadSourceSchema,
    asset_document,
)
from orfeas.routes.waiting import finish, wait_seconds, waits

CONVERSION_WAIT_S = 30.0
PNG = "image/png"

blp = Blueprint("assets", __name__, description="Uploads and stored files.")

_BODY = {
    "content": {
        "multipart/form-data": {"schema": UploadFormSchema},
        "application/json": {"schema": UploadSourceSchema},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "model/*": {"schema": {"type": "string", "format": "binary"}},
    },
    "required": True,
}


@blp.post("/api/v1/uploads")
@idempotent
@waits()
@blp.doc(requestBody=_BODY)
@blp.response(201, AssetSchema)
@blp.alt_response(200, schema=AssetSchema, description="The tenant has this file already.")
@problems(
    blp, "bad_request", "invalid_request", "file_missing", "invalid_image", "image_active_content", "blocked_url",
    "unreadable_mesh", "empty_mesh", "unsupported_media_type", "too_large", "upstream_failed", "queue_full",
    "disk_full",
)  # fmt: skip
@example(files={"file": PHOTO})
def upload() -> Response:
    """Store an image or mesh: a form's file, a raw body, a URL or a data URI; `wait` measures a mesh."""
    asset, created = _uploaded()
    wait_s = wait_seconds()
    if wait_s > 0.0:
        asset = services().meshes.with_facts(caller(), asset, lambda job: finish(caller(), job, wait_s))
    response = jsonify(asset_document(asset))
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"{ASSETS}/{asset.id}"
    return response


@blp.get(ASSETS)
@query_args(blp, AssetQuerySchema)
@blp.response(200, AssetPageSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "bad_cursor", "invalid_request")
@example(query={"kind": "image", "limit": 10})
def list_assets(query: dict[str, Any]) -> Response:
    """List stored files, newest first."""
    newest_first = query.pop("sort") == NEWEST_FIRST
    query["format_name"] = query.pop("format")
    page = services().assets.list(caller(), newest_first=newest_first, **query)
    return page_response([asset_document(asset) for asset in page.items], page.next_cursor)


@blp.get(f"{ASSETS}/<asset_id>")
@blp.response(200, AssetSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "file_not_found")
@example(path={"asset_id": ASSET_ID})
def get(asset_id: str) -> Response:
    """Read what is known of a stored file."""
    return with_etag(jsonify(asset_document(services().assets.get(caller(), asset_id))))


@blp.delete(f"{ASSETS}/<asset_id>")
@blp.response(204)
@problems(blp, "file_not_found", "asset_in_use")
@example(path={"asset_id": UNUSED_ASSET_ID})
def delete(asset_id: str) -> None:
    """Delete a file that nothing uses."""
    services().assets.delete(caller(), asset_id)


@blp.get(f"{ASSETS}/<asset_id>/content")
@waits(CONVERSION_WAIT_S)
@query_args(blp, ContentQuerySchema)
@blp.response(200, content_type="application/octet-stream", description="The bytes, with Range.")
@blp.alt_response(206, description="The part that was asked for.", success=True)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(
    blp, "file_not_found", "asset_gone", "range_not_satisfiable", "invalid_request", "format_unavailable",
    "capability_missing", "result_not_ready", "result_failed", "queue_full", "disk_full",
)  # fmt: skip
@example(path={"asset_id": ASSET_ID})
def content(query: dict[str, Any], asset_id: str) -> Response:
    """Fetch a stored file; `format` converts a mesh."""
    asset = services().assets.content(caller(), asset_id)
    if query["format"] is None:
        return send_blob(asset.id, asset.media_type, filename=asset.filename, attachment=query["download"])
    made = services().jobs.asset_as(caller(), asset, query["format"], _wait)
    return send_blob(made.blob, made.media_type, filename=made.filename, attachment=query["download"])


@blp.get(f"{ASSETS}/<asset_id>/preview")
@waits(CONVERSION_WAIT_S)
@query_args(blp, PreviewQuerySchema)
@blp.response(200, content_type=PNG, description="A picture of the file.")
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(
    blp, "file_not_found", "asset_gone", "invalid_request", "capability_missing", "result_not_ready", "result_failed",
    "queue_full", "disk_full",
)  # fmt: skip
@example(path={"asset_id": ASSET_ID}, query={"size": 256})
def preview(query: dict[str, Any], asset_id: str) -> Response:
    """Show a thumbnail of an image, or a rendered picture of a mesh."""
    found, size = services(), query["size"]
    asset = found.assets.content(caller(), asset_id)
    picture = found.jobs.picture_of(caller(), asset, size, _wait)
    response = make_response(found.assets.picture(picture, size))
    response.mimetype = PNG
    return with_etag(response, cache_control=IMMUTABLE, etag=f"{asset.id}-{size}")


def _uploaded() -> tuple[Asset, bool]:
    """By the kind of body: a form's one file, JSON with a URL or a data URI, or the file itself."""
    assets, kind = services().assets, request.mimetype
    if kind == "multipart/form-data":
        part = _one_file()
        return assets.store_file(caller(), part.stream, part.filename, part.mimetype)
    if kind == "application/json":
        source = load(UploadSourceSchema(), _object(read_json(request.get_data())), v1=True)
        url = source.get("url")
        return assets.store_url(caller(), url) if url else assets.store_data(caller(), source["data"])
    data = request.get_data(cache=False)
    if not data:
        raise FileMissingError("The body is empty; send a file as the body, as a form's part `file`, or as JSON.")
    return assets.store_file(caller(), data, None, kind)


def _one_file() -> Any:
    parts = request.files.getlist("file")
    unknown = sorted({*request.files, *request.form} - {"file"})
    if unknown:
        pointers = [{"pointer": f"/{name[:64]}", "detail": "Unknown field.", "code": "unknown"} for name in unknown]
        raise InvalidRequestError("The form takes one part, `file`.", errors=pointers)
    if len(parts) != 1 or not parts[0].filename:
        raise FileMissingError("The form needs one part named `file` with a file name.")
    return parts[0]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    return value


def _wait(job: JobView) -> JobView:
    return finish(caller(), job, wait_seconds(CONVERSION_WAIT_S))
