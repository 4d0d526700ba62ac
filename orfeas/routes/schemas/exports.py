"""Exports of v1: formats, and files with collision bodies and levels of detail."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from orfeas.domain import limits
from orfeas.routes.schemas.common import Flag, Integer, SourceSchema, Word
from orfeas.routes.schemas.generation.fields import FormatName, between
from orfeas.routes.schemas.meshes import UNITS


class ExportFormatSchema(Schema):
    """A file format, what it carries, and whether it can be written here."""

    format = fields.String(required=True)
    media_type = fields.String(required=True)
    read = fields.Boolean(required=True)
    write = fields.Boolean(required=True)
    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True, metadata={"description": "Why it is not available."})
    colors = fields.Boolean(required=True)
    textures = fields.Boolean(required=True)
    units = fields.String(required=True, allow_none=True)
    converter = fields.String(required=True, allow_none=True, metadata={"description": "What writes it."})


class ExportFormatsSchema(Schema):
    """All formats."""

    items = fields.List(fields.Nested(ExportFormatSchema), required=True)


class ExportSchema(Schema):
    """A mesh to be written for a game engine or a page; a single file part may stand alone as the input."""

    input = fields.Nested(SourceSchema)
    format = FormatName(required=True)
    collision = Word("none", "box", "convex_hull", "convex_parts", load_default="none")
    max_parts = Integer(
        load_default=8, validate=between(limits.COLLISION_PARTS), metadata={"description": "Of convex_parts."}
    )
    lods = fields.List(
        Integer(validate=between(limits.MESH_TARGET_FACES)), load_default=[], validate=validate.Length(max=8),
        metadata={"description": "Faces of each further level of detail."},
    )  # fmt: skip
    up_axis = Word("y", "z", load_default="y")
    unit = Word(
        *UNITS, load_default=None, allow_none=True,
        metadata={"description": "Of the written coordinates; mm where none is named. Formats that state theirs "
                                 "keep it."},
    )  # fmt: skip
    bundle = Flag(load_default=False, metadata={"description": "A zip; formats without nodes get a file for each."})
