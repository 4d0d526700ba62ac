"""Models over v1."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from orfeas.domain.models import Capabilities, Licence
from orfeas.routes.schemas.common import Flag, Text, Timestamp, Word, dumped, rfc3339
from orfeas.services.devices import MEGABYTE
from orfeas.services.models import Acknowledgement, Model, State
from orfeas.services.models.commands import IDLE, MEMORY, NOW, SCOPES, CacheStatus

LONGEST_SOURCE, LONGEST_NAME, LONGEST_PURPOSE = 1024, 128, 500


class ModelFileSchema(Schema):
    """A file of a model; `sha256` is null until the file was hashed or where none was published."""

    path = fields.String(required=True, metadata={"example": "model.fp16.safetensors"})
    size_bytes = fields.Integer(required=True, allow_none=True)
    sha256 = fields.String(required=True, allow_none=True)
    present = fields.Boolean(required=True)


class VramSchema(Schema):
    """Device memory that a model needs; null until it was measured."""

    value = fields.Integer(required=True, allow_none=True)
    basis = fields.String(required=True, allow_none=True, metadata={"description": "measured or scaled."})


class CapabilitiesOfModelSchema(Schema):
    """What a model can do."""

    component = fields.String(
        required=True,
        validate=validate.OneOf(["pipeline", "decoder"]),
        metadata={"description": "A pipeline makes shapes; a decoder turns the latents of one into a surface."},
    )
    views = fields.List(fields.String(), required=True)
    guidance_embedding = fields.Boolean(required=True)
    distilled = fields.Boolean(required=True)
    steps = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Denoiser evaluations at the default quality."}
    )


class AcknowledgementSchema(Schema):
    """Who accepted the terms, what for and when."""

    by = fields.String(required=True)
    purpose = fields.String(required=True)
    at = Timestamp(required=True)


class LicenceSchema(Schema):
    """The terms of a model. `user_cap`: monthly active users up to which commercial use is allowed."""

    name = fields.String(required=True)
    url = fields.String(required=True)
    commercial = fields.Boolean(required=True)
    user_cap = fields.Integer(required=True, allow_none=True)
    excluded_territories = fields.List(fields.String(), required=True, metadata={"description": "ISO 3166 codes."})
    acknowledged = fields.Nested(AcknowledgementSchema, required=True, allow_none=True)


class ModelSchema(Schema):
    """A model. `revision`: the hub's commit, else a hash over its files; null while it is absent or not hashed yet."""

    id = fields.String(required=True)
    revision = fields.String(required=True, allow_none=True)
    family = fields.String(required=True, allow_none=True)
    task = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["shape", "texture", "text_to_image", "background", None]),
    )
    repo = fields.String(required=True)
    subfolder = fields.String(required=True)
    variant = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, validate=validate.OneOf([state.value for state in State]))
    size_bytes = fields.Integer(required=True, allow_none=True)
    files = fields.List(fields.Nested(ModelFileSchema), required=True)
    vram_mb = fields.Nested(VramSchema, required=True)
    capabilities = fields.Nested(CapabilitiesOfModelSchema, required=True, allow_none=True)
    licence = fields.Nested(LicenceSchema, required=True, allow_none=True)
    loras = fields.List(fields.String(), required=True)
    warnings = fields.List(fields.String(), required=True)


class ModelListSchema(Schema):
    """Every model: the catalogue in its order, then what else was found."""

    items = fields.List(fields.Nested(ModelSchema), required=True)


class PullSchema(Schema):
    """Where a model comes from; by default the repository that published it."""

    source = Text(
        load_default=None,
        validate=validate.Length(1, LONGEST_SOURCE),
        metadata={"description": "A repository of the hub, or a local folder (its absolute path)."},
    )


class AcknowledgeSchema(Schema):
    """The acceptance of a model's terms."""

    accepted = Flag(required=True, validate=validate.Equal(True, error="Only true accepts the terms."))
    by = Text(required=True, validate=validate.Length(1, LONGEST_NAME), metadata={"description": "Who accepts them."})
    purpose = Text(
        required=True, validate=validate.Length(1, LONGEST_PURPOSE), metadata={"description": "What it is used for."}
    )


class SwapSchema(Schema):
    """Which model takes the place of those on the device, and when they go."""

    model_id = Text(required=True, validate=validate.Length(1, LONGEST_NAME))
    when = Word(
        IDLE, NOW, load_default=IDLE,
        metadata={"description": "idle waits for the end of their work; now is refused while they are at work."},
    )  # fmt: skip


class ClearModelsSchema(Schema):
    """What is freed: memory of the device, unfinished downloads on the disk, or both."""

    scope = Word(*SCOPES, load_default=MEMORY)


class LoadedModelSchema(Schema):
    """A model with weights on a device; `pinned` while a stage uses them."""

    id = fields.String(required=True)
    vram_mb = fields.Float(required=True)
    last_used = Timestamp(required=True)
    pinned = fields.Boolean(required=True)


class CacheStatusSchema(Schema):
    """What models take of devices and of the disk."""

    loaded = fields.List(fields.Nested(LoadedModelSchema), required=True)
    disk_bytes = fields.Integer(required=True)


class FreedSchema(Schema):
    """What was freed on the device and on the disk."""

    freed_vram_mb = fields.Float(required=True)
    freed_bytes = fields.Integer(required=True)


def cache_status_document(found: CacheStatus) -> dict[str, Any]:
    """What is loaded, as JSON."""
    loaded = [
        {
            "id": model.id,
            "vram_mb": round(model.size_bytes / MEGABYTE, 3),
            "last_used": rfc3339(model.used_at),
            "pinned": model.in_use,
        }
        for model in found.loaded
    ]
    return {"loaded": loaded, "disk_bytes": found.disk_bytes}


def model_document(model: Model) -> dict[str, Any]:
    """A model as JSON."""
    same = ("id", "revision", "family", "task", "repo", "subfolder", "variant", "size_bytes")
    return {
        **{name: getattr(model, name) for name in same},
        "state": model.state.value,
        "files": [dumped(ModelFileSchema, file) for file in model.files],
        "vram_mb": {"value": None, "basis": None},
        "capabilities": capabilities_document(model.capabilities),
        "licence": _licence(model.licence, model.acknowledgement),
        "loras": [],
        "warnings": [*model.warnings],
    }


def capabilities_document(found: Capabilities | None) -> dict[str, Any] | None:
    """What a model can do, as JSON."""
    if found is None:
        return None
    return {name: getattr(found, name) for name in ("component", "guidance_embedding", "distilled", "steps")} | {
        "views": [*found.views]
    }


def _licence(licence: Licence | None, accepted: Acknowledgement | None) -> dict[str, Any] | None:
    if licence is None:
        return None
    return {
        "name": licence.name,
        "url": licence.url,
        "commercial": licence.commercial,
        "user_cap": licence.user_cap,
        "excluded_territories": [*licence.excluded_territories],
        "acknowledged": accepted and {"by": accepted.by, "purpose": accepted.purpose, "at": rfc3339(accepted.at)},
    }
