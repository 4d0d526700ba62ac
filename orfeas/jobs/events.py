"""Waiting for jobs without holding up anybody: one thread reads new events and wakes all waiters."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError

from orfeas.domain.caller import Caller
from orfeas.errors import DatabaseUnavailableError
from orfeas.jobs.views import JobView
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow, events

log = logging.getLogger(__name__)

POLL_S = 0.05
IDLE_S = 1.0
LONG_HOLDERS = 192
STREAMS_PER_ADDRESS = 64


@dataclass(slots=True)
class _Watched:
    """A job that somebody waits for: its newest event and its newest end, as far as they were read."""

    changed: threading.Condition
    waiting: int = 0
    newest: int | None = None
    ended: int = 0


class Notifier:
    """Wakes a job's waiters within 50 ms of an event's commit. Idle while nobody waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._somebody = threading.Condition(self._lock)
        self._watched: dict[str, _Watched] = {}
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()

    def start(self) -> None:
        """Start the thread; once more does nothing."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Let all waiters go and end the thread."""
        self.stopping.set()
        with self._lock:
            self._somebody.notify_all()
            for job in self._watched.values():
                job.changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def wait(self, job_id: str, after_sequence: int, timeout_s: float, *, for_end: bool = False) -> bool:
        """Sleep until the job has an event after `after_sequence`, or with `for_end` the end of a run.

        False when time is up or the server stops.
        """
        self.start()
        deadline = time.monotonic() + timeout_s
        with self._lock:
            job = self._watched.setdefault(job_id, _Watched(threading.Condition(self._lock)))
            job.waiting += 1
            self._somebody.notify()
            try:
                while not self.stopping.is_set():
                    if (job.ended if for_end else job.newest or 0) > after_sequence:
                        return True
                    left = deadline - time.monotonic()
                    if left <= 0.0:
                        return False
                    job.changed.wait(left)
                return False
            finally:
                job.waiting -= 1
                if not job.waiting:
                    del self._watched[job_id]

    def _run(self) -> None:
        newest = 0
        while not self.stopping.is_set():
            with self._lock:
                if not self._watched:
                    self._somebody.wait(IDLE_S)
                    newest = 0
                    continue
                fresh = [job_id for job_id, job in self._watched.items() if job.newest is None]
            try:
                newest = self._look(newest, fresh)
                self.stopping.wait(POLL_S)
            except (SQLAlchemyError, DatabaseUnavailableError):
                log.exception("events cannot be read now; trying again")
                self.stopping.wait(IDLE_S)

    def _look(self, newest: int, fresh: list[str]) -> int:
        """Read what came after the event `newest`, and how the `fresh` jobs stand."""
        end = case((events.c.kind == "end", events.c.sequence), else_=0)
        query = select(
            events.c.job_id, func.max(events.c.sequence).label("newest"), func.max(end).label("ended")
        ).group_by(events.c.job_id)
        with self._database.read() as connection:
            last = connection.execute(select(func.max(events.c.id))).scalar() or 0
            found: list[AnyRow] = []
            if last > newest:
                found += connection.execute(query.where(events.c.id > (newest or last))).all()
            if fresh:
                found += connection.execute(query.where(events.c.job_id.in_(fresh))).all()
        with self._lock:
            for row in found:
                job = self._watched.get(row.job_id)
                if job is not None:
                    job.newest = max(row.newest, job.newest or 0)
                    job.ended = max(row.ended, job.ended)
                    job.changed.notify_all()
            for job_id in fresh:
                job = self._watched.get(job_id)
                if job is not None and job.newest is None:
                    job.newest = 0
        return int(last)


class Holders:
    """The server's threads that may be held for long: streams and waits together."""

    def __init__(self, cap: int = LONG_HOLDERS, per_address: int = STREAMS_PER_ADDRESS) -> None:
        self._lock = threading.Lock()
        self._cap = cap
        self._per_address = per_address
        self._held = 0
        self._streams: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """How many are held now."""
        return self._held

    def acquire(self, address: str | None = None) -> bool:
        """Take a place; with an address, also one of its stream places. False when there is none."""
        with self._lock:
            if self._held >= self._cap or (address is not None and self._streams[address] >= self._per_address):
                return False
            self._held += 1
            if address is not None:
                self._streams[address] += 1
            return True

    def release(self, address: str | None = None) -> None:
        """Give the place back."""
        with self._lock:
            self._held -= 1
            if address is not None:
                self._streams[address] -= 1
                if not self._streams[address]:
                    del self._streams[address]

    @contextmanager
    def hold(self) -> Iterator[bool]:
        """A place for the length of a block; False when none is free."""
        granted = self.acquire()
        try:
            yield granted
        finally:
            if granted:
                self.release()


def wait_final(
    get: Callable[[Caller, str], JobView], notifier: Notifier, caller: Caller, job_id: str, timeout_s: float
) -> JobView:
    """The job when it is final, or as it is when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        job = get(caller, job_id)
        left = deadline - time.monotonic()
        if job.state.final or left <= 0.0 or notifier.stopping.is_set():
            return job
        notifier.wait(job_id, job.sequence, left, for_end=True)
