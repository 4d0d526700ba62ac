"""Pages of lists: opaque, signed cursors and the Link header (RFC 8288)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import Schema, fields, validate

from orfeas.config import secret_key
from orfeas.errors import BadCursorError
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import services
from orfeas.routes.schemas.common import Integer

NEWEST_FIRST, OLDEST_FIRST = "-created_at", "created_at"


class Cursor(fields.String):
    """A cursor of an earlier page of the same list; loads as the position it stands for."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return read_cursor(super()._deserialize(value, attr, data, **kwargs))


class PageArgsSchema(Schema):
    """How a list is cut into pages. `sort` is `created_at` or `-created_at`."""

    limit = Integer(load_default=50, validate=validate.Range(1, 200))
    cursor = Cursor(load_default=None, metadata={"description": "`next_cursor` of the page before."})
    sort = fields.String(load_default=NEWEST_FIRST, validate=validate.OneOf((NEWEST_FIRST, OLDEST_FIRST)))


def page_response(items: Sequence[Any], next_cursor: str | None) -> Response:
    """`{items, next_cursor}` with `Link: <...>; rel="next"` while there is more.

    `items` are JSON values; `next_cursor` is the position that the store gave.
    """
    signed = None if next_cursor is None else sign_cursor(next_cursor)
    response = with_etag(jsonify(items=list(items), next_cursor=signed))
    if signed is not None:
        query = urlencode([*((name, value) for name, value in _query().items()), ("cursor", signed)])
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


def sign_cursor(position: str) -> str:
    """A position as an opaque text that only this list takes."""
    return str(_serializer().dumps([position, _filters()]))


def read_cursor(text: str) -> str:
    """The position of a cursor of this list with these filters."""
    try:
        position, filters = _serializer().loads(text)
    except (BadData, ValueError, TypeError) as error:
        raise BadCursorError("The cursor is not one of this list; begin without one.") from error
    if filters != _filters():
        raise BadCursorError("The cursor belongs to other filters; begin without one.")
    return str(position)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(secret_key(services().config), salt=f"cursor:{request.path}")


def _filters() -> list[list[str]]:
    return sorted([name, value] for name, value in _query().items() if name != "limit")


def _query() -> Mapping[str, str]:
    return {name: value for name, value in request.args.items() if name not in ("cursor", "wait", "exp", "sig")}
