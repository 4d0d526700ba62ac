"""Statements of several modules that SQLAlchemy's core has no word for, and the settings that the API changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from orfeas.storage.tables import settings

_SETTING = select(settings.c.value).where(settings.c.key == bindparam("key"))


def upsert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return upsert_of(connection.dialect.name, table)


def upsert_of(dialect: str, table: Table) -> Any:
    """The same of a dialect by its name, for what is built once."""
    return {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(table)


def setting(connection: Connection, key: str) -> dict[str, Any] | None:
    """What was set last under a key; None where nothing was."""
    value: dict[str, Any] | None = connection.execute(_SETTING, {"key": key}).scalar_one_or_none()
    return value


def keep_setting(connection: Connection, key: str, value: dict[str, Any]) -> None:
    """Set a value for good."""
    insert = upsert(connection, settings).values(key=key, value=value)
    connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
