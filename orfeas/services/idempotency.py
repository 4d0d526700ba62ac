"""First answers of creations, kept for a day under the client's Idempotency-Key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from orfeas.domain.caller import Caller
from orfeas.errors import IdempotencyInFlightError, IdempotencyMismatchError
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow, idempotency

KEPT_S = 24 * 3600.0
LOST_S = 300.0
"""A first request that has not ended by then was lost with its server: the longest wait is 60 s."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


class IdempotencyService:
    """Remember which creations were answered, and how."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def begin(self, caller: Caller, key: str, operation: str, body_sha256: str) -> StoredAnswer | None:
        """Reserve the key, or give the first answer.

        Raises
        ------
        IdempotencyMismatchError
            The key was used with another operation or body.
        IdempotencyInFlightError
            The first request with this key has not been answered yet.
        """
        try:
            with self._database.transaction() as connection:
                self._forget_old(connection)
                row = self._row(connection, caller, key)
                if row is not None:
                    return _judge(row, operation, body_sha256)
                connection.execute(
                    idempotency.insert().values(
                        tenant=caller.tenant,
                        key=key,
                        operation=operation,
                        body_sha256=body_sha256,
                        state="in_flight",
                        created_at=self._now(),
                    )
                )
        except IntegrityError as error:
            raise _in_flight() from error
        return None

    def keep(self, caller: Caller, key: str, answer: StoredAnswer) -> None:
        """Remember the answer."""
        with self._database.transaction() as connection:
            connection.execute(
                update(idempotency)
                .where(_is(caller, key))
                .values(state="answered", status=answer.status, headers=answer.headers, body=answer.body)
            )

    def forget(self, caller: Caller, key: str) -> None:
        """Free the key: nothing was made."""
        with self._database.transaction() as connection:
            connection.execute(delete(idempotency).where(_is(caller, key)))

    def _forget_old(self, connection: Connection) -> None:
        now = self._now()
        lost = and_(idempotency.c.state == "in_flight", idempotency.c.created_at < now - LOST_S)
        connection.execute(delete(idempotency).where(or_(idempotency.c.created_at < now - KEPT_S, lost)))

    def _row(self, connection: Connection, caller: Caller, key: str) -> AnyRow | None:
        return connection.execute(select(idempotency).where(_is(caller, key))).one_or_none()


def _is(caller: Caller, key: str) -> ColumnElement[bool]:
    return and_(idempotency.c.tenant == caller.tenant, idempotency.c.key == key)


def _judge(row: AnyRow, operation: str, body_sha256: str) -> StoredAnswer:
    if (row.operation, row.body_sha256) != (operation, body_sha256):
        raise IdempotencyMismatchError("This Idempotency-Key was used with another request; take a new key.")
    if row.state == "in_flight":
        raise _in_flight()
    return StoredAnswer(row.status, dict(row.headers), bytes(row.body))


def _in_flight() -> IdempotencyInFlightError:
    return IdempotencyInFlightError(
        "The first request with this Idempotency-Key is still at work; try again in a second.", retry_after=1
    )
