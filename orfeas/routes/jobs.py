"""Jobs: list, read, end, make again, follow, fetch."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_smorest import Blueprint

from orfeas.errors import RateLimitedError
from orfeas.jobs.views import JobState, JobView
from orfeas.routes.body import query_args, v1_body
from orfeas.routes.conditional import REVALIDATE, send_blob, with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import JOB_ID, RUNNING_JOB_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.paging import NEWEST_FIRST, page_response
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped, rfc3339
from orfeas.routes.schemas.jobs import (
    JOBS,
    DeriveSchema,
    EventQuerySchema,
    JobPageSchema,
    JobQuerySchema,
    JobSchema,
    ManifestSchema,
    QueueSchema,
    ResultQuerySchema,
    job_document,
)
from orfeas.routes.streams import JobStream
from orfeas.routes.waiting import finish, wait_seconds, waits
from orfeas.services.jobs import retry_after_s

CONVERSION_WAIT_S = 30.0

blp = Blueprint("jobs", __name__, description="Jobs of both surfaces: read, end, make again, follow, fetch.")


@blp.get(JOBS)
@query_args(blp, JobQuerySchema)
@blp.response(200, JobPageSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "bad_cursor", "invalid_request")
@example(query={"state": "succeeded", "limit": 10})
def list_jobs(query: dict[str, Any]) -> Response:
    """List jobs, newest first."""
    newest_first = query.pop("sort") == NEWEST_FIRST
    page = services().jobs.list(caller(), newest_first=newest_first, **query)
    return page_response([job_document(job) for job in page.items], page.next_cursor)


@blp.get(f"{JOBS}/<job_id>")
@waits()
@blp.response(200, JobSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "job_not_found", "invalid_request")
@example(path={"job_id": JOB_ID})
def get(job_id: str) -> Response:
    """Read a job; `wait` answers when it is final."""
    job = finish(caller(), services().jobs.get(caller(), job_id), wait_seconds())
    return with_etag(_answer(job, 200))


@blp.delete(f"{JOBS}/<job_id>")
@blp.response(204)
@problems(blp, "job_not_found", "job_not_final")
@example(path={"job_id": JOB_ID})
def delete(job_id: str) -> None:
    """Delete a final job with what no other job uses."""
    services().jobs.delete(caller(), job_id)


@blp.post(f"{JOBS}/<job_id>/cancel")
@blp.response(200, JobSchema)
@problems(blp, "job_not_found")
@example(path={"job_id": RUNNING_JOB_ID})
def cancel(job_id: str) -> Response:
    """Cancel a job; a final one stays as it is."""
    return _answer(services().jobs.cancel(caller(), job_id), 200)


@blp.post(f"{JOBS}/<job_id>/retry")
@idempotent
@waits()
@blp.response(202, JobSchema)
@problems(
    blp,
    "job_not_found",
    "job_not_final",
    "asset_gone",
    "model_unavailable",
    "licence_territory",
    "licence_unacknowledged",
    "queue_full",
    "disk_full",
)
@example(path={"job_id": JOB_ID})
def retry(job_id: str) -> Response:
    """Run the same request again as a new job."""
    return created(services().jobs.retry(caller(), job_id))


@blp.post(f"{JOBS}/<job_id>/derive")
@idempotent
@waits()
@v1_body(blp, DeriveSchema)
@blp.response(202, JobSchema)
@problems(
    blp, "job_not_found", "job_not_final", "latent_gone", "invalid_request", "format_unavailable",
    "capability_missing", "unsupported_media_type", "queue_full", "disk_full",
)  # fmt: skip
@example(path={"job_id": JOB_ID}, request={"target_faces": 5000, "formats": ["stl"]})
def derive(params: dict[str, Any], job_id: str) -> Response:
    """Make another mesh of the kept latents or field, as a new job."""
    return created(services().jobs.derive(caller(), job_id, params))


@blp.get(f"{JOBS}/<job_id>/events")
@query_args(blp, EventQuerySchema)
@blp.response(200, content_type="text/event-stream", description="Server-Sent Events until the run ends.")
@problems(blp, "job_not_found", "rate_limited", "invalid_request")
@example(path={"job_id": JOB_ID})
def events(query: dict[str, Any], job_id: str) -> Response:
    """Follow a job as Server-Sent Events."""
    found = services()
    job = found.jobs.get(caller(), job_id)
    address = request.remote_addr or ""
    if not found.holders.acquire(address):
        raise RateLimitedError("Too many streams are open; close one or poll the job.", retry_after=5)
    stream = JobStream(found, caller(), job, _last_event_id(query))
    response = Response(iter(stream), mimetype="text/event-stream")
    response.call_on_close(lambda: found.holders.release(address))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blp.get(f"{JOBS}/<job_id>/result")
@waits("0 for the job, 30 for a conversion")
@query_args(blp, ResultQuerySchema)
@blp.response(200, content_type="application/octet-stream", description="The main file, with Range.")
@blp.alt_response(206, description="The part that was asked for.", success=True)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(
    blp, "job_not_found", "result_not_ready", "result_failed", "file_not_found", "asset_gone", "range_not_satisfiable",
    "invalid_request", "format_unavailable", "capability_missing", "queue_full", "disk_full",
)  # fmt: skip
@example(path={"job_id": JOB_ID})
def result(query: dict[str, Any], job_id: str) -> Response:
    """Fetch the main file; `format` converts it."""
    job = finish(caller(), services().jobs.get(caller(), job_id), wait_seconds())
    made = services().jobs.result(caller(), job, query["format"], _wait_for_conversion)
    return send_blob(
        made.blob, made.media_type, filename=made.filename, attachment=query["download"], cache_control=REVALIDATE
    )


@blp.get(f"{JOBS}/<job_id>/manifest")
@blp.response(200, ManifestSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "job_not_found", "result_not_ready", "result_failed")
@example(path={"job_id": JOB_ID})
def manifest(job_id: str) -> Response:
    """Tell what a result was made of, by what, and with which parameters."""
    found = services().jobs.manifest(caller(), job_id)
    times = {name: rfc3339(found[name]) for name in ("created_at", "finished_at")}
    return with_etag(jsonify({**found, **times}))


@blp.get("/api/v1/queue")
@blp.response(200, QueueSchema)
@example()
def queue() -> Response:
    """Tell what waits and who works."""
    found = services().jobs.queue(caller())
    return jsonify(dumped(QueueSchema, found))


def created(job: JobView) -> Response:
    """The answer that made a job: 202, or 200 once it is final; waits as long as the client asks."""
    return stands(finish(caller(), job, wait_seconds()))


def stands(job: JobView) -> Response:
    """The answer that made a job, as the job is now."""
    response = _answer(job, 200 if job.state.final else 202)
    response.headers["Location"] = f"{JOBS}/{job.id}"
    return response


def _answer(job: JobView, status: int) -> Response:
    response = jsonify(job_document(job))
    response.status_code = status
    if (seconds := retry_after_s(job)) is not None and job.state is not JobState.PENDING:
        response.headers["Retry-After"] = str(seconds)
    return response


def _wait_for_conversion(job: JobView) -> JobView:
    return finish(caller(), job, wait_seconds(CONVERSION_WAIT_S))


def _last_event_id(query: dict[str, Any]) -> int | None:
    """The header of a reconnecting client, else the query; a header that is no number was not ours."""
    header = request.headers.get("Last-Event-ID", "")
    return int(header) if header.isdecimal() and len(header) < 16 else query["last_event_id"]
