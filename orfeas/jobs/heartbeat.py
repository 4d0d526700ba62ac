"""A worker's row: that it lives, and what it does."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Any

from orfeas.storage.database import UNAVAILABLE, Database
from orfeas.storage.statements import upsert
from orfeas.storage.tables import workers

BEAT_EVERY_S = 5.0


class Heartbeat:
    """Writes the row at most every `every_s` seconds."""

    def __init__(
        self,
        database: Database,
        worker_id: str,
        queue: str,
        device: str | None = None,
        *,
        every_s: float = BEAT_EVERY_S,
    ) -> None:
        self._database = database
        self._every_s = every_s
        self._fixed = {
            "id": worker_id, "queue": queue, "device": device, "host": socket.gethostname(), "pid": os.getpid(),
            "started_at": time.time(),
        }  # fmt: skip
        self._beaten_at = float("-inf")

    def beat(
        self,
        stage_id: int | None,
        memory_bytes: int | None = None,
        *,
        state: str | None = None,
        report: dict[str, Any] | None = None,
        now: bool = False,
    ) -> None:
        """Say that the worker lives; `stage_id` is the stage at work, None when idle.

        `report` is what a device tells about itself; `now` writes the row even if it was written just before.
        """
        if not now and time.monotonic() - self._beaten_at < self._every_s:
            return
        self._beaten_at = time.monotonic()
        values = {
            "heartbeat_at": time.time(),
            "state": state or ("idle" if stage_id is None else "busy"),
            "stage_id": stage_id,
            "memory_bytes": memory_bytes,
            "report": report,
        }
        # The row is for people to look at: a database that is away must not end the worker.
        with contextlib.suppress(*UNAVAILABLE), self._database.transaction() as connection:
            insert = upsert(connection, workers).values(**self._fixed, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=values))

    def end(self) -> None:
        """Take the row away: the worker has ended in order."""
        with contextlib.suppress(*UNAVAILABLE), self._database.transaction() as connection:
            connection.execute(workers.delete().where(workers.c.id == self._fixed["id"]))
