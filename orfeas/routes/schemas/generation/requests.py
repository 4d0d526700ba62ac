"""Requests of the compatible surface."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain import limits
from orfeas.domain.presets import PROFILES, STYLES
from orfeas.domain.styles import DEFAULT_STYLE
from orfeas.routes.schemas.common import Flag, Integer, Number, Text, Word
from orfeas.routes.schemas.generation.fields import FormatName, Quality, ShapeMembers, between
from orfeas.services.generation import Options, PictureOptions, options_of

EIGHT = 8
"""Diffusion models work on squares of so many pixels."""
IN_EIGHTS = {"multipleOf": EIGHT}
SIDES = ("width", "height", "depth")


def _in_eights(value: int) -> None:
    if value % EIGHT:
        raise ValidationError(f"Must be a multiple of {EIGHT}.")


class ImageUploadSchema(Schema):
    """The picture is the file part `image`; there are no further members."""


class ImageOrFileUploadSchema(Schema):
    """The picture is the file part `image` or `file`; there are no further members."""


class CompatibleDimensionsSchema(Schema):
    """A box in millimetres: x, y and z, y up, z towards the viewer."""

    width = Number(required=True, validate=between(limits.SIDE_MM))
    height = Number(required=True, validate=between(limits.SIDE_MM))
    depth = Number(required=True, validate=between(limits.COMPATIBLE_DEPTH_MM))


class _CompatibleMembers(ShapeMembers):
    """What every compatible generation takes beside its picture."""

    dimensions = fields.Nested(CompatibleDimensionsSchema, load_default=None, allow_none=True)
    width = Number(load_default=None, allow_none=True, validate=between(limits.SIDE_MM))
    height = Number(load_default=None, allow_none=True, validate=between(limits.SIDE_MM))
    depth = Number(load_default=None, allow_none=True, validate=between(limits.COMPATIBLE_DEPTH_MM))
    seed = Integer(load_default=0, validate=between(limits.SEED))
    texture = Word("auto", "none", "material", "projection", "paint", load_default="auto")
    material = Text(load_default=None, allow_none=True, validate=validate.Length(1, 64))
    allow_degrade = Flag(
        load_default=None,
        allow_none=True,
        metadata={"description": "false, or true while a profile with auto_optimization is enabled."},
    )

    @validates_schema
    def _whole_box(self, data: dict[str, Any], **_: Any) -> None:
        given = [side for side in SIDES if data.get(side) is not None]
        if given and len(given) < len(SIDES):
            missing = [side for side in SIDES if side not in given]
            raise ValidationError({side: ["width, height and depth are needed together."] for side in missing})
        if given and data.get("dimensions"):
            raise ValidationError({"dimensions": ["Give either dimensions or width, height and depth."]})


class GenerateSchema(_CompatibleMembers):
    """Make a model of the picture of a job, or of the picture in the part `image`."""

    job_id = Text(metadata={"description": "The job of an upload; needed where no image part is sent."})
    format = FormatName(load_default=None, allow_none=True, metadata={"description": "stl where none is named."})
    mesh_format = FormatName(load_default=None, allow_none=True, metadata={"description": "The same as format."})


class UltraGenerateSchema(GenerateSchema):
    """As generate-3d, under a profile."""

    profile = Word(
        *PROFILES,
        load_default=None,
        allow_none=True,
        metadata={"description": "The one that is enabled, else ultra, where none is named."},
    )


class GenerateFromImageSchema(_CompatibleMembers):
    """Make a model of the picture in the part `image`."""

    format = FormatName(load_default=None, allow_none=True, metadata={"description": "stl where none is named."})
    mesh_format = FormatName(load_default=None, allow_none=True, metadata={"description": "The same as format."})


class BatchGenerateSchema(_CompatibleMembers):
    """Many models: of the parts `files`, or of the pictures of jobs."""

    job_ids = fields.List(Text(), validate=validate.Length(1, limits.COMPATIBLE_BATCH_JOBS))
    job_id = Text(metadata={"description": "One job in place of job_ids."})
    format = FormatName(load_default=None, allow_none=True)
    mesh_format = FormatName(load_default=None, allow_none=True)
    format_type = FormatName(load_default=None, allow_none=True, metadata={"description": "The same as format."})
    formats = fields.List(FormatName(), load_default=None, allow_none=True, validate=validate.Length(1, 11))
    quality = Quality(load_default=None, metadata={"description": "medium (5) with files, else 7."})
    batch_size = Integer(load_default=None, allow_none=True, validate=between(limits.COMPATIBLE_BATCH_SIZE))


class PictureMembers(Schema):
    """A picture of a sentence: of the solids that it describes, or by the diffusers model that is set."""

    prompt = Text(
        required=True,
        validate=[validate.Length(*limits.PROMPT_CHARACTERS), validate.Regexp(r"\s*\S", error="Must not be blank.")],
    )
    negative_prompt = Text(load_default="", validate=validate.Length(max=limits.NEGATIVE_PROMPT_CHARACTERS))
    width = Integer(load_default=512, validate=[between(limits.PICTURE_SIDE_PX), _in_eights], metadata=IN_EIGHTS)
    height = Integer(load_default=512, validate=[between(limits.PICTURE_SIDE_PX), _in_eights], metadata=IN_EIGHTS)
    steps = Integer(
        load_default=None,
        allow_none=True,
        validate=between(limits.PICTURE_STEPS),
        metadata={"description": "50 where none is given; of a model alone."},
    )
    guidance_scale = Number(
        load_default=None,
        allow_none=True,
        validate=between(limits.GUIDANCE_SCALE),
        metadata={"description": "7.0 where none is given; of a model alone."},
    )
    seed = Integer(load_default=0, validate=between(limits.SEED))
    use_cache = Flag(load_default=True)


class TextToImageSchema(PictureMembers):
    """A picture of a sentence."""

    style = Word(
        *STYLES, load_default=None, allow_none=True, metadata={"description": "realistic where none is named."}
    )
    art_style = Word(*STYLES, load_default=None, allow_none=True, metadata={"description": "The same as style."})


class ImagesSchema(PictureMembers):
    """A picture of a sentence."""

    style = Word(*STYLES, load_default=DEFAULT_STYLE)


def picture_options(params: dict[str, Any]) -> PictureOptions:
    """The options of a validated request for a picture."""
    style = params.get("style") or params.get("art_style") or DEFAULT_STYLE
    known = {name: params[name] for name in PictureOptions.__slots__ if name != "style"}
    return PictureOptions(style=style, **known)


def options_from(params: dict[str, Any]) -> Options:
    """The options of a validated compatible request; its format is stl where none is named."""
    named = next((params[key] for key in ("format", "mesh_format", "format_type") if params.get(key)), "stl")
    box = {side: params[side] for side in SIDES if params.get(side) is not None} or params.get("dimensions")
    return options_of({**params, "formats": params.get("formats") or [named], "dimensions_mm": box})
