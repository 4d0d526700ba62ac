"""The paths that existing Hunyuan3D add-ons speak."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.errors import InvalidRequestError, QueueFullError, ResultFailedError, ResultNotReadyError, rebuilt
from orfeas.jobs.events import wait_final
from orfeas.jobs.views import JobState, JobView
from orfeas.routes.body import compatible_body, warn
from orfeas.routes.conditional import send_blob
from orfeas.routes.context import caller, services
from orfeas.routes.examples import JOB_ID, PHOTO_TEXT, example
from orfeas.routes.generation.v1 import PROBLEMS as GENERATION_PROBLEMS
from orfeas.routes.problems import problems
from orfeas.routes.schemas.addon import FACES, AddonSchema, AddonStatusSchema, SentSchema
from orfeas.routes.waiting import wait_seconds, waits
from orfeas.services.generation import StoredFile

PROBLEMS = (*dict.fromkeys((*GENERATION_PROBLEMS, "bad_request")),)
WARNINGS = "X-Orfeas-Warnings"
SAMPLE = {"image": PHOTO_TEXT, "num_inference_steps": 5, "octree_resolution": 64, "type": "glb"}

blp = Blueprint("addon", __name__, description="The paths that existing Hunyuan3D add-ons speak.")


@blp.post("/generate")
@waits("as long as the job runs")
@compatible_body(blp, AddonSchema)
@blp.response(200, content_type="model/gltf-binary", description="The model's file.")
@problems(
    blp, *PROBLEMS, "stage_crashed", "stage_timeout", "stage_memory", "empty_surface", "deadline_exceeded",
    "result_not_ready",
)  # fmt: skip
@example(request=SAMPLE)
def generate(params: dict[str, Any]) -> Response:
    """Make a model and answer with its file; waits for it."""
    found = services()
    with found.holders.hold() as granted:
        if not granted:
            raise QueueFullError("Too many requests wait for an answer; use /send, or try again.", retry_after=5)
        job = _created(params)
        wait_s = wait_seconds(float(found.config.job_timeout_s))
        job = wait_final(found.jobs_engine.get, found.notifier, caller(), job.id, wait_s)
        file = _file_of(job)
    answer = send_blob(file.blob, file.media_type, filename=file.filename, attachment=True, cache_control="no-store")
    answer.headers["X-Job-ID"] = job.id
    if warnings := job.latest.warnings if job.latest else ():
        answer.headers[WARNINGS] = " ".join(warnings).encode("ascii", "replace").decode()
    return answer


@blp.post("/send")
@compatible_body(blp, AddonSchema)
@blp.response(200, SentSchema)
@problems(blp, *PROBLEMS)
@example(request=SAMPLE, response={"uid": JOB_ID})
def send(params: dict[str, Any]) -> Response:
    """Start a model; its id is asked for at /status."""
    job = _created(params)
    _warn_of(job)
    return jsonify(uid=job.id)


@blp.get("/status/<uid>")
@blp.response(200, AddonStatusSchema)
@problems(blp, "job_not_found", "asset_gone")
@example(path={"uid": JOB_ID}, response={"status": "completed", "model_base64": "Z2xURgIAAAA=", "job_id": JOB_ID})
def status(uid: str) -> Response:
    """Ask for a model that was started with /send."""
    job = services().jobs.get(caller(), uid)
    _warn_of(job)
    if not job.state.final:
        return jsonify(status="processing", progress=job.progress.percent or 0, stage=job.progress.stage)
    if job.state is JobState.SUCCEEDED:
        data = services().blobs.read(_file_of(job).blob)
        return jsonify(status="completed", model_base64=base64.b64encode(data).decode("ascii"), job_id=job.id)
    error = (job.latest.error if job.latest else None) or {"detail": "The job was cancelled.", "code": "cancelled"}
    return jsonify(status="failed", error=error.get("detail"), code=error.get("code"))


def _created(params: dict[str, Any]) -> JobView:
    given = frozenset(name for name in params if params[name] != AddonSchema().fields[name].load_default)
    files: dict[str, Any] = {name: _decoded(params[name], name) for name in ("image", "mesh") if name in params}
    return services().addon.create(caller(), {**params, **files, "default_face_count": FACES}, given)


def _warn_of(job: JobView) -> None:
    for warning in job.latest.warnings if job.latest else ():
        warn(warning)


def _decoded(text: str, member: str) -> bytes:
    """The bytes of base64 text or a data URI."""
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError.at(f"/{member}", f"{member} must be base64 text or a data URI.") from error
    if not data:
        raise InvalidRequestError.at(f"/{member}", f"{member} holds no data.")
    return data


def _file_of(job: JobView) -> StoredFile:
    run = job.latest
    if run is not None and job.state is JobState.FAILED and run.error:
        raise rebuilt({**run.error, "job_id": job.id})
    if not job.state.final:
        raise ResultNotReadyError("The job goes on; ask /status/{uid} with its id.", job_id=job.id, retry_after=2)
    if job.state is not JobState.SUCCEEDED:
        raise ResultFailedError(f"The job is {job.state}; send the picture again.", job_id=job.id)
    found: StoredFile = services().jobs.result(caller(), job, None, lambda waiting: waiting)
    return found
