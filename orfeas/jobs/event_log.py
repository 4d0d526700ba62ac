"""Events of jobs as they were written: what streams send and replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from orfeas.storage.database import Database
from orfeas.storage.tables import events

KEPT_PER_JOB = 1000


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event. `run` is its number, None before the first run; `created_at` seconds since the epoch."""

    sequence: int
    run: int | None
    kind: str
    payload: dict[str, Any]
    created_at: float


class EventLog:
    """Reads the events of a job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, job_id: str, sequence: int, limit: int = KEPT_PER_JOB) -> list[EventRow]:
        """Events later than `sequence`, in order."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(events)
                .where(events.c.job_id == job_id, events.c.sequence > sequence)
                .order_by(events.c.sequence)
                .limit(limit)
            )
            return [EventRow(row.sequence, row.run, row.kind, row.payload, row.created_at) for row in rows]

    def oldest(self, job_id: str) -> int | None:
        """The oldest kept sequence."""
        with self._database.read() as connection:
            return connection.execute(select(func.min(events.c.sequence)).where(events.c.job_id == job_id)).scalar()
