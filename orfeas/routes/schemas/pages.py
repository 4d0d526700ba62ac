"""The web app manifest."""

from __future__ import annotations

from marshmallow import Schema, fields


class IconSchema(Schema):
    """A picture for a home screen."""

    src = fields.String(required=True)
    sizes = fields.String(required=True)
    type = fields.String(required=True)
    purpose = fields.String(required=True)


class WebManifestSchema(Schema):
    """How the studio installs as an app."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    short_name = fields.String(required=True)
    start_url = fields.String(required=True)
    scope = fields.String(required=True)
    display = fields.String(required=True)
    theme_color = fields.String(required=True)
    background_color = fields.String(required=True)
    icons = fields.List(fields.Nested(IconSchema), required=True)
