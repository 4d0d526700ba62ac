"""An engine on a fresh database of each kind, with stages of the tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from orfeas.domain.caller import LOCAL, Caller
from orfeas.jobs.inprocess import LocalWorker
from orfeas.jobs.jobs import JobLimits, Jobs
from orfeas.jobs.plan import Plan, Source
from orfeas.jobs.views import JobView, RunRequest, Surface
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database, migrate
from orfeas.storage.tables import stages

STAGES = ("tests.jobs.engine_stages",)
OTHER = Caller("other", LOCAL.scopes)


@dataclass
class Messages:
    """Wake-ups that are only noted."""

    woken: list[str] = field(default_factory=list)
    rechecked: list[str] = field(default_factory=list)

    def wake(self, queue: str) -> None:
        self.woken.append(queue)

    def wake_all(self) -> None:
        self.woken.append("*")

    def recheck(self, worker_id: str) -> None:
        self.rechecked.append(worker_id)


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Engine:
    """Jobs, a worker in this process, and a look at the rows."""

    def __init__(self, url: str, folder: Path, limits: JobLimits | None = None) -> None:
        self.database = Database(url)
        migrate(self.database, folder)
        self.folder = folder
        self.blobs = FolderStorage(folder)
        self.messages, self.clock = Messages(), Clock()
        self.jobs = Jobs(self.database, self.blobs, self.messages, limits, now=self.clock)

    def worker(self, **options: Any) -> LocalWorker:
        """A worker that moves with the test's clock."""
        worker = LocalWorker(self.database, self.blobs, self.messages, modules=STAGES, **options)
        worker.leases._now = self.clock
        return worker

    def source(self, data: bytes = b"abc") -> Source:
        """A stored upload."""
        return Source(hashlib.sha256(data).hexdigest(), self.blobs.put(data))

    def create(self, plan: Plan, caller: Caller = LOCAL, **options: Any) -> JobView:
        """A job of a plan."""
        names = {"priority", "checks", "timeout_s", "quality", "engine"}
        request = {name: options.pop(name) for name in names & set(options)}
        return self.jobs.create(caller, Surface.V1, RunRequest("generation", plan, {}, **request), **options)

    def get(self, job: JobView, caller: Caller = LOCAL) -> JobView:
        """The job as it is now."""
        return self.jobs.get(caller, job.id)

    def rows(self) -> list[Any]:
        """All stages."""
        with self.database.read() as connection:
            return list(connection.execute(select(stages).order_by(stages.c.id)))

    def states(self) -> dict[str, str]:
        """State by stage name; the last of a name counts."""
        return {row.name: row.state for row in self.rows()}

    def file(self, job: JobView, number: int = 0) -> bytes:
        """The bytes of a finished job's file."""
        shown = self.get(job).latest
        assert shown is not None
        assert shown.result is not None, shown.error
        return self.blobs.read(shown.result["assets"][number]["asset_id"])


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """An engine on each kind of database."""
    made = Engine(database_url, tmp_path / "data")
    yield made
    made.database.dispose()
