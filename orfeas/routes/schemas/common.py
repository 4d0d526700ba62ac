"""Fields and schemas that every category shares."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema


@cache
def _schema(schema: type[Schema]) -> Schema:
    return schema()


def dumped(schema: type[Schema], value: Any) -> dict[str, Any]:
    """What a schema shows of a value. To make one copies all its fields, so each is made once."""
    return dict(_schema(schema).dump(value))


def rfc3339(epoch_s: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339 in UTC with milliseconds; None stays None."""
    if epoch_s is None:
        return None
    milliseconds = round(epoch_s * 1000.0)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


class Timestamp(fields.String):
    """Seconds since the epoch, shown as RFC 3339 in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"format": "date-time", "example": "2026-05-04T09:30:00.000Z", **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value if isinstance(value, str) else rfc3339(value)


class Integer(fields.Integer):
    """An integer, also as 7.0 or "7"; never a boolean."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Number(fields.Float):
    """A finite number, also as "0.5"; never a boolean."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        number = super()._validated(value)
        if number is not None and not math.isfinite(number):
            raise self.make_error("special", input=value)
        return number


class Flag(fields.Boolean):
    """true or false, also as the words that HTML forms send; never a number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Text(fields.String):
    """Text in Unicode's composed form (NFC)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class LowerText(Text):
    """An id or a hash in hexadecimal digits, in any case."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs).lower()


class Word(Text):
    """One of a few words, in any case."""

    def __init__(self, *allowed: str, **kwargs: Any) -> None:
        self.allowed = allowed
        super().__init__(validate=validate.OneOf(allowed, error=f"Allowed: {', '.join(allowed)}."), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs).lower()


class SourceSchema(Schema):
    """Where an input comes from: exactly one of the members."""

    asset_id = Text(metadata={"description": "A stored asset."})
    job_id = Text(metadata={"description": "A job: its main result."})
    url = Text(metadata={"description": "A public http or https URL."})
    data = Text(metadata={"description": "A data URI."})
    upload = Text(metadata={"description": "The name of a file part of this multipart request."})

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Exactly one of asset_id, job_id, url, data and upload is needed.")


class ErrorItemSchema(Schema):
    """One wrong member of a request."""

    pointer = fields.String(metadata={"example": "/dimensions/width"})
    detail = fields.String(metadata={"example": "Must be at least 1."})
    code = fields.String(metadata={"example": "invalid"})


class ProblemSchema(Schema):
    """What went wrong (RFC 9457); `error` repeats `detail` for existing clients."""

    type = fields.String(required=True, metadata={"example": "/problems/not-found"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"example": 404})
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"description": "The path of the request."})
    code = fields.String(required=True, metadata={"example": "not_found"})
    request_id = fields.String(required=True, metadata={"description": "Equal to the header X-Request-ID."})
    errors = fields.List(fields.Nested(ErrorItemSchema), required=True)
    error = fields.String(required=True)
