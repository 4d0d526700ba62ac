"""Materials and light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate

from orfeas.domain.materials import COLORS, RANGES
from orfeas.domain.presets import LIGHTING, MATERIALS
from orfeas.routes.body import read_json
from orfeas.routes.schemas.common import Flag, Number, Text, Timestamp, Word

MATERIAL_NAME = validate.Regexp(r"^[A-Za-z0-9_-]{1,64}\Z", error="Use 1 to 64 letters, digits, _ and -.")
PROPERTIES = (*COLORS, *RANGES)


def _color() -> Any:
    return fields.List(Number(validate=validate.Range(0.0, 1.0)), validate=validate.Length(equal=3))


def _number(name: str) -> Any:
    return Number(validate=validate.Range(*RANGES[name]))


class CustomPropertiesSchema(Schema):
    """Fields of a preset that are replaced; colours are red, green and blue from 0 to 1."""

    base_color = _color()
    emissive_color = _color()
    metalness = _number("metalness")
    roughness = _number("roughness")
    reflectivity = _number("reflectivity")
    opacity = _number("opacity")
    emissive_intensity = _number("emissive_intensity")
    normal_scale = _number("normal_scale")

    @pre_load
    def _known(self, data: Any, **_: Any) -> Any:
        """An unknown property is refused on both surfaces: it would change nothing."""
        unknown = [str(name) for name in data if name not in PROPERTIES] if isinstance(data, Mapping) else []
        if unknown:
            text = f"There is no such property; there are {', '.join(PROPERTIES)}."
            raise ValidationError({name: [text] for name in unknown})
        return data


class MaterialChoiceSchema(Schema):
    """A material preset with own properties."""

    material_type = Word(*MATERIALS, load_default="metal")
    custom_properties = fields.Nested(CustomPropertiesSchema, load_default=dict)


class PropertiesText(fields.Field[Any]):
    """Own properties as JSON text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = read_json(str(value))
        if not isinstance(found, dict):
            raise ValidationError("Give an object as JSON text.")
        return dict(CustomPropertiesSchema().load(found))


class MetadataQuerySchema(Schema):
    """A material under a light; own properties as JSON text."""

    material_type = Word(*MATERIALS, load_default="metal")
    lighting_environment = Word(*LIGHTING, load_default="studio")
    custom_properties = PropertiesText(load_default=dict, metadata={"type": "string", "example": '{"roughness": 0.2}'})


class MetadataRequestSchema(MaterialChoiceSchema):
    """A material under a light, kept as a file with `save`."""

    lighting_environment = Word(*LIGHTING, load_default="studio")
    save = Flag(load_default=False)


class ExportMtlSchema(MaterialChoiceSchema):
    """A material to write."""

    material_name = Text(load_default="orfeas_material", validate=MATERIAL_NAME)


class MaterialPresetSchema(Schema):
    """A physically based surface."""

    material_type = fields.String(required=True)
    base_color = fields.List(fields.Float(), required=True)
    metalness = fields.Float(required=True)
    roughness = fields.Float(required=True)
    reflectivity = fields.Float(required=True)
    opacity = fields.Float(required=True)
    emissive_color = fields.List(fields.Float(), required=True)
    emissive_intensity = fields.Float(required=True)
    normal_scale = fields.Float(required=True)


class MaterialPresetsSchema(Schema):
    """All material presets."""

    success = fields.Boolean(required=True)
    materials = fields.List(fields.String(), required=True)
    presets = fields.Dict(keys=fields.String(), values=fields.Nested(MaterialPresetSchema), required=True)


class LightingPresetSchema(Schema):
    """Three lights, ambient light and what is behind."""

    environment_type = fields.String(required=True)
    ambient_intensity = fields.Float(required=True)
    main_light_intensity = fields.Float(required=True)
    main_light_position = fields.List(fields.Float(), required=True)
    main_light_color = fields.List(fields.Float(), required=True)
    fill_light_intensity = fields.Float(required=True)
    fill_light_position = fields.List(fields.Float(), required=True)
    back_light_intensity = fields.Float(required=True)
    back_light_position = fields.List(fields.Float(), required=True)
    background_color = fields.List(fields.Float(), required=True)
    shadow_intensity = fields.Float(required=True)


class LightingPresetsSchema(Schema):
    """All lighting presets."""

    success = fields.Boolean(required=True)
    environments = fields.List(fields.String(), required=True)
    presets = fields.Dict(keys=fields.String(), values=fields.Nested(LightingPresetSchema), required=True)


class MetadataSchema(Schema):
    """A material and its light in every form that clients use."""

    orfeas_version = fields.String(required=True)
    material = fields.Nested(MaterialPresetSchema, required=True)
    material_threejs = fields.Dict(required=True)
    lighting = fields.Nested(LightingPresetSchema, required=True)
    lighting_threejs = fields.Dict(required=True)
    timestamp = Timestamp(required=True)


class MetadataAnswerSchema(Schema):
    """The metadata; where its file is, if it was kept."""

    success = fields.Boolean(required=True)
    metadata = fields.Nested(MetadataSchema, required=True)
    job_id = fields.String()
    metadata_file = fields.String()
    download_url = fields.String()
    warnings = fields.List(fields.String())


class MtlAnswerSchema(Schema):
    """The MTL text and where its file is."""

    success = fields.Boolean(required=True)
    mtl_content = fields.String(required=True)
    job_id = fields.String(required=True)
    output_file = fields.String(required=True)
    download_url = fields.String(required=True)
    warnings = fields.List(fields.String())
