"""Pictures of sentences, on both surfaces."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from orfeas.jobs.views import Surface
from orfeas.routes.body import compatible_body, v1_body, warn
from orfeas.routes.context import caller, services
from orfeas.routes.examples import example
from orfeas.routes.generation import samples
from orfeas.routes.generation.blueprint import blp
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.generation import ImagesSchema, PictureStartedSchema, TextToImageSchema, picture_options
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.waiting import finish, wait_seconds, waits
from orfeas.services.generation import record

SENTENCE = "a red mug on a wooden table"
PROBLEMS = ("invalid_request", "model_unavailable", "queue_full", "disk_full", "rate_limited")


@blp.post("/api/text-to-image")
@waits()
@compatible_body(blp, TextToImageSchema)
@blp.response(200, PictureStartedSchema)
@problems(blp, *PROBLEMS)
@example(request={"prompt": SENTENCE, "style": "anime", "width": 256, "height": 256}, response=samples.PICTURE_STARTED)
def text_to_image(params: dict[str, Any]) -> Response:
    """Make a picture of a sentence; its job goes on to /api/generate-3d."""
    job = services().generation.pictures.create(caller(), Surface.COMPATIBLE, picture_options(params))
    job = finish(caller(), job, wait_seconds())
    run, shown = job.latest, record(job)
    assert run is not None
    for warning in run.warnings:
        warn(warning)
    answer = {
        "job_id": job.id,
        "status": "processing" if shown["status"] in ("queued", "processing") else shown["status"],
        "message": shown["message"],
        "engine": run.engine,
        **({"cached": True} if run.cached else {}),
    }
    return jsonify(dumped(PictureStartedSchema, answer))


@blp.post("/api/v1/images")
@idempotent
@waits()
@v1_body(blp, ImagesSchema)
@blp.response(202, JobSchema)
@blp.alt_response(200, schema=JobSchema, description="It was made before, or ended while the client waited.")
@problems(
    blp, *PROBLEMS, "prompt_not_understood", "parameter_not_supported", "unsupported_media_type",
    "idempotency_mismatch", "idempotency_in_flight",
)  # fmt: skip
@example(request={"prompt": SENTENCE, "style": "anime", "width": 256, "height": 256})
def create_image(params: dict[str, Any]) -> Response:
    """Make a picture of a sentence."""
    return created(services().generation.pictures.create(caller(), Surface.V1, picture_options(params)))
