"""The generation request of v1."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain import limits
from orfeas.domain.presets import PROFILES
from orfeas.routes.schemas.common import Flag, Integer, Number, SourceSchema, Text, Word
from orfeas.routes.schemas.generation.fields import FormatName, ShapeMembers, between
from orfeas.routes.schemas.jobs import DimensionsSchema
from orfeas.routes.schemas.require import RequireSchema
from orfeas.services.generation import Options, options_of


class Seed(Integer):
    """A whole number, or `random`."""

    def __init__(self, **kwargs: Any) -> None:
        low, high = limits.SEED
        metadata = {
            "oneOf": [
                {"type": "integer", "minimum": low, "maximum": high},
                {"type": "string", "enum": ["random"]},
            ],
            "description": "random draws and records one. The embedded engine draws nothing and refuses all but 0.",
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if value == "random":
            return value
        found = super()._deserialize(value, attr, data, **kwargs)
        if found is not None and not limits.SEED[0] <= found <= limits.SEED[1]:
            raise ValidationError(f"Must be {limits.SEED[0]} to {limits.SEED[1]}, or random.")
        return found


class TextureSchema(Schema):
    """What the surface shows."""

    mode = Word("auto", "none", "material", "projection", "paint", load_default="auto")
    material = Text(load_default=None, allow_none=True, validate=validate.Length(1, 64))
    size = Integer(load_default=None, allow_none=True, validate=between(limits.TEXTURE_SIZE))


class ViewsSchema(Schema):
    """Pictures of one thing from several sides, at least one."""

    front = fields.Nested(SourceSchema)
    left = fields.Nested(SourceSchema)
    back = fields.Nested(SourceSchema)
    right = fields.Nested(SourceSchema)

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("At least one of front, left, back and right is needed.")


class GenerationSchema(ShapeMembers):
    """A model of exactly one of `image`, `images` and `prompt`; a single file part may stand alone as the image."""

    image = fields.Nested(SourceSchema, allow_none=False)
    images = fields.Nested(ViewsSchema)
    prompt = Text(validate=validate.Length(*limits.PROMPT_CHARACTERS))
    profile = Word(*PROFILES, load_default="standard")
    mc_level = Number(load_default=0.0, validate=validate.Range(*limits.MC_LEVEL))
    seed = Seed(load_default=0)
    formats = fields.List(FormatName(), load_default=["glb"], validate=validate.Length(1, 11))
    dimensions_mm = fields.Nested(DimensionsSchema, load_default=None, allow_none=True)
    texture = fields.Nested(TextureSchema, load_default=None, allow_none=True)
    require = fields.Nested(RequireSchema, load_default=None, allow_none=True)
    deterministic = Flag(load_default=False)
    preview = Flag(load_default=True)
    keep_latent = Flag(load_default=True)
    priority = Integer(load_default=limits.DEFAULT_PRIORITY, validate=between(limits.PRIORITY))
    project_id = Text(load_default=None, allow_none=True)
    tags = fields.List(
        Text(validate=validate.Length(1, limits.TAG_CHARACTERS)),
        load_default=[],
        validate=validate.Length(max=limits.TAGS),
    )

    @validates_schema
    def _at_most_one(self, data: dict[str, Any], **_: Any) -> None:
        given = [name for name in ("image", "images", "prompt") if name in data]
        if len(given) > 1:
            raise ValidationError({name: ["Exactly one of image, images and prompt is needed."] for name in given})


def v1_options(params: dict[str, Any]) -> Options:
    """The options of a validated v1 request."""
    return options_of(params, views=tuple(params["images"]) if "images" in params else None)
