"""New events of all jobs, in the order in which they were written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from orfeas.storage.database import Database
from orfeas.storage.tables import events, jobs

MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a job that clients see; `created_at` in seconds since the epoch."""

    id: int
    job_id: str
    tenant: str
    batch_id: str | None
    kind: str
    payload: dict[str, Any]
    created_at: float


class Tail:
    """Reads on from where it was; the first look is at nothing but the end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest: int | None = None

    def forget(self) -> None:
        """Skip everything until the next look."""
        self._newest = None

    def read(self) -> Sequence[Happened]:
        """What was written since the last look; hidden jobs are left out."""
        with self._database.read() as connection:
            if self._newest is None:
                self._newest = int(connection.execute(select(func.max(events.c.id))).scalar() or 0)
                return ()
            rows = connection.execute(
                select(events, jobs.c.tenant, jobs.c.batch_id, jobs.c.hidden)
                .join(jobs, jobs.c.id == events.c.job_id)
                .where(events.c.id > self._newest)
                .order_by(events.c.id)
                .limit(MOST_AT_ONCE)
            ).all()
        if rows:
            self._newest = int(rows[-1].id)
        return [
            Happened(row.id, row.job_id, row.tenant, row.batch_id, row.kind, row.payload, row.created_at)
            for row in rows
            if not row.hidden
        ]
