"""Fields that the generation requests of both surfaces share."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from orfeas.domain import limits, quality
from orfeas.domain.formats import MESH_FORMATS
from orfeas.routes.schemas.common import Flag, Integer, Number, Text, Word


class Quality(fields.Field[int]):
    """1 to 10, as a number or its text, or one of the words."""

    def __init__(self, **kwargs: Any) -> None:
        words = ", ".join(f"{word} {number}" for word, number in quality.WORDS.items())
        metadata = {
            "oneOf": [
                {"type": "integer", "minimum": quality.LOWEST, "maximum": quality.HIGHEST},
                {"type": "string", "enum": [*quality.WORDS, *map(str, range(quality.LOWEST, quality.HIGHEST + 1))]},
            ],
            "description": f"1 to 10, or {words}.",
            "example": quality.DEFAULT,
        }
        super().__init__(metadata={**metadata, **kwargs.pop("metadata", {})}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return quality.parse_quality(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class FormatName(Word):
    """The name of a mesh format, in any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(*MESH_FORMATS, **kwargs)


def between(bounds: tuple[float, float]) -> validate.Range:
    """A validator of an inclusive range."""
    return validate.Range(*bounds)


class ShapeMembers(Schema):
    """What decides the shape and its file, with the same names on both surfaces."""

    engine = Word("auto", "hunyuan3d", "embedded", load_default="auto")
    model = Text(load_default=None, allow_none=True, validate=validate.Length(1, 200))
    quality = Quality(load_default=quality.DEFAULT)
    mode = Word("auto", "inflate", "relief", "lithophane", load_default="auto")
    steps = Integer(load_default=None, allow_none=True, validate=between(limits.STEPS))
    octree_resolution = Integer(load_default=None, allow_none=True, validate=between(limits.OCTREE_RESOLUTION))
    guidance_scale = Number(load_default=None, allow_none=True, validate=between(limits.GUIDANCE_SCALE))
    target_faces = Integer(
        load_default=None,
        allow_none=True,
        validate=between(limits.TARGET_FACES),
        metadata={"description": "An exact number of triangles; one less where a closed surface cannot have it."},
    )
    remove_background = Word("auto", "always", "never", load_default="auto")
    fit = Word("inside", "stretch", load_default="inside")
    up_axis = Word("y", "z", load_default="y")
    use_cache = Flag(load_default=True)
    allow_degrade = Flag(load_default=False)
