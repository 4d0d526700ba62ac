"""Answers about health and load."""

from __future__ import annotations

from marshmallow import Schema, fields

from orfeas.routes.schemas.common import Timestamp
from orfeas.routes.schemas.system import AvailabilitySchema


class MegabytesSchema(Schema):
    """Memory of a device in MB; zeros without one."""

    allocated_mb = fields.Float(required=True)
    reserved_mb = fields.Float(required=True)
    total_mb = fields.Float(required=True)
    free_mb = fields.Float(required=True)


class GpuInfoSchema(MegabytesSchema):
    """Memory of a device in bytes and MB; zeros without one."""

    allocated = fields.Integer(required=True)
    reserved = fields.Integer(required=True)
    total = fields.Integer(required=True)
    free = fields.Integer(required=True)


class ProcessorSchema(Schema):
    """The engine in force."""

    status = fields.String(required=True)
    device = fields.String(required=True)
    model_type = fields.String(required=True)
    capabilities = fields.List(fields.String(), required=True)
    formats = fields.List(fields.String(), required=True)
    has_text2image = fields.Boolean(required=True)


class HealthSchema(Schema):
    """Liveness with state."""

    status = fields.String(required=True)
    timestamp = Timestamp(required=True)
    server = fields.String(required=True)
    version = fields.String(required=True)
    mode = fields.String(required=True)
    gpu_info = fields.Nested(GpuInfoSchema, required=True)
    active_jobs = fields.Integer(required=True)
    queued_jobs = fields.Integer(required=True)
    models_status = fields.String(required=True)
    processor = fields.Nested(ProcessorSchema, required=True)
    capabilities = fields.List(fields.String(), required=True)
    uptime_seconds = fields.Float(required=True)


class PlainHealthSchema(Schema):
    """Plain liveness."""

    status = fields.String(required=True)
    service = fields.String(required=True)
    version = fields.String(required=True)


class ChecksSchema(Schema):
    """What readiness rests on."""

    application = fields.Boolean(required=True)
    database = fields.Boolean(required=True)
    disk = fields.Boolean(required=True)
    worker = fields.Boolean(required=True)
    gpu = fields.Boolean(required=True)
    models = fields.Boolean(required=True)
    gpu_name = fields.String(required=True, allow_none=True)
    gpu_memory_total = fields.Integer(required=True)


class ReadinessSchema(Schema):
    """Whether work would be done."""

    status = fields.String(required=True)
    checks = fields.Nested(ChecksSchema, required=True)


class ModelsInfoSchema(Schema):
    """What is loaded where."""

    mode = fields.String(required=True)
    device = fields.String(required=True)
    gpu_stats = fields.Nested(MegabytesSchema, required=True)
    processor = fields.Nested(ProcessorSchema, required=True)
    models_loaded = fields.List(fields.String(), required=True)
    shapegen_ready = fields.Boolean(required=True)
    texgen_ready = fields.Boolean(required=True)
    text_to_image_ready = fields.Boolean(required=True)
    engines = fields.Dict(keys=fields.String(), values=fields.Nested(AvailabilitySchema), required=True)


class SmokeSchema(Schema):
    """The smoke answer."""

    test = fields.String(required=True)
