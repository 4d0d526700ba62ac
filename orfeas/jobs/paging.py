"""Pages of rows by time: where one ends, and what comes after it."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from sqlalchemy import ColumnElement, Table, UnaryExpression, and_, or_

from orfeas.errors import BadCursorError
from orfeas.storage.tables import AnyRow

BAD_CURSOR = "The cursor is not one that this list gave; start without one."


def in_order(table: Table, *, newest_first: bool) -> tuple[ColumnElement[Any] | UnaryExpression[Any], ...]:
    """By time, and by id among rows of one moment."""
    at, key = table.c.created_at, table.c.id
    return (at.desc(), key.desc()) if newest_first else (at, key)


def cursor_of(row: AnyRow) -> str:
    """The position behind a row."""
    return base64.urlsafe_b64encode(json.dumps([row.created_at, row.id]).encode()).decode().rstrip("=")


def after(table: Table, cursor: str, *, newest_first: bool) -> ColumnElement[bool]:
    """The rows behind a position; `BadCursorError` for what is none."""
    try:
        padded = (cursor + "=" * (-len(cursor) % 4)).encode()
        created_at, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(created_at, float) or not isinstance(key, str) or not math.isfinite(created_at):
            raise BadCursorError(BAD_CURSOR)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadCursorError(BAD_CURSOR) from error
    same = table.c.created_at == created_at
    if newest_first:
        return or_(table.c.created_at < created_at, and_(same, table.c.id < key))
    return or_(table.c.created_at > created_at, and_(same, table.c.id > key))
