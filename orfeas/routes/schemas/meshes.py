"""Work on stored meshes of v1: what each operation takes."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain import limits
from orfeas.domain.presets import DEFAULT_PRINTER, MATERIALS, PRINTERS
from orfeas.routes.schemas.common import Flag, Integer, Number, SourceSchema, Word
from orfeas.routes.schemas.generation.fields import FormatName, between
from orfeas.routes.schemas.jobs import DimensionsSchema
from orfeas.routes.schemas.materials import CustomPropertiesSchema
from orfeas.routes.schemas.require import RequireSchema

UNITS = ("mm", "m", "cm", "inch")
FORMATS = 11


class SelfIntersections(Word):
    """auto, true or false, also as a JSON boolean."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": ["string", "boolean"],
            "description": "auto looks for them in meshes of at most 200 000 faces.",
        }
        super().__init__("auto", "true", "false", load_default="auto", metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(str(value).lower() if isinstance(value, bool) else value, attr, data, **kwargs)


class MeshInputSchema(Schema):
    """What every operation takes; a single file part may stand alone as the input."""

    input = fields.Nested(SourceSchema)
    unit = Word(
        *UNITS, load_default=None, allow_none=True,
        metadata={"description": "Of files that state none; mm where none is named."},
    )  # fmt: skip


class ReworkSchema(MeshInputSchema):
    """What every operation takes that writes files."""

    formats = fields.List(
        FormatName(), load_default=list, validate=validate.Length(1, FORMATS),
        metadata={"description": "The input's where none is named."},
    )  # fmt: skip


class AnalyzeMeshSchema(MeshInputSchema):
    """A report on a mesh."""

    printer = Word(*PRINTERS, load_default=DEFAULT_PRINTER)
    min_wall_mm = Number(
        load_default=None, allow_none=True, validate=between(limits.WALL_MM),
        metadata={"description": "The printer's where none is given."},
    )  # fmt: skip
    self_intersections = SelfIntersections()


class RepairMeshSchema(ReworkSchema):
    """A mesh to be mended."""

    aggressive = Flag(load_default=False, metadata={"description": "Make a new surface where it is still open."})
    require = fields.Nested(RequireSchema, load_default=None, allow_none=True)


class SimplifyMeshSchema(ReworkSchema):
    """A mesh to be reduced: to `target_faces`, or by the share `target_reduction`."""

    target_faces = Integer(load_default=None, allow_none=True, validate=between(limits.MESH_TARGET_FACES))
    target_reduction = Number(
        load_default=None, allow_none=True,
        validate=validate.Range(0.0, 1.0, min_inclusive=False, max_inclusive=False),
    )  # fmt: skip
    preserve_boundary = Flag(load_default=True)
    preserve_uv = Flag(load_default=True)

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        given = [name for name in ("target_faces", "target_reduction") if data.get(name) is not None]
        if len(given) != 1:
            names = given or ["target_faces", "target_reduction"]
            raise ValidationError({name: ["Exactly one of target_faces and target_reduction."] for name in names})


class OptimizeMeshSchema(ReworkSchema):
    """A mesh to be made ready for a printer."""

    printer = Word(*PRINTERS, required=True)
    target_size_mm = Number(
        load_default=None, allow_none=True, validate=between(limits.SIDE_MM),
        metadata={"description": "The longest side; without it a mesh that is too large is scaled down."},
    )  # fmt: skip
    hollow = Flag(load_default=False)
    wall_mm = Number(load_default=None, allow_none=True, validate=between(limits.WALL_MM))
    supports = Flag(load_default=False)
    orient = Flag(load_default=True)
    aggressive = Flag(load_default=False)


class OrientMeshSchema(ReworkSchema):
    """A mesh to be turned for printing."""

    goal = Word("overhang", "height", "area", "base", load_default="overhang")
    angle_deg = Number(
        load_default=45.0, validate=validate.Range(0.0, 90.0), metadata={"description": "From the vertical."}
    )


class HollowMeshSchema(ReworkSchema):
    """A closed mesh to be hollowed."""

    wall_mm = Number(required=True, validate=between(limits.WALL_MM))
    drain_diameter_mm = Number(load_default=3.0, validate=between(limits.DRAIN_MM))
    drain_count = Integer(load_default=2, validate=between(limits.DRAINS))
    grid = Integer(load_default=192, validate=between(limits.HOLLOW_GRID))


class SidesSchema(Schema):
    """Pictures of a thing from its sides, as the standard cameras look; y up, z towards the viewer of front."""

    front = fields.Nested(SourceSchema)
    left = fields.Nested(SourceSchema)
    back = fields.Nested(SourceSchema)
    right = fields.Nested(SourceSchema)
    top = fields.Nested(SourceSchema)
    bottom = fields.Nested(SourceSchema)


class TextureMeshSchema(ReworkSchema):
    """A mesh to be given another look: a material (a preset, own properties, or both), or pictures of its sides."""

    mode = Word("material", "projection", "paint", required=True)
    material = Word(*MATERIALS, load_default=None, allow_none=True)
    custom = fields.Nested(
        CustomPropertiesSchema, load_default=None, allow_none=True,
        metadata={"description": "Replaces fields of the preset, or of metal where none is named."},
    )  # fmt: skip
    images = fields.Nested(SidesSchema, load_default=None, allow_none=True)
    size = Integer(
        load_default=None, allow_none=True, validate=between(limits.TEXTURE_SIZE),
        metadata={"description": "Longest side of a projection's texture; 1024 where none is given."},
    )  # fmt: skip


class ConvertMeshSchema(MeshInputSchema):
    """A mesh to be written in other formats."""

    formats = fields.List(FormatName(), required=True, validate=validate.Length(1, FORMATS))
    dimensions_mm = fields.Nested(DimensionsSchema, load_default=None, allow_none=True)
    fit = Word("inside", "stretch", load_default="inside")
    up_axis = Word("y", "z", load_default="y")
