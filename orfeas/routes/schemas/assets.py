"""Stored files of v1: uploads and results."""

from __future__ import annotations

from typing import Any

from flask_smorest.fields import Upload
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain.formats import MESH_FORMATS
from orfeas.jobs.files import Asset
from orfeas.routes.paging import PageArgsSchema
from orfeas.routes.schemas.common import Flag, Integer, Text, Timestamp, Word, rfc3339

ASSETS = "/api/v1/assets"
KINDS = ("image", "mesh", "archive", "other")


class ImageFactsSchema(Schema):
    """What a picture is."""

    width = fields.Integer(metadata={"description": "Pixels."})
    height = fields.Integer(metadata={"description": "Pixels."})
    mode = fields.String(metadata={"example": "RGBA"})
    has_transparency = fields.Boolean()


class MeshFactsSchema(Schema):
    """What was measured on a mesh."""

    faces = fields.Integer(allow_none=True)
    vertices = fields.Integer(allow_none=True)
    extents_mm = fields.List(fields.Float(), allow_none=True)


class ReferenceSchema(Schema):
    """Something that uses an asset."""

    type = fields.String(metadata={"example": "job"})
    id = fields.String()


class AssetLinksSchema(Schema):
    """Where an asset's parts are."""

    self = fields.String()
    content = fields.String()
    preview = fields.String()


class AssetSchema(Schema):
    """A stored file. `id` is the SHA-256 of its bytes; pictures are stored cleaned."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    format = fields.String(required=True)
    media_type = fields.String(required=True)
    size_bytes = fields.Integer(required=True)
    filename = fields.String(required=True)
    created_at = Timestamp(required=True)
    expires_at = Timestamp(allow_none=True, metadata={"description": "When it goes if nothing uses it; null: kept."})
    original_sha256 = fields.String(allow_none=True, metadata={"description": "Of the bytes that were uploaded."})
    image = fields.Nested(ImageFactsSchema, allow_none=True)
    mesh = fields.Nested(MeshFactsSchema, allow_none=True)
    up_axis = fields.String(allow_none=True, metadata={"example": "z"})
    references = fields.List(fields.Nested(ReferenceSchema))
    licence = fields.Dict(allow_none=True)
    links = fields.Nested(AssetLinksSchema)


class AssetPageSchema(Schema):
    """A page of assets."""

    items = fields.List(fields.Nested(AssetSchema), required=True)
    next_cursor = fields.String(allow_none=True, required=True)


class AssetQuerySchema(PageArgsSchema):
    """Which assets a list shows."""

    kind = Word(*KINDS, load_default=None)
    format = Text(load_default=None, validate=validate.Length(1, 16))


class ContentQuerySchema(Schema):
    """How the bytes are wanted."""

    format = Word(*MESH_FORMATS, "png", "jpeg", "jpg", load_default=None)
    download = Flag(load_default=False, metadata={"description": "1: to be saved rather than shown."})


class PreviewQuerySchema(Schema):
    """How large a preview may be."""

    size = Integer(
        load_default=512, validate=validate.Range(64, 2048), metadata={"description": "Pixels of the longer side."}
    )


class UploadSourceSchema(Schema):
    """An upload as JSON: exactly one of the members."""

    url = Text(validate=validate.Length(1, 2048), metadata={"description": "A public http or https URL."})
    data = Text(metadata={"description": "A data URI."})

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Exactly one of url and data is needed.")


class UploadFormSchema(Schema):
    """An upload as a form."""

    file = Upload(required=True)


def asset_document(asset: Asset) -> dict[str, Any]:
    """The asset as v1 shows it everywhere: JSON values."""
    same = (
        "id", "kind", "format", "media_type", "size_bytes", "filename", "original_sha256", "image", "mesh", "up_axis",
        "licence",
    )  # fmt: skip
    here = f"{ASSETS}/{asset.id}"
    return {
        **{name: getattr(asset, name) for name in same},
        "created_at": rfc3339(asset.created_at),
        "expires_at": rfc3339(asset.expires_at),
        "references": [{"type": "job", "id": job_id} for job_id in asset.references],
        "links": {"self": here, "content": f"{here}/content", "preview": f"{here}/preview"},
    }
