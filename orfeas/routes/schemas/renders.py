"""Pictures of stored meshes: what they take."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates

from orfeas.domain.presets import LIGHTING, MATERIALS
from orfeas.routes.schemas.camera import FARTHEST, CameraSchema, above_zero
from orfeas.routes.schemas.common import Integer, Number, Text, Word
from orfeas.routes.schemas.materials import MaterialChoiceSchema
from orfeas.routes.schemas.meshes import MeshInputSchema
from orfeas.services.plans.renders import ENDINGS

BACKGROUND = r"^(lighting|transparent|#[0-9a-fA-F]{6})\Z"
FRAMED = (
    "The name of a standard or kept view, or a camera. The model is seen as if it lay around the origin in a ball of "
    "radius 3.6, whatever its size: a distance of 10 shows all of it."
)
PATHS = {"turntable": ("distance", "height", "axis"), "orbital": ("radius", "height_variation")}


class Named(fields.Field[Any]):
    """A name, or an object of a schema."""

    def __init__(self, schema: type[Schema], what: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._schema, self._what = schema, what

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, dict):
            raise ValidationError(f"Give {self._what}.")
        return dict(self._schema().load(value))


class PictureSchema(MeshInputSchema):
    """What all pictures take."""

    camera = Named(
        CameraSchema, "the name of a view, or a camera with position and target", load_default="angle1",
        metadata={
            "oneOf": [{"type": "string"}, {"type": "object"}], "example": "angle1", "default": "angle1",
            "description": FRAMED,
        },
    )  # fmt: skip
    material = Named(
        MaterialChoiceSchema, "the name of a material, or an object with material_type and custom_properties",
        load_default=None, allow_none=True,
        metadata={
            "oneOf": [{"type": "string", "enum": [*MATERIALS]}, {"type": "object"}, {"type": "null"}],
            "description": "In place of the model's own materials, colours and textures.",
        },
    )  # fmt: skip
    lighting = Word(*LIGHTING, load_default="studio")
    width = Integer(load_default=768, validate=validate.Range(64, 2048))
    height = Integer(load_default=768, validate=validate.Range(64, 2048))
    background = Text(
        load_default="lighting",
        validate=validate.Regexp(BACKGROUND, error="Use lighting, transparent or #rrggbb."),
        metadata={"description": "lighting (its own colour), transparent or #rrggbb.", "example": "#f4f4f2"},
    )
    samples = Integer(
        load_default=4, validate=validate.Range(1, 16),
        metadata={"description": "Rays through a pixel where the picture changes."},
    )  # fmt: skip

    @validates("material")
    def _exists(self, value: Any, **_: Any) -> None:
        if isinstance(value, str) and value not in MATERIALS:
            raise ValidationError(f"Must be one of: {', '.join(MATERIALS)}.")


class RenderMeshSchema(PictureSchema):
    """A mesh to be drawn."""


class AnimationPathSchema(Schema):
    """A path around the camera's target; each takes its own members alone."""

    type = Word(*PATHS, load_default="turntable")
    distance = Number(validate=above_zero(FARTHEST))
    height = Number(validate=validate.Range(-FARTHEST, FARTHEST))
    axis = Word("x", "y", "z")
    radius = Number(validate=above_zero(FARTHEST))
    height_variation = Number(validate=validate.Range(0.0, FARTHEST))
    duration = Number(validate=above_zero(120.0), metadata={"description": "Seconds."})
    speed = Number(validate=above_zero(10.0), metadata={"description": "Turns in the whole duration."})

    @pre_load
    def _of_its_kind(self, data: Any, **_: Any) -> Any:
        """A member of the other path would change nothing, so it is refused."""
        if not isinstance(data, dict):
            return data  # which is refused next
        kind = data.get("type", "turntable")
        kind = kind.lower() if isinstance(kind, str) else None
        others = {name for path, names in PATHS.items() if path != kind for name in names} if kind in PATHS else set()
        if strange := sorted(others & data.keys()):
            raise ValidationError({name: [f"{kind} has no {name}."] for name in strange})
        return data


class TurntableMeshSchema(PictureSchema):
    """A mesh to be drawn from all sides."""

    animation = fields.Nested(AnimationPathSchema, load_default=lambda: {"type": "turntable"})
    frames = Integer(load_default=36, validate=validate.Range(8, 240))
    format = Word(*ENDINGS, load_default="gif", metadata={"description": "mp4 needs ORFEAS_FFMPEG."})
