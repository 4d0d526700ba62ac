"""Waiting for jobs without holding up anybody: one thread reads new events and wakes all waiters."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from orfeas.domain.caller import Caller
from orfeas.jobs.views import JobView
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow, events

log = logging.getLogger(__name__)

POLL_S = 0.05
RECHECK_S = 1.0
LONG_HOLDERS = 192
STREAMS_PER_ADDRESS = 64


class Notifier:
    """Wakes waiters within 50 ms of an event's commit. Idle while nobody waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._sequences: dict[str, int] = {}
        self._waiting: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()

    def start(self) -> None:
        """Start the thread; once more does nothing."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Let all waiters go and end the thread."""
        self.stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def wait(self, job_id: str, after_sequence: int, timeout_s: float) -> bool:
        """Sleep until the job has an event after `after_sequence`; False when time is up or the server stops."""
        self.start()
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._waiting[job_id] += 1
            self._changed.notify_all()
            try:
                while not self.stopping.is_set():
                    left = deadline - time.monotonic()
                    if self._sequences.get(job_id, 0) > after_sequence:
                        return True
                    if left <= 0.0:
                        return False
                    self._changed.wait(min(left, RECHECK_S))
                return False
            finally:
                self._waiting[job_id] -= 1
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
                    self._sequences.pop(job_id, None)

    def _run(self) -> None:
        newest = 0
        while not self.stopping.is_set():
            with self._changed:
                if not self._waiting:
                    self._changed.wait(RECHECK_S)
                    newest = 0
                    continue
                wanted = list(self._waiting)
                fresh = [job_id for job_id in wanted if job_id not in self._sequences]
            try:
                newest = self._look(newest, fresh)
                self.stopping.wait(POLL_S)
            except SQLAlchemyError:
                log.exception("events cannot be read now; trying again")
                self.stopping.wait(RECHECK_S)

    def _look(self, newest: int, fresh: list[str]) -> int:
        with self._database.read() as connection:
            last = connection.execute(select(func.max(events.c.id))).scalar() or 0
            query = select(events.c.job_id, func.max(events.c.sequence)).group_by(events.c.job_id)
            found: list[AnyRow] = []
            if last > newest:
                found += connection.execute(query.where(events.c.id > (newest or last))).all()
            if fresh:
                found += connection.execute(query.where(events.c.job_id.in_(fresh))).all()
        with self._changed:
            for job_id, sequence in found:
                if job_id in self._waiting:
                    self._sequences[job_id] = max(sequence, self._sequences.get(job_id, 0))
            for job_id in fresh:
                if job_id in self._waiting:
                    self._sequences.setdefault(job_id, 0)
            if found:
                self._changed.notify_all()
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
        notifier.wait(job_id, job.sequence, min(left, RECHECK_S))
