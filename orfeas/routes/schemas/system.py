"""Answers about the server itself."""

from __future__ import annotations

from marshmallow import Schema, fields

from orfeas.routes.schemas.common import Text
from orfeas.services.system import KINDS


class AvailabilitySchema(Schema):
    """Whether something is there, else why not."""

    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)


class DeviceSchema(Schema):
    """A device that workers use."""

    device = fields.String(required=True)
    queues = fields.List(fields.String(), required=True)
    workers = fields.Integer(required=True)


class FormatSchema(Schema):
    """A file format and what it can carry."""

    format = fields.String(required=True)
    media_type = fields.String(required=True)
    read = fields.Boolean(required=True)
    write = fields.Boolean(required=True)
    colors = fields.Boolean(required=True)
    textures = fields.Boolean(required=True)
    units = fields.String(required=True)
    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)


class LlmSchema(Schema):
    """The configured language model."""

    configured = fields.Boolean(required=True)
    model = fields.String(required=True, allow_none=True)


class AuthSchema(Schema):
    """Whether keys are asked for."""

    mode = fields.String(required=True)
    required = fields.Boolean(required=True)


class AutoSchema(Schema):
    """What a request gets that names no engine, and why."""

    engine = fields.String(required=True)
    model = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True)


class CapabilitiesSchema(Schema):
    """What this server can do."""

    version = fields.String(required=True)
    engines = fields.Dict(keys=fields.String(), values=fields.Nested(AvailabilitySchema), required=True)
    auto = fields.Nested(AutoSchema, required=True)
    devices = fields.List(fields.Nested(DeviceSchema), required=True)
    models = fields.List(fields.Dict(), required=True)
    formats = fields.List(fields.Nested(FormatSchema), required=True)
    features = fields.Dict(keys=fields.String(), values=fields.Nested(AvailabilitySchema), required=True)
    limits = fields.Dict(keys=fields.String(), required=True)
    auth = fields.Nested(AuthSchema, required=True)
    territory = fields.String(required=True, allow_none=True)
    llm = fields.Nested(LlmSchema, required=True)


class PresetsArgsSchema(Schema):
    """Which presets."""

    kind = Text(metadata={"enum": [*KINDS]})


class PresetsSchema(Schema):
    """Presets by kind, those of each kind by name."""

    cameras = fields.Dict(keys=fields.String())
    materials = fields.Dict(keys=fields.String())
    lighting = fields.Dict(keys=fields.String())
    printers = fields.Dict(keys=fields.String())
    quality = fields.List(fields.Dict())
    profiles = fields.Dict(keys=fields.String())
    styles = fields.Dict(keys=fields.String(), values=fields.String())
    vocabulary = fields.Dict(keys=fields.String(), metadata={"description": "The words of prompts by class."})


class OpenApiSchema(Schema):
    """An OpenAPI 3.1 document."""

    openapi = fields.String(required=True)
    jsonSchemaDialect = fields.String()  # noqa: N815 - as the specification has it
    info = fields.Dict(required=True)
    paths = fields.Dict(required=True)
    components = fields.Dict(required=True)
    tags = fields.List(fields.Dict())


class ProblemKindSchema(Schema):
    """What a problem's code means."""

    type = fields.String(required=True)
    code = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    retryable = fields.Boolean(required=True)
    description = fields.String(required=True)
    way_out = fields.String(required=True, metadata={"description": "What to do."})
