"""Batches of v1: many generations under one id."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.errors import OrfeasError
from orfeas.routes.body import load, v1_body
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.examples import ASSET_ID, BATCH_ID, JOB_ID, example
from orfeas.routes.generation.v1 import PROBLEMS, images_of
from orfeas.routes.idempotency import idempotent
from orfeas.routes.problems import problems
from orfeas.routes.schemas.batches import BatchDocumentSchema, BatchSchema
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.generation import GenerationSchema, v1_options
from orfeas.services.batches import Batch, BatchItem, Item

BATCHES = "/api/v1/batches"
SAMPLE = {
    "id": BATCH_ID,
    "state": "queued",
    "jobs": [{"index": 0, "job_id": JOB_ID, "state": "queued"}],
    "counts": {"queued": 1, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0},
    "links": {
        "self": f"{BATCHES}/{BATCH_ID}",
        "cancel": f"{BATCHES}/{BATCH_ID}/cancel",
        "jobs": f"/api/v1/jobs?batch={BATCH_ID}",
    },
}

blp = Blueprint("batches", __name__, description="Many generations under one id.")


@blp.post(BATCHES)
@idempotent
@v1_body(blp, BatchSchema, files=("image",))
@blp.response(202, BatchDocumentSchema)
@problems(blp, *PROBLEMS, "idempotency_mismatch", "idempotency_in_flight")
@example(
    request={"items": [{"image": {"asset_id": ASSET_ID}}], "defaults": {"quality": 3, "formats": ["stl"]}},
    response=SAMPLE,
)
def create_batch(params: dict[str, Any]) -> Response:
    """Start many generations; `atomic` refuses the whole when one is wrong."""
    items = [_item({**params["defaults"], **given}, params["files"]) for given in params["items"]]
    batch = services().batches.create(caller(), items, atomic=params["atomic"])
    response = _answer(batch, 202)
    response.headers["Location"] = f"{BATCHES}/{batch.id}"
    return response


@blp.get(f"{BATCHES}/<batch_id>")
@blp.response(200, BatchDocumentSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "job_not_found")
@example(path={"batch_id": BATCH_ID}, response=SAMPLE)
def get_batch(batch_id: str) -> Response:
    """Read a batch."""
    return with_etag(_answer(services().batches.get(caller(), batch_id), 200))


@blp.post(f"{BATCHES}/<batch_id>/cancel")
@blp.response(200, BatchDocumentSchema)
@problems(blp, "job_not_found")
@example(path={"batch_id": BATCH_ID}, response=SAMPLE)
def cancel_batch(batch_id: str) -> Response:
    """Cancel what has not ended."""
    return _answer(services().batches.cancel(caller(), batch_id), 200)


def _item(given: dict[str, Any], parts: dict[str, Any]) -> Item:
    """A checked request whose picture is fetched later, or its problem."""
    try:
        params = load(GenerationSchema(), given, v1=True)
        return v1_options(params), partial(images_of, params, parts if {"image", "images"} & params.keys() else {})
    except OrfeasError as error:
        return error


def _answer(batch: Batch, status: int) -> Response:
    counts = dict(batch.counts)
    counts["failed"] += sum(1 for item in batch.items if item.error)
    here = f"{BATCHES}/{batch.id}"
    document = {
        "id": batch.id,
        "state": batch.state.value,
        "jobs": [_place(item) for item in batch.items],
        "counts": counts,
        "links": {"self": here, "cancel": f"{here}/cancel", "jobs": f"/api/v1/jobs?batch={batch.id}"},
    }
    response = jsonify(dumped(BatchDocumentSchema, document))
    response.status_code = status
    return response


def _place(item: BatchItem) -> dict[str, Any]:
    if item.job is None or item.run is None:
        return {"index": item.index, "error": item.error or {}}
    return {"index": item.index, "job_id": item.job.id, "state": item.run.state.value}
