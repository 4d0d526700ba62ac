"""Cameras: presets, positions, animations."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain.camera import AXES, CLOSEST, PROJECTIONS, Animation, default_camera
from orfeas.domain.presets import CAMERA_DISTANCE, CAMERA_FOV_DEG, View
from orfeas.routes.schemas.common import Integer, Number, Text, Timestamp, Word
from orfeas.services.camera import SavedView

FARTHEST = 100_000.0
NAME = validate.Regexp(r"^[A-Za-z0-9 _-]{1,64}\Z", error="Use 1 to 64 letters, digits, spaces, _ and -.")


def above_zero(largest: float) -> validate.Range:
    """A number above 0, up to and including `largest`."""
    return validate.Range(min=0.0, min_inclusive=False, max=largest)


def vector(default: list[float]) -> Any:
    """Three finite numbers."""
    limits = validate.Range(min=-FARTHEST, max=FARTHEST)
    return fields.List(
        Number(validate=limits),
        load_default=default,
        validate=validate.Length(equal=3),
        metadata={"example": default, "minItems": 3, "maxItems": 3},
    )


class CameraSchema(Schema):
    """A camera that looks from a position at a target."""

    position = vector(default_camera()["position"])
    target = vector(default_camera()["target"])
    fov = Number(
        load_default=CAMERA_FOV_DEG,
        validate=validate.Range(min=0.0, max=180.0, min_inclusive=False, max_inclusive=False),
        metadata={"description": "Vertical field of view in degrees."},
    )
    projection = Word(*PROJECTIONS, load_default="perspective")

    @validates_schema
    def _looks_somewhere(self, data: dict[str, Any], **_: Any) -> None:
        if math.dist(data["position"], data["target"]) < CLOSEST:
            raise ValidationError("The position must differ from the target.", "position")


class SaveViewSchema(CameraSchema):
    """A view to keep."""

    name = Text(required=True, validate=NAME, metadata={"example": "hero shot"})
    description = Text(load_default="", validate=validate.Length(max=500))


class CameraPresetsQuerySchema(Schema):
    """How far away."""

    distance = Number(load_default=CAMERA_DISTANCE, validate=above_zero(FARTHEST))


class AnimationSchema(Schema):
    """What both paths take."""

    speed = Number(
        load_default=1.0, validate=above_zero(10.0), metadata={"description": "Turns in the whole duration."}
    )
    frames = Integer(load_default=60, validate=validate.Range(8, 600))


class TurntableSchema(AnimationSchema):
    """Around an axis."""

    distance = Number(load_default=10.0, validate=above_zero(FARTHEST))
    height = Number(load_default=5.0, validate=validate.Range(-FARTHEST, FARTHEST))
    duration = Number(load_default=10.0, validate=above_zero(120.0), metadata={"description": "Seconds."})
    axis = Word(*AXES, load_default="y")


class OrbitalSchema(AnimationSchema):
    """Around y, rising and sinking."""

    radius = Number(load_default=10.0, validate=above_zero(FARTHEST))
    height_variation = Number(load_default=3.0, validate=validate.Range(0.0, FARTHEST))
    duration = Number(load_default=15.0, validate=above_zero(120.0), metadata={"description": "Seconds."})


class PointSchema(Schema):
    """A point or a direction."""

    x = fields.Float(required=True)
    y = fields.Float(required=True)
    z = fields.Float(required=True)


class ConfigurationSchema(Schema):
    """A standard view."""

    position = fields.Nested(PointSchema, required=True)
    target = fields.Nested(PointSchema, required=True)
    fov = fields.Float(required=True)
    projection = fields.String(required=True)


class ShownCameraSchema(Schema):
    """A camera as it will be used."""

    position = fields.List(fields.Float(), required=True)
    target = fields.List(fields.Float(), required=True)
    fov = fields.Float(required=True)
    projection = fields.String(required=True)


class SavedViewSchema(ShownCameraSchema):
    """A view that was kept."""

    preset_id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    created_at = Timestamp(required=True)


class CameraPresetsSchema(Schema):
    """Standard and kept views."""

    success = fields.Boolean(required=True)
    presets = fields.List(fields.String(), required=True)
    configurations = fields.Dict(keys=fields.String(), values=fields.Nested(ConfigurationSchema), required=True)
    default_distance = fields.Float(required=True)
    saved = fields.List(fields.Nested(SavedViewSchema), required=True)


class ThreeJsCameraSchema(Schema):
    """A camera as three.js is given it."""

    position = fields.List(fields.Float(), required=True)
    target = fields.List(fields.Float(), required=True)
    fov = fields.Float(required=True)
    projectionMode = fields.String(required=True)  # noqa: N815 - as three.js spells it


class LookAtSchema(Schema):
    """Angles in radians: `theta` from +z to +x, `phi` above the ground."""

    theta = fields.Float(required=True)
    phi = fields.Float(required=True)
    distance = fields.Float(required=True)


class PositionSchema(Schema):
    """A camera in every form that clients use."""

    success = fields.Boolean(required=True)
    camera = fields.Nested(ShownCameraSchema, required=True)
    camera_threejs = fields.Nested(ThreeJsCameraSchema, required=True)
    look_at = fields.Nested(LookAtSchema, required=True)
    view_matrix = fields.List(
        fields.Float(), required=True, metadata={"description": "16 numbers, column after column."}
    )
    warnings = fields.List(fields.String())


class KeyFrameSchema(Schema):
    """Where the camera is after `t` seconds."""

    t = fields.Float(required=True)
    position = fields.List(fields.Float(), required=True)
    target = fields.List(fields.Float(), required=True)
    up = fields.List(fields.Float(), required=True)


class PathSchema(Schema):
    """A closed path; key frames are linear in between."""

    animation_type = fields.String(required=True)
    duration = fields.Float(required=True)
    speed = fields.Float(required=True)
    loop = fields.Boolean(required=True)
    ease = fields.String(required=True)
    rotation_axis = fields.String(required=True)
    orbital_radius = fields.Float(required=True)
    orbital_height_variation = fields.Float(required=True)
    path_points = fields.List(fields.Nested(KeyFrameSchema), required=True)
    frames = fields.Integer(required=True)


class PathAnswerSchema(Schema):
    """A path of a camera."""

    success = fields.Boolean(required=True)
    type = fields.String(required=True)
    animation = fields.Nested(PathSchema, required=True)
    warnings = fields.List(fields.String())


class SavedAnswerSchema(Schema):
    """The view is kept."""

    success = fields.Boolean(required=True)
    preset_name = fields.String(required=True)
    preset_id = fields.String(required=True)
    preset_url = fields.String(required=True)
    replaced = fields.Boolean()
    warnings = fields.List(fields.String())


def configuration(seen: View) -> dict[str, Any]:
    """A standard view with vectors as objects."""
    return {
        "position": dict(zip("xyz", seen.position, strict=True)),
        "target": dict(zip("xyz", seen.target, strict=True)),
        "fov": seen.fov,
        "projection": seen.projection,
    }


def saved_document(found: SavedView) -> dict[str, Any]:
    """A kept view."""
    return {
        "preset_id": found.id,
        "name": found.name,
        "description": found.description,
        **found.camera,
        "created_at": found.created_at,
    }


def animation_document(path: Animation) -> dict[str, Any]:
    """A path as JSON."""
    found = asdict(path)
    return {"success": True, "type": path.animation_type, "animation": found}
