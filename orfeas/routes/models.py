"""Models: which there are, bring, check, remove, accept terms, load and unload."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint
from werkzeug.routing import BaseConverter

from orfeas.jobs.views import JobState, JobView
from orfeas.routes import samples
from orfeas.routes.body import v1_body
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import LOADABLE_MODEL_ID, MODEL_FOLDER, MODEL_ID, RELEASED_MODEL_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created, stands
from orfeas.routes.problems import problems
from orfeas.routes.response_headers import canonical
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.schemas.models import (
    AcknowledgeSchema,
    CacheStatusSchema,
    ClearModelsSchema,
    FreedSchema,
    ModelListSchema,
    ModelSchema,
    PullSchema,
    SwapSchema,
    cache_status_document,
    model_document,
)
from orfeas.routes.waiting import LONGEST_S, finish, wait_seconds, waits
from orfeas.services.devices import MEGABYTE
from orfeas.services.models.commands import raise_failure

MODELS = "/api/v1/models"
STILL = "The device has not obeyed yet: the job that will tell."
COMMAND = ("forbidden", "model_unknown", "capability_missing", "queue_full", "disk_full")

RESERVED = ("list", "swap", "load-lora", "cache-status", "clear-cache")
"""Words that are paths beside those of the models, and no ids."""


class ModelIdConverter(BaseConverter):
    """The id of a model in a path."""

    regex = rf"(?!(?:{'|'.join(RESERVED)})$)[^/]+"


blp = Blueprint(
    "models", __name__, description="Models: which there are, bring, check, remove, accept terms, load and unload."
)


@blp.get(MODELS)
@blp.response(200, ModelListSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "forbidden")
@example()
def list_models() -> Response:
    """List all models: the catalogue, then what else lies in the folder of models."""
    return _all()


@blp.get(f"{MODELS}/list")
@blp.response(200, ModelListSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "forbidden")
@example()
def list_alias() -> Response:
    """List all models; an alias of /api/v1/models."""
    return canonical(_all(), MODELS)


@blp.get(f"{MODELS}/cache-status")
@blp.response(200, CacheStatusSchema)
@problems(blp, "forbidden")
@example(
    response={
        "loaded": [
            {"id": MODEL_ID, "vram_mb": 3819.958, "last_used": "2026-05-04T09:30:00.000Z", "pinned": False}
        ],
        "disk_bytes": 3819960151,
    }
)  # fmt: skip
def cache_status() -> Response:
    """Tell which models are on a device and what all take of the disk."""
    return jsonify(cache_status_document(services().model_commands.status(caller())))


@blp.get(f"{MODELS}/<model:model_id>")
@blp.response(200, ModelSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "forbidden", "model_unknown")
@example(path={"model_id": RELEASED_MODEL_ID})
def get(model_id: str) -> Response:
    """Read what is known of a model."""
    return with_etag(jsonify(model_document(services().models.get(caller(), model_id))))


@blp.delete(f"{MODELS}/<model:model_id>")
@blp.response(204)
@problems(blp, "forbidden", "model_unknown", "model_in_use")
@example(path={"model_id": MODEL_ID})
def delete(model_id: str) -> None:
    """Remove the files of a model."""
    services().models.remove(caller(), model_id)


@blp.post(f"{MODELS}/<model:model_id>/pull")
@idempotent
@waits()
@v1_body(blp, PullSchema)
@blp.response(202, JobSchema)
@problems(blp, "forbidden", "model_unknown", "capability_missing", "queue_full", "disk_full")
@example(path={"model_id": MODEL_ID}, request={"source": MODEL_FOLDER})
def pull(params: dict[str, Any], model_id: str) -> Response:
    """Download a model, or copy it from a local folder; what was interrupted goes on."""
    return created(services().models.pull(caller(), model_id, params["source"]))


@blp.post(f"{MODELS}/<model:model_id>/verify")
@idempotent
@waits()
@blp.response(202, JobSchema)
@problems(blp, "forbidden", "model_unknown", "model_unavailable", "queue_full", "disk_full")
@example(path={"model_id": MODEL_ID})
def verify(model_id: str) -> Response:
    """Hash every file of a model and compare it with what was published."""
    return created(services().models.verify(caller(), model_id))


@blp.post(f"{MODELS}/<model:model_id>/acknowledge")
@v1_body(blp, AcknowledgeSchema)
@blp.response(200, ModelSchema)
@problems(blp, "forbidden", "model_unknown", "capability_missing")
@example(
    path={"model_id": RELEASED_MODEL_ID},
    request={"accepted": True, "by": "Ada Example", "purpose": "Figures for a tabletop game"},
)
def acknowledge(params: dict[str, Any], model_id: str) -> Response:
    """Accept the terms of a model; recorded with the time."""
    model = services().models.acknowledge(caller(), model_id, by=params["by"], purpose=params["purpose"])
    return jsonify(model_document(model))


@blp.post(f"{MODELS}/<model:model_id>/load")
@idempotent
@waits(LONGEST_S)
@blp.response(200, ModelSchema)
@blp.alt_response(202, schema=JobSchema, description=STILL)
@problems(blp, *COMMAND, "model_unavailable", "licence_territory", "licence_unacknowledged", "gpu_memory")
@example(path={"model_id": LOADABLE_MODEL_ID}, query={"wait": "0"}, status=202, response=samples.QUEUED_JOB)
def load(model_id: str) -> Response:
    """Bring the weights of a model to the device, ahead of all other work."""
    return _commanded(services().model_commands.load(caller(), model_id))


@blp.post(f"{MODELS}/<model:model_id>/unload")
@idempotent
@waits(LONGEST_S)
@blp.response(200, ModelSchema)
@blp.alt_response(202, schema=JobSchema, description=STILL)
@problems(blp, *COMMAND, "model_in_use")
@example(path={"model_id": LOADABLE_MODEL_ID}, query={"wait": "0"}, status=202, response=samples.QUEUED_JOB)
def unload(model_id: str) -> Response:
    """Take the weights of a model off the device."""
    return _commanded(services().model_commands.unload(caller(), model_id))


@blp.post(f"{MODELS}/swap")
@idempotent
@waits(LONGEST_S)
@v1_body(blp, SwapSchema)
@blp.response(200, ModelSchema)
@blp.alt_response(202, schema=JobSchema, description=STILL)
@problems(
    blp, *COMMAND, "model_unavailable", "model_in_use", "licence_territory", "licence_unacknowledged", "gpu_memory"
)
@example(request={"model_id": LOADABLE_MODEL_ID}, query={"wait": "0"}, status=202, response=samples.QUEUED_JOB)
def swap(params: dict[str, Any]) -> Response:
    """Let the models on the device go and bring another one there."""
    return _commanded(services().model_commands.load(caller(), params["model_id"], swap=params["when"]))


@blp.post(f"{MODELS}/clear-cache")
@idempotent
@waits(LONGEST_S)
@v1_body(blp, ClearModelsSchema)
@blp.response(200, FreedSchema)
@blp.alt_response(202, schema=JobSchema, description=STILL)
@problems(blp, "forbidden", "capability_missing", "queue_full", "disk_full")
@example(request={"scope": "disk_partial"}, response={"freed_vram_mb": 0.0, "freed_bytes": 734003200})
def clear_cache(params: dict[str, Any]) -> Response:
    """Free memory of the device from models that are not in use, or the disk from unfinished downloads."""
    freed = services().model_commands.clear(caller(), params["scope"])
    if freed.job is not None:
        job = finish(caller(), freed.job, wait_seconds(LONGEST_S))
        if not job.state.final:
            return stands(job)
        raise_failure(job)
        freed = replace(freed, job=job)
    return jsonify(freed_vram_mb=round(freed.device_bytes / MEGABYTE, 3), freed_bytes=freed.disk_bytes)


def _commanded(job: JobView) -> Response:
    """The model once the device has obeyed, else the job."""
    job = finish(caller(), job, wait_seconds(LONGEST_S))
    if job.state is not JobState.SUCCEEDED or job.latest is None:
        raise_failure(job)
        return stands(job)
    return jsonify(model_document(services().models.get(caller(), job.latest.request["model_id"], hashing=False)))


def _all() -> Response:
    return with_etag(jsonify(items=[model_document(model) for model in services().models.list(caller())]))
