"""Uploads, generations and job records of the compatible surface."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, jsonify
from werkzeug.datastructures import FileStorage

from orfeas.domain.formats import IMAGE_EXTENSIONS, MESH_FORMATS, Formats, MeshFormat
from orfeas.errors import FileMissingError, InvalidRequestError
from orfeas.jobs.views import JobState
from orfeas.routes.body import compatible_body, warn
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import COMPATIBLE_JOB_ID, PHOTO, UPLOADED_JOB_ID, example
from orfeas.routes.generation import samples
from orfeas.routes.generation.blueprint import blp
from orfeas.routes.problems import problems
from orfeas.routes.response_headers import canonical
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.generation import (
    FormatsSchema,
    GenerateFromImageSchema,
    GenerateSchema,
    GenerationStartedSchema,
    ImageOrFileUploadSchema,
    ImageUploadSchema,
    JobRecordSchema,
    UltraGenerateSchema,
    UltraStartedSchema,
    UploadedSchema,
    options_from,
)
from orfeas.routes.waiting import finish, wait_seconds, waits
from orfeas.services.generation import Started, Upload, record
from orfeas.services.generation.records import asked
from orfeas.services.jobs import retry_after_s

UPLOAD_PROBLEMS = ("file_missing", "invalid_image", "image_active_content", "too_large", "rate_limited", "disk_full")
GENERATE_PROBLEMS = (
    "invalid_request", "job_not_found", "format_unavailable", "capability_missing", "parameter_not_supported",
    "rate_limited", "model_unavailable", "licence_territory", "licence_unacknowledged", "queue_full", "disk_full",
    *UPLOAD_PROBLEMS,
)  # fmt: skip


@blp.post("/api/upload-image")
@compatible_body(blp, ImageUploadSchema, files=("image",), json_too=False)
@blp.response(200, UploadedSchema)
@problems(blp, *UPLOAD_PROBLEMS)
@example(files={"image": PHOTO}, response=samples.UPLOADED)
def upload_image(params: dict[str, Any]) -> Response:
    """Store an image and open a job for it."""
    return _uploaded(params.get("image"))


@blp.post("/upload-image")
@compatible_body(blp, ImageOrFileUploadSchema, files=("image", "file"), json_too=False)
@blp.response(200, UploadedSchema)
@problems(blp, *UPLOAD_PROBLEMS)
@example(files={"file": PHOTO}, response=samples.UPLOADED)
def upload_image_alias(params: dict[str, Any]) -> Response:
    """Store an image; alias of /api/upload-image."""
    return canonical(_uploaded(params.get("image") or params.get("file")), "/api/upload-image")


@blp.post("/api/generate-3d")
@waits()
@compatible_body(blp, GenerateSchema, files=("image",))
@blp.response(200, GenerationStartedSchema)
@problems(blp, *GENERATE_PROBLEMS)
@example(request={"job_id": UPLOADED_JOB_ID, "format": "stl", "quality": 7}, response=samples.STARTED)
def generate_3d(params: dict[str, Any]) -> Response:
    """Make a model of a job's image, or of the image sent along."""
    return _generated(params)


@blp.post("/api/generate")
@waits()
@compatible_body(blp, GenerateFromImageSchema, files=("image",), json_too=False)
@blp.response(200, GenerationStartedSchema)
@problems(blp, *GENERATE_PROBLEMS)
@example(files={"image": PHOTO}, request={"format": "glb", "quality": "medium"}, response=samples.STARTED)
def generate(params: dict[str, Any]) -> Response:
    """Make a model of the image sent along: the multipart form of /api/generate-3d."""
    require_file(params.get("image"))
    return canonical(_generated(params), "/api/generate-3d")


@blp.post("/api/ultra-generate-3d")
@waits()
@compatible_body(blp, UltraGenerateSchema, files=("image",))
@blp.response(200, UltraStartedSchema)
@problems(blp, *GENERATE_PROBLEMS)
@example(
    request={"job_id": UPLOADED_JOB_ID, "format": "stl", "quality": 7, "profile": "ultra"},
    response=samples.ULTRA_STARTED,
)
def ultra_generate_3d(params: dict[str, Any]) -> Response:
    """Make a model as /api/generate-3d does, under a profile."""
    profile = params.get("profile") or services().performance.default_profile()
    started = _start({**params, "profile": profile})
    run = started.job.latest
    assert run is not None
    shown = services().performance.asked(run)
    return jsonify(dumped(UltraStartedSchema, {**_answer(started), "ultra_performance": shown}))


