"""Batches of v1."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from orfeas.routes.schemas.common import Flag


class BatchSchema(Schema):
    """Many generation requests. Each item is one, with `defaults` for what it leaves out."""

    items = fields.List(
        fields.Dict(keys=fields.String()),
        required=True,
        validate=validate.Length(min=1),
        metadata={"items": {"$ref": "#/components/schemas/Generation"}},
    )
    defaults = fields.Dict(keys=fields.String(), load_default={})
    atomic = Flag(load_default=True, metadata={"description": "Refuse the whole when one item is wrong."})


class BatchItemSchema(Schema):
    """One place of a batch: its job, or why there is none."""

    index = fields.Integer(required=True)
    job_id = fields.String()
    state = fields.String()
    error = fields.Dict()


class BatchCountsSchema(Schema):
    """How many jobs are in each state; refused items count as failed."""

    queued = fields.Integer(required=True)
    running = fields.Integer(required=True)
    succeeded = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)


class BatchLinksSchema(Schema):
    """Where the batch's parts are."""

    self = fields.String()
    cancel = fields.String()
    jobs = fields.String()


class BatchDocumentSchema(Schema):
    """A batch."""

    id = fields.String(required=True)
    state = fields.String(required=True)
    jobs = fields.List(fields.Nested(BatchItemSchema), required=True)
    counts = fields.Nested(BatchCountsSchema, required=True)
    links = fields.Nested(BatchLinksSchema, required=True)
