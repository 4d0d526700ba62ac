"""Models: which there are, bring, check, remove, accept terms."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.routes.body import v1_body
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import MODEL_FOLDER, MODEL_ID, RELEASED_MODEL_ID, example
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.problems import problems
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.schemas.models import AcknowledgeSchema, ModelListSchema, ModelSchema, PullSchema, model_document

MODELS = "/api/v1/models"

blp = Blueprint("models", __name__, description="Models: which there are, bring, check, remove, accept terms.")


@blp.get(MODELS)
@blp.response(200, ModelListSchema)
@problems(blp, "forbidden")
@example()
def list_models() -> Response:
    """List all models: the catalogue, then what else lies in the folder of models."""
    return _all()


@blp.get(f"{MODELS}/list")
@blp.response(200, ModelListSchema)
@problems(blp, "forbidden")
@example()
def list_alias() -> Response:
    """List all models; an alias of /api/v1/models."""
    response = _all()
    response.headers["Link"] = f'<{MODELS}>; rel="canonical"'
    return response


@blp.get(f"{MODELS}/<model_id>")
@blp.response(200, ModelSchema)
@problems(blp, "forbidden", "model_unknown")
@example(path={"model_id": RELEASED_MODEL_ID})
def get(model_id: str) -> Response:
    """Read what is known of a model."""
    return with_etag(jsonify(model_document(services().models.get(caller(), model_id))))


@blp.delete(f"{MODELS}/<model_id>")
@blp.response(204)
@problems(blp, "forbidden", "model_unknown", "model_in_use")
@example(path={"model_id": MODEL_ID})
def delete(model_id: str) -> None:
    """Remove the files of a model."""
    services().models.remove(caller(), model_id)


@blp.post(f"{MODELS}/<model_id>/pull")
@idempotent
@v1_body(blp, PullSchema)
@blp.response(202, JobSchema)
@problems(blp, "forbidden", "model_unknown", "capability_missing", "queue_full", "disk_full")
@example(path={"model_id": MODEL_ID}, request={"source": MODEL_FOLDER})
def pull(params: dict[str, Any], model_id: str) -> Response:
    """Download a model, or copy it from a local folder; what was interrupted goes on."""
    return created(services().models.pull(caller(), model_id, params["source"]))


@blp.post(f"{MODELS}/<model_id>/verify")
@idempotent
@blp.response(202, JobSchema)
@problems(blp, "forbidden", "model_unknown", "model_unavailable", "queue_full", "disk_full")
@example(path={"model_id": MODEL_ID})
def verify(model_id: str) -> Response:
    """Hash every file of a model and compare it with what was published."""
    return created(services().models.verify(caller(), model_id))


@blp.post(f"{MODELS}/<model_id>/acknowledge")
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


def _all() -> Response:
    return with_etag(jsonify(items=[model_document(model) for model in services().models.list(caller())]))