@blp.get("/api/job-status/<job_id>")
@waits()
@blp.response(200, JobRecordSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "job_not_found", "invalid_request")
@example(path={"job_id": COMPATIBLE_JOB_ID}, response=samples.RECORD)
def job_status(job_id: str) -> Response:
    """Read a job; `wait` answers when it is final."""
    job = finish(caller(), services().generation.job(caller(), job_id), wait_seconds())
    made = services().performance.made(job.latest) if job.latest else None
    found = record(job) | ({"ultra_performance": made} if made else {})
    answer = jsonify(dumped(JobRecordSchema, found))
    seconds = retry_after_s(job)
    if seconds is not None and job.state is not JobState.PENDING:
        answer.headers["Retry-After"] = str(seconds)
    return with_etag(answer)


@blp.get("/api/formats")
@blp.response(200, FormatsSchema)
@example(response=samples.FORMATS)
def formats() -> Response:
    """List the formats that can be read and written here."""
    here = services().exports.meshes
    details = [_details(found, here) for found in MESH_FORMATS.values()]
    return jsonify(formats=list(here.writable), input_formats=list(IMAGE_EXTENSIONS), details=details)


def require_file(part: FileStorage | None) -> FileStorage:
    """The file part, refused if it is absent or names no file."""
    if part is None or not part.filename:
        raise FileMissingError("The request has no image: send it as the multipart file field image.")
    return part


def require_job_id(given: str | None, pointer: str = "/job_id") -> str:
    """A well-formed id of a job, lower case."""
    try:
        return str(uuid.UUID(given or ""))
    except ValueError as error:
        detail = f"{given[:64]!r} is no job id." if given else "job_id is needed, or an image part in its place."
        raise InvalidRequestError.at(pointer, detail) from error


def _uploaded(part: FileStorage | None) -> Response:
    chosen = require_file(part)
    upload = services().generation.upload(caller(), chosen.stream, chosen.filename or "")
    return jsonify(dumped(UploadedSchema, _upload_answer(upload)))


def _upload_answer(upload: Upload) -> dict[str, Any]:
    asset, given = upload.asset, upload.job.input
    image = asset.image or {}
    url = f"/api/preview/{given.filename}"
    return {
        "job_id": upload.job.id,
        "filename": given.filename,
        "original_filename": given.original_filename,
        "preview_url": url,
        "image_url": url,
        "status": "uploaded",
        "asset_id": asset.id,
        "image_info": {
            **image,
            "size": [image.get("width"), image.get("height")],
            "format": asset.format.upper(),
            "file_size": asset.size_bytes,
        },
    }


def _generated(params: dict[str, Any]) -> Response:
    return jsonify(dumped(GenerationStartedSchema, _answer(_start(params))))


def _start(params: dict[str, Any]) -> Started:
    options, part = options_from(params), params.get("image")
    if part is not None and params.get("job_id"):
        raise InvalidRequestError("Send either job_id or an image, not both.")
    found = services().generation
    if part is not None:
        chosen = require_file(part)
        started: Started = found.generate_file(caller(), options, chosen.stream, chosen.filename or "")
    else:
        started = found.generate_job(caller(), options, require_job_id(params.get("job_id")))
    return started


def _answer(started: Started) -> dict[str, Any]:
    job = finish(caller(), started.job, wait_seconds())
    run = job.latest
    assert run is not None
    for warning in (*started.warnings, *(run.warnings if run.state.final else ())):
        warn(warning)
    flags = {"cached": run.cached, "joined": started.joined, "reused_mesh": started.reused_mesh}
    status = record(job)["status"]
    return {
        "job_id": job.id,
        "status": "processing" if status in ("queued", "processing") else status,
        **asked(run),
        "queue_position": job.queue_position,
        "eta_seconds": job.eta_seconds,
        "run": run.number,
        **{name: True for name, value in flags.items() if value},
    }


def _details(found: MeshFormat, formats: Formats) -> dict[str, Any]:
    reason = formats.reason(found.name)
    return {
        "format": found.name,
        "media_type": found.media_type,
        "available": reason is None,
        "reason": reason,
        "colors": found.colors,
        "textures": found.textures,
        "units": found.unit,
    }
