"""Scenes."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate

from orfeas.domain.layout import STRATEGIES
from orfeas.domain.presets import LIGHTING, MATERIALS
from orfeas.routes.schemas.camera import CameraSchema
from orfeas.routes.schemas.common import Flag, Number, SourceSchema, Text, Timestamp, Word, dumped
from orfeas.services.scenes import FORMATS, Scene, SceneObject

FARTHEST_MM = 100_000.0
SCENES = "/api/v1/scenes"
NAME = validate.Length(1, 128)


class CameraField(fields.Field[Any]):
    """The name of a view, or a camera."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, dict):
            raise ValidationError("Give the name of a view, or a camera with position and target.")
        return dict(CameraSchema().load(value))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


def _three(**options: Any) -> Any:
    low, high = options.pop("within", (-FARTHEST_MM, FARTHEST_MM))
    return fields.List(Number(validate=validate.Range(low, high)), validate=validate.Length(equal=3), **options)


class CreateSceneSchema(Schema):
    """A scene without objects."""

    name = Text(required=True, validate=NAME)
    lighting = Word(*LIGHTING, load_default="studio")
    camera = CameraField(
        load_default="angle1",
        metadata={"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Camera"}], "example": "angle1"},
    )


class ChangeObjectSchema(Schema):
    """Members of an object that change."""

    name = Text(validate=NAME)
    position = _three(metadata={"description": "Of the middle of its underside, before it is turned; mm, y up."})
    rotation_deg = _three(within=(-360.0, 360.0), metadata={"description": "About x, y and z, applied z, y, x."})
    scale = _three(within=(0.001, 1000.0), metadata={"description": "One number, or three."})
    material = Word(*MATERIALS, allow_none=True)
    visible = Flag()

    @pre_load
    def _one_scale(self, data: Any, **_: Any) -> Any:
        scale = data.get("scale") if isinstance(data, dict) else None
        if isinstance(scale, int | float) and not isinstance(scale, bool):
            return {**data, "scale": [scale] * 3}
        return data


class AddObjectSchema(ChangeObjectSchema):
    """A stored model with its place."""

    input = fields.Nested(SourceSchema)
    position = _three(load_default=[0.0, 0.0, 0.0])
    rotation_deg = _three(within=(-360.0, 360.0), load_default=[0.0, 0.0, 0.0])
    scale = _three(within=(0.001, 1000.0), load_default=[1.0, 1.0, 1.0])
    material = Word(*MATERIALS, load_default=None, allow_none=True)
    visible = Flag(load_default=True)


class LayoutSchema(Schema):
    """How objects are laid out."""

    strategy = Word(*STRATEGIES, load_default="row")
    spacing_mm = Number(load_default=10.0, validate=validate.Range(0.0, 1000.0))
    bed_mm = fields.List(
        Number(validate=validate.Range(min=1.0, max=FARTHEST_MM)),
        load_default=[220.0, 220.0],
        validate=validate.Length(equal=2),
        metadata={"description": "Width and depth that `pack` may use."},
    )


class ExportSceneSchema(Schema):
    """The file of a scene."""

    format = Word(*FORMATS, load_default="glb")
    flatten = Flag(load_default=False, metadata={"description": "All objects as one mesh."})


class SceneObjectSchema(Schema):
    """A model in a scene."""

    id = fields.String(required=True)
    asset_id = fields.String(required=True)
    name = fields.String(required=True)
    position = fields.List(fields.Float(), required=True)
    rotation_deg = fields.List(fields.Float(), required=True)
    scale = fields.List(fields.Float(), required=True)
    material = fields.String(required=True, allow_none=True)
    visible = fields.Boolean(required=True)


class BoundsSchema(Schema):
    """A box."""

    min = fields.List(fields.Float(), required=True)
    max = fields.List(fields.Float(), required=True)
    size = fields.List(fields.Float(), required=True)


class SceneLinksSchema(Schema):
    """Where to go on."""

    self = fields.String(required=True)
    objects = fields.String(required=True)
    layout = fields.String(required=True)
    export = fields.String(required=True)


class SceneSchema(Schema):
    """A scene; `bounds_mm` is null while nothing visible is known, `overlaps` counts pairs whose boxes share space."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    objects = fields.List(fields.Nested(SceneObjectSchema), required=True)
    lighting = fields.String(required=True)
    camera = CameraField(required=True, metadata={"oneOf": [{"type": "string"}, {"type": "object"}]})
    bounds_mm = fields.Nested(BoundsSchema, required=True, allow_none=True)
    overlaps = fields.Integer(required=True)
    created_at = Timestamp(required=True)
    links = fields.Nested(SceneLinksSchema, required=True)


class ScenePageSchema(Schema):
    """A page of scenes."""

    items = fields.List(fields.Nested(SceneSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


def scene_document(scene: Scene) -> dict[str, Any]:
    """A scene as clients see it."""
    around = scene.bounds
    url = f"{SCENES}/{scene.id}"
    return dict(
        dumped(
            SceneSchema,
            {
                "id": scene.id,
                "name": scene.name,
                "objects": [_object_document(found) for found in scene.objects],
                "lighting": scene.lighting,
                "camera": scene.camera,
                "bounds_mm": around and {"min": around.low, "max": around.high, "size": around.size},
                "overlaps": scene.overlaps,
                "created_at": scene.created_at,
                "links": {
                    "self": url,
                    "objects": f"{url}/objects",
                    "layout": f"{url}/layout",
                    "export": f"{url}/export",
                },
            },
        )
    )


def _object_document(found: SceneObject) -> dict[str, Any]:
    return {"id": found.id, "asset_id": found.asset_id, **found.members()}
