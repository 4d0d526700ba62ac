"""Post-conditions of requests."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from orfeas.domain.presets import PRINTERS
from orfeas.routes.schemas.common import Flag, Integer, Number, Word


class RequireSchema(Schema):
    """Post-conditions that every file has to meet, loaded again from its bytes."""

    watertight = Flag()
    single_body = Flag()
    max_faces = Integer(validate=validate.Range(min=1))
    min_faces = Integer(validate=validate.Range(min=1))
    max_file_bytes = Integer(validate=validate.Range(min=1))
    min_wall_mm = Number(
        validate=validate.Range(min=0.0, max=1000.0),
        metadata={"description": "At most 1 % of the surface may have a thinner wall."},
    )
    fits_mm = fields.List(
        Number(validate=validate.Range(min=0.0)),
        validate=validate.Length(equal=3),
        metadata={"description": "A box of x, y and z; the model stands in it z up and is not turned otherwise."},
    )
    printer = Word(*PRINTERS, metadata={"description": "Its volume and its thinnest wall."})
