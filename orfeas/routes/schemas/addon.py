"""What existing add-ons send and expect."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain import limits
from orfeas.routes.schemas.common import Flag, Integer, Number, Text, Word
from orfeas.routes.schemas.generation.fields import between

FACES = 40_000


class AddonSchema(Schema):
    """A picture or a sentence, as add-ons send it."""

    image = fields.String(validate=validate.Length(1), metadata={"description": "Base64, or a data URI."})
    text = Text(validate=validate.Length(1, 2000))
    mesh = fields.String(
        validate=validate.Length(1), metadata={"description": "Base64 of a glb file; the image is projected on it."}
    )
    seed = Integer(load_default=1234, validate=between(limits.SEED))
    octree_resolution = Integer(load_default=128, validate=between(limits.OCTREE_RESOLUTION))
    num_inference_steps = Integer(load_default=5, validate=between(limits.STEPS))
    guidance_scale = Number(load_default=5.0, validate=validate.Range(0.0, 20.0))
    texture = Flag(load_default=False)
    face_count = Integer(
        validate=between(limits.TARGET_FACES),
        metadata={"description": f"Used with texture ({FACES} where it is not given), or when given."},
    )
    type = Word("glb", "obj", "stl", "ply", load_default="glb")
    remove_background = Flag(load_default=True)

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if "mesh" in data and "image" not in data:
            raise ValidationError("A mesh needs an image that is projected on it.", "mesh")
        if ("image" in data) == ("text" in data):
            raise ValidationError("Exactly one of image and text is needed.")


class SentSchema(Schema):
    """The job's id."""

    uid = fields.String(required=True)
    warnings = fields.List(fields.String())


class AddonStatusSchema(Schema):
    """How a job stands; a failed one says why."""

    status = fields.String(required=True, validate=validate.OneOf(("processing", "completed", "failed")))
    progress = fields.Integer()
    stage = fields.String(allow_none=True)
    model_base64 = fields.String()
    job_id = fields.String()
    error = fields.String(allow_none=True)
    code = fields.String(allow_none=True)
    warnings = fields.List(fields.String())
