"""Batches of the compatible surface: many pictures, or many stored jobs, at once."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from werkzeug.datastructures import FileStorage

from orfeas.domain import limits, quality
from orfeas.errors import InvalidRequestError
from orfeas.jobs.views import JobState
from orfeas.routes.body import compatible_body, warn
from orfeas.routes.context import caller, services
from orfeas.routes.examples import COMPATIBLE_BATCH_ID, PHOTO, example
from orfeas.routes.generation import samples
from orfeas.routes.generation.blueprint import blp
from orfeas.routes.generation.views import GENERATE_PROBLEMS, require_job_id
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.generation import (
    BatchGenerateSchema,
    BatchStartedSchema,
    BatchStatusSchema,
    options_from,
)
from orfeas.services.batches import Batch, BatchItem
from orfeas.services.generation import Options
from orfeas.services.generation.records import STATUS, download_url


@blp.post("/api/batch-generate")
@compatible_body(blp, BatchGenerateSchema, files=("files[]",))
@blp.response(200, BatchStartedSchema)
@blp.alt_response(202, schema=BatchStartedSchema, description="Further runs of stored pictures were queued.")
@problems(blp, *GENERATE_PROBLEMS)
@example(files={"files": PHOTO}, request={"format_type": "stl", "quality": "medium"}, response=samples.BATCH_STARTED)
def batch_generate(params: dict[str, Any]) -> Response:
    """Make models of many images: of the files sent, or of the images of jobs."""
    of_files = request.mimetype == "multipart/form-data" and not _job_ids(params)
    default = quality.WORDS["medium"] if of_files else quality.DEFAULT
    options = options_from({**params, "quality": params.get("quality") or default})
    return _of_files(options, params.get("files") or []) if of_files else _of_jobs(options, params)


@blp.get("/api/batch-status/<batch_id>")
@blp.response(200, BatchStatusSchema)
@problems(blp, "job_not_found")
@example(path={"batch_id": COMPATIBLE_BATCH_ID}, response=samples.BATCH_STATUS)
def batch_status(batch_id: str) -> Response:
    """Read a batch and its jobs."""
    batch = services().batches.get(caller(), batch_id)
    answer = {
        "batch_id": batch.id,
        "status": STATUS[batch.state],
        "total_jobs": len(batch.items),
        "counts": counts(batch),
        "progress": batch.percent,
        "jobs": [_job(item) for item in batch.items],
    }
    return jsonify(dumped(BatchStatusSchema, answer))


def _of_files(options: Options, parts: list[FileStorage]) -> Response:
    chosen = [(part.filename or "", part.stream) for part in parts]
    if not 1 <= len(chosen) <= limits.COMPATIBLE_BATCH_FILES:
        raise InvalidRequestError.at("/files", f"Send 1 to {limits.COMPATIBLE_BATCH_FILES} files in the field files.")
    batch, rejected = services().batches.create_of_files(caller(), options, chosen)
    for item in batch.items:
        for warning in item.run.warnings if item.run else ():
            warn(warning)
    accepted = len(batch.items) - len(rejected)
    answer = {
        "success": True,
        "batch_id": batch.id,
        "job_ids": [item.job.id if item.job else None for item in batch.items],
        "total_jobs": len(batch.items),
        "accepted": accepted,
        "rejected": rejected,
        "estimated_time_seconds": services().batches.seconds(caller(), batch),
        "message": f"{accepted} of {len(batch.items)} images were accepted.",
    }
    return jsonify(dumped(BatchStartedSchema, answer))


def _of_jobs(options: Options, params: dict[str, Any]) -> Response:
    wanted = _job_ids(params)
    if not wanted:
        detail = "job_ids is needed: 1 to 10 ids of uploaded images, or files in a multipart request."
        raise InvalidRequestError.at("/job_ids", detail)
    job_ids = [require_job_id(given, f"/job_ids/{index}") for index, given in enumerate(wanted)]
    if len(set(job_ids)) < len(job_ids):
        raise InvalidRequestError.at("/job_ids", "An id is listed twice.")
    batch = services().batches.create_of_jobs(caller(), options, job_ids)
    for item in batch.items:
        for warning in item.run.warnings if item.run else ():
            warn(warning)
    answer = {"batch_id": batch.id, "job_count": len(batch.items), "job_ids": job_ids, "status": "queued"}
    response = jsonify(dumped(BatchStartedSchema, answer))
    response.status_code = 202
    response.headers["Location"] = f"/api/batch-status/{batch.id}"
    return response


def _job_ids(params: dict[str, Any]) -> list[str]:
    return params.get("job_ids") or [given for given in (params.get("job_id"),) if given]


def counts(batch: Batch) -> dict[str, int]:
    """How many jobs are in each status; refused items count as failed."""
    found = {STATUS[state]: batch.counts[state.value] for state in JobState if state is not JobState.PENDING}
    refused = sum(1 for item in batch.items if item.error)
    return {**found, "failed": found["failed"] + refused}


def _job(item: BatchItem) -> dict[str, Any]:
    if item.job is None or item.run is None:
        error = (item.error or {}).get("detail", "The run was removed.")
        return {"job_id": None, "status": "failed", "progress": 0, "error": error}
    found = {"job_id": item.job.id, "status": STATUS[item.run.state], "progress": item.run.percent}
    if item.run.state is JobState.SUCCEEDED:
        return {**found, "download_url": download_url(item.job, item.run)}
    if item.run.error:
        return {**found, "error": item.run.error["detail"]}
    return found
