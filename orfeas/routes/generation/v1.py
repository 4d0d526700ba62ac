"""Generations of v1."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from orfeas.errors import InvalidRequestError
from orfeas.jobs.files import Asset
from orfeas.jobs.views import Surface
from orfeas.routes.body import v1_body
from orfeas.routes.context import caller, services
from orfeas.routes.examples import ASSET_ID, example
from orfeas.routes.generation import samples
from orfeas.routes.generation.blueprint import blp
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.generation import EstimateSchema, GenerationSchema, v1_options
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.sources import stored
from orfeas.routes.waiting import waits

SOURCE_PROBLEMS = (
    "file_missing", "invalid_image", "image_active_content", "unreadable_mesh", "blocked_url", "file_not_found",
    "job_not_found", "result_not_ready", "result_failed", "asset_gone", "too_large", "unsupported_media_type",
)  # fmt: skip
PROBLEMS = (
    "invalid_request", "parameter_not_supported", "capability_missing", "format_unavailable", "model_unavailable",
    "prompt_not_understood", "licence_territory", "licence_unacknowledged", "queue_full", "disk_full", "rate_limited",
    *SOURCE_PROBLEMS,
)  # fmt: skip
ONE_INPUT = "Exactly one of image, images and prompt is needed."


@blp.post("/api/v1/generations")
@idempotent
@waits()
@v1_body(blp, GenerationSchema, files=("image",))
@blp.response(202, JobSchema)
@blp.alt_response(200, schema=JobSchema, description="It was made before, or ended while the client waited.")
@problems(blp, *PROBLEMS, "idempotency_mismatch", "idempotency_in_flight")
@example(request={"image": {"asset_id": ASSET_ID}, "quality": 5, "formats": ["glb"]}, response=samples.JOB)
def create_generation(params: dict[str, Any]) -> Response:
    """Make a model of a picture, of several views or of a sentence."""
    options = v1_options(params)
    if "prompt" not in params:  # before its pictures are stored
        services().generation.check(caller(), options, Surface.V1)
    return created(services().generation.create(caller(), options, images_of(params, params["files"])))


@blp.post("/api/v1/generations/estimate")
@v1_body(blp, GenerationSchema, files=("image",))
@blp.response(200, EstimateSchema)
@problems(blp, *PROBLEMS)
@example(request={"image": {"asset_id": ASSET_ID}, "quality": 5}, response=samples.ESTIMATE)
def estimate_generation(params: dict[str, Any]) -> Response:
    """Forecast what a generation would take; runs nothing."""
    options = v1_options(params)
    services().generation.check(caller(), options, Surface.V1)
    images = images_of(params, params["files"])
    return jsonify(dumped(EstimateSchema, services().generation.estimate(caller(), options, images)))


def images_of(params: dict[str, Any], parts: dict[str, Any]) -> dict[str, Asset]:
    """The pictures that a v1 request names, by view; a single file part may stand alone, and a prompt has none."""
    if "prompt" in params:
        if parts:
            raise InvalidRequestError.at("/prompt", ONE_INPUT)
        return {}
    if "images" in params:
        return {view: stored(image, parts, f"/images/{view}") for view, image in params["images"].items()}
    wanted = params.get("image")
    if wanted is None and len(parts) == 1:
        wanted = {"upload": next(iter(parts))}
    if wanted is None:
        raise InvalidRequestError.at("/image", ONE_INPUT, code="required")
    return {"front": stored(wanted, parts, "/image")}
