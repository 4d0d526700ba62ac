"""Answers about health and load."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

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


class MemorySchema(Schema):
    """Memory of the first device in MB; zeros without one of its own."""

    total_mb = fields.Float(required=True)
    used_mb = fields.Float(required=True)
    free_mb = fields.Float(required=True)
    cached_mb = fields.Float(required=True)
    utilization_percent = fields.Float(required=True)


class TrendsSchema(Schema):
    """How the use of memory went, in percent, sampled every 5 s for ten minutes."""

    trend = fields.String(required=True, validate=validate.OneOf(["stable", "increasing", "decreasing", "unknown"]))
    avg_utilization = fields.Float(required=True)
    peak_utilization = fields.Float(required=True)
    min_utilization = fields.Float(required=True)
    variance = fields.Float(required=True)
    stable = fields.Boolean(required=True)


class GpuStatusSchema(Schema):
    """Memory of the device."""

    memory = fields.Nested(MemorySchema, required=True)
    trends = fields.Nested(TrendsSchema, required=True)
    recommendations = fields.List(fields.String(), required=True)
    timestamp = Timestamp(required=True)


class GpuSchema(Schema):
    """A device; zeros and null on a processor."""

    available = fields.Boolean(required=True)
    name = fields.String(required=True, allow_none=True)
    total_vram_gb = fields.Float(required=True)
    allocated_gb = fields.Float(required=True)
    reserved_gb = fields.Float(required=True)
    available_gb = fields.Float(required=True)
    usage_percent = fields.Float(required=True)
    precision_mode = fields.String(required=True, allow_none=True)
    mixed_precision_enabled = fields.Boolean(required=True)
    gradient_checkpointing = fields.Boolean(required=True)
    quantization_enabled = fields.Boolean(required=True)


class OneDeviceSchema(GpuSchema):
    """A gpu worker's device; the processor too where it is one."""

    device = fields.String(required=True, metadata={"example": "cuda:0"})
    state = fields.String(required=True)


class GpuStatsSchema(Schema):
    """Figures of the devices. `optimal_batch_size` is measured; 1 until then."""

    timestamp = Timestamp(required=True)
    gpu = fields.Nested(GpuSchema, required=True)
    queue_depth = fields.Integer(required=True)
    recommended_precision = fields.String(required=True)
    optimal_batch_size = fields.Integer(required=True)
    status = fields.String(required=True)
    devices = fields.List(fields.Nested(OneDeviceSchema), required=True)


class SmokeSchema(Schema):
    """The smoke answer."""

    test = fields.String(required=True)


class ClientErrorSchema(Schema):
    """An error that a page met. Members of any kind and name are logged, 20 in all."""

    message = fields.String(required=True, validate=validate.Regexp(r"\S"))
    timestamp = fields.Raw()
    url = fields.Raw()
    userAgent = fields.Raw()  # noqa: N815 - as existing clients spell it
    stack = fields.Raw()


class LoggedErrorSchema(Schema):
    """The report is in the log."""

    success = fields.Boolean(required=True)
    error_id = fields.String(required=True)
    truncated = fields.Boolean(required=True)


class BlueprintSchema(Schema):
    """A category of operations."""

    name = fields.String(required=True)
    import_name = fields.String(required=True)
    url_prefix = fields.String(required=True, allow_none=True)
    has_static_folder = fields.Boolean(required=True)


class RouteSchema(Schema):
    """An address."""

    endpoint = fields.String(required=True)
    methods = fields.List(fields.String(), required=True)
    rule = fields.String(required=True)


class RouteTableSchema(Schema):
    """What is served."""

    blueprints = fields.Dict(keys=fields.String(), values=fields.Nested(BlueprintSchema), required=True)
    llm_url_rules = fields.List(fields.Nested(RouteSchema), required=True)
    total_rules = fields.Integer(required=True)
