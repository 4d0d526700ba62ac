"""Work on stl files, on the compatible surface: requests and answers."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain import limits
from orfeas.domain.presets import DEFAULT_PRINTER, PRINTERS
from orfeas.routes.schemas.common import Flag, Integer, Number, Text, Word
from orfeas.routes.schemas.generation.fields import between
from orfeas.routes.schemas.meshes import SelfIntersections

DEFAULT_REDUCTION = 0.5


class StlSchema(Schema):
    """The mesh is the file part `file`; a text field `file` is the id of a stored mesh, an asset or a job."""

    file = Text(validate=validate.Length(1, 200), metadata={"description": "The id of an asset or a job."})


class StlQuerySchema(Schema):
    """How the answer is wanted."""

    download = Flag(load_default=False, metadata={"description": "1: the stl itself, as with Accept: model/stl."})


class StlAnalyzeSchema(StlSchema):
    """A report on a mesh."""

    printer = Word(*PRINTERS, load_default=DEFAULT_PRINTER)
    min_wall_mm = Number(load_default=None, allow_none=True, validate=between(limits.WALL_MM))
    self_intersections = SelfIntersections()


class StlRepairSchema(StlSchema):
    """A mesh to be mended."""

    aggressive = Flag(load_default=False)


class StlOptimizeSchema(StlSchema):
    """A mesh to be made ready for a printer."""

    printer = Word(*PRINTERS, load_default=DEFAULT_PRINTER)
    target_size_mm = Number(load_default=None, allow_none=True, validate=between(limits.SIDE_MM))
    wall_thickness_mm = Number(load_default=None, allow_none=True, validate=between(limits.WALL_MM))
    hollow = Flag(load_default=False)
    supports = Flag(load_default=False)
    orient = Flag(load_default=True)
    aggressive = Flag(load_default=False)


class StlSimplifySchema(StlSchema):
    """A mesh to be reduced: to a number of faces, or by a share of them (0.5 where neither is given)."""

    target_faces = Integer(load_default=None, allow_none=True, validate=between(limits.MESH_TARGET_FACES))
    target_triangles = Integer(
        load_default=None, allow_none=True, validate=between(limits.MESH_TARGET_FACES),
        metadata={"description": "The same as target_faces."},
    )  # fmt: skip
    target_reduction = Number(
        load_default=None, allow_none=True,
        validate=validate.Range(0.0, 1.0, min_inclusive=False, max_inclusive=False),
    )  # fmt: skip
    preserve_boundary = Flag(load_default=True)

    @validates_schema
    def _one_count(self, data: dict[str, Any], **_: Any) -> None:
        one, other = data.get("target_faces"), data.get("target_triangles")
        if one is not None and other is not None and one != other:
            raise ValidationError({"target_triangles": ["It is another name of target_faces; give one of them."]})


class _StlAnswerSchema(Schema):
    success = fields.Boolean(required=True)
    job_id = fields.String(required=True)
    warnings = fields.List(fields.String())


class StlStartedSchema(Schema):
    """The work goes on: ask for the job later."""

    job_id = fields.String(required=True)
    status = fields.String(required=True, metadata={"example": "processing"})
    warnings = fields.List(fields.String())


class StlAnalysisSchema(_StlAnswerSchema):
    """What is known of a mesh, with flat copies of what is asked for most."""

    analysis = fields.Dict(required=True)
    triangle_count = fields.Integer(required=True)
    surface_area = fields.Float(required=True, metadata={"description": "mm2"})
    volume = fields.Float(required=True, allow_none=True, metadata={"description": "mm3; null unless closed."})
    bounds = fields.Dict(required=True, metadata={"description": "min, max and size in mm."})
    manifold = fields.Boolean(required=True)
    watertight = fields.Boolean(required=True)


class _StlFileSchema(_StlAnswerSchema):
    output_file = fields.String(required=True)
    download_url = fields.String(required=True)
    asset_id = fields.String(required=True)


class StlRepairedSchema(_StlFileSchema):
    """A mended mesh."""

    repair_report = fields.Dict(required=True)


class StlOptimizedSchema(_StlFileSchema):
    """A mesh that is ready for a printer."""

    optimization_report = fields.Dict(required=True)


class StlSimplifiedSchema(_StlFileSchema):
    """A reduced mesh."""

    simplification_report = fields.Dict(required=True)
