"""Files of jobs on the compatible surface."""

from __future__ import annotations

import base64

from flask import Response, jsonify

from orfeas.domain import limits
from orfeas.domain.formats import MESH_FORMATS
from orfeas.errors import AssetGoneError, TooLargeError
from orfeas.jobs.views import JobView
from orfeas.routes.conditional import send_blob
from orfeas.routes.context import caller, services
from orfeas.routes.examples import COMPATIBLE_JOB_ID, PREVIEW_FILENAME, example
from orfeas.routes.generation import samples
from orfeas.routes.generation.blueprint import blp
from orfeas.routes.problems import problems
from orfeas.routes.schemas.generation import Base64FileSchema
from orfeas.routes.waiting import finish, wait_seconds, waits
from orfeas.services.generation import StoredFile

NO_CACHE = "private, no-cache"
FILE_PROBLEMS = (
    "invalid_request", "job_not_found", "file_not_found", "result_not_ready", "result_failed", "asset_gone",
    "format_unavailable", "capability_missing", "queue_full", "disk_full",
)  # fmt: skip
STL_TYPE = MESH_FORMATS["stl"].media_type


@blp.get("/api/download/<job_id>/<filename>")
@waits(limits.DOWNLOAD_WAIT_S)
@blp.response(200, content_type="application/octet-stream", description="The file, with Range.")
@blp.alt_response(206, description="The part that was asked for.", success=True)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, *FILE_PROBLEMS, "range_not_satisfiable")
@example(path={"job_id": COMPATIBLE_JOB_ID, "filename": "model.stl"})
def download(job_id: str, filename: str) -> Response:
    """Fetch a result file; another extension converts the model."""
    found = _find(job_id, filename)
    return send_blob(
        found.blob, _download_type(found), filename=found.filename, attachment=True, cache_control=NO_CACHE
    )


@blp.get("/api/download-base64/<job_id>/<filename>")
@waits(limits.DOWNLOAD_WAIT_S)
@blp.response(200, Base64FileSchema)
@problems(blp, *FILE_PROBLEMS, "too_large")
@example(path={"job_id": COMPATIBLE_JOB_ID, "filename": "model.stl"}, response=samples.BASE64)
def download_base64(job_id: str, filename: str) -> Response:
    """Fetch a result file as base64 text."""
    found = _find(job_id, filename)
    if found.size_bytes > limits.BASE64_BYTES:
        raise TooLargeError(
            f"The file has {found.size_bytes} bytes; above {limits.BASE64_BYTES} use /api/download.",
            limit=limits.BASE64_BYTES,
        )
    data = services().blobs.read(found.blob)
    text = base64.b64encode(data).decode("ascii")
    return jsonify(
        status="success",
        filename=found.filename,
        original_size=len(data),
        encoded_size=len(text),
        media_type=_download_type(found),
        data=text,
    )


@blp.get("/api/preview/<filename>")
@blp.response(200, content_type="image/png", description="The stored picture.")
@blp.alt_response(206, description="The part that was asked for.", success=True)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "file_not_found", "asset_gone", "range_not_satisfiable")
@example(path={"filename": PREVIEW_FILENAME})
def preview(filename: str) -> Response:
    """Show the image that a job started from."""
    return _inline(services().generation.files.input_picture(caller(), filename))


@blp.get("/api/preview-output/<job_id>/<filename>")
@waits(limits.DOWNLOAD_WAIT_S)
@blp.response(200, content_type="image/png", description="The file, to be shown in place.")
@blp.alt_response(206, description="The part that was asked for.", success=True)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, *FILE_PROBLEMS, "range_not_satisfiable")
@example(path={"job_id": COMPATIBLE_JOB_ID, "filename": "preview.png"})
def preview_output(job_id: str, filename: str) -> Response:
    """Show an output: `preview.png` is the rendered model, other names are files of the job."""
    return _inline(services().generation.files.output_picture(caller(), job_id, filename, _wait))


def _find(job_id: str, filename: str) -> StoredFile:
    found: StoredFile = services().generation.files.download(caller(), job_id, filename, _wait)
    if services().blobs.size(found.blob) is None:
        raise AssetGoneError("The file was removed by retention; generate it again.")
    return found


def _wait(job: JobView) -> JobView:
    return finish(caller(), job, wait_seconds(limits.DOWNLOAD_WAIT_S))


def _download_type(found: StoredFile) -> str:
    return MESH_FORMATS["stl"].download_type if found.media_type == STL_TYPE else found.media_type


def _inline(found: StoredFile) -> Response:
    if services().blobs.size(found.blob) is None:
        raise AssetGoneError("The file was removed by retention.")
    return send_blob(found.blob, found.media_type, filename=found.filename, cache_control=NO_CACHE)
