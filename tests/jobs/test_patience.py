"""A database that is locked, full or away for a while costs time, never a stage or a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from orfeas.config import Config
from orfeas.domain.caller import LOCAL
from orfeas.errors import DiskFullError
from orfeas.jobs.events import Notifier
from orfeas.jobs.heartbeat import Heartbeat
from orfeas.jobs.inprocess import IoWorker
from orfeas.jobs.patience import PatientLeases
from orfeas.jobs.plan import Plan
from orfeas.jobs.sweep import Sweeper
from orfeas.jobs.views import JobInput, JobState, Surface
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.jobs.worker import Stop
from orfeas.storage.database import Database
from orfeas.storage.tables import settings
from tests.jobs.conftest import Engine
from tests.jobs.engine_stages import chain, plan


class Flaky:
    """A database that refuses the next `refusals` transactions."""

    def __init__(self, database: Database) -> None:
        self.database, self.refusals = database, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As the database, or a refusal."""
        if self.refusals:
            self.refusals -= 1
            raise OperationalError("BEGIN", {}, Exception("database is locked"))
        with self.database.transaction() as connection:
            yield connection


def _patient(engine: Engine, *, hurry: bool = False) -> tuple[Flaky, PatientLeases]:
    flaky = Flaky(engine.database)
    return flaky, PatientLeases(flaky, engine.blobs, engine.messages, "w", now=engine.clock, hurry=lambda: hurry)


def test_a_result_is_written_once_the_database_is_back(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    flaky, leases = _patient(engine)
    runner = engine.worker()._runner
    flaky.refusals = 1
    assert leases.claim("cpu") is None
    claim = leases.claim("cpu")
    while claim is not None:
        flaky.refusals = 2
        claim = leases.finish(claim.stage_id, runner.run(claim.task, lambda _: None), claim_next="cpu")
    assert engine.file(job) == b"4"
    assert {row.attempts for row in engine.rows()} == {1}


def test_a_lease_that_cannot_be_renewed_now_is_not_taken_for_lost(engine: Engine) -> None:
    engine.create(plan(chain(engine.source(), 1)))
    flaky, leases = _patient(engine)
    claim = leases.claim("cpu")
    assert claim is not None
    flaky.refusals = 3
    assert leases.renew(claim.stage_id)
    assert leases.progress(claim.stage_id, 0.5)
    Heartbeat(flaky, "w", "cpu").beat(None)  # type: ignore[arg-type]
    assert flaky.refusals == 0
    leases.give_back(claim.stage_id)
    assert not leases.renew(claim.stage_id)


def test_a_process_that_has_to_go_does_not_wait(engine: Engine) -> None:
    engine.create(plan(chain(engine.source(), 1)))
    flaky, leases = _patient(engine, hurry=True)
    claim = leases.claim("cpu")
    assert claim is not None
    flaky.refusals = 1
    with pytest.raises(OperationalError):
        leases.lost(claim.stage_id)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_has_its_name_and_ends_when_there_is_room(engine: Engine) -> None:
    def bound(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    with engine.database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    job = engine.create(plan(chain(engine.source(), 1)))
    event.listen(engine.database._engine, "connect", bound)
    engine.database.dispose()

    def fill() -> None:
        with engine.database.transaction() as connection:
            connection.execute(settings.insert().values(key="large", value="x" * 10**7))

    with pytest.raises(DiskFullError):
        fill()
    event.remove(engine.database._engine, "connect", bound)
    engine.database.dispose()
    engine.worker().drain()
    assert engine.file(job) == b"4"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_lost_connection_is_replaced(engine: Engine, database_url: str) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    with engine.database.read() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = Database(database_url)
    with other.read() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    other.dispose()
    assert engine.get(job).state is JobState.QUEUED


def test_waiters_are_told_though_reading_failed_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    notifier = Notifier(engine.database)
    look, failed = notifier._look, threading.Event()

    def look_badly(newest: int, fresh: list[str]) -> int:
        if not failed.is_set():
            failed.set()
            raise OperationalError("SELECT", {}, Exception("gone"))
        return look(newest, fresh)

    monkeypatch.setattr(notifier, "_look", look_badly)
    job = engine.jobs.open(LOCAL, Surface.V1, JobInput())
    assert notifier.wait(job.id, 0, 5.0)
    notifier.stop()


def test_no_event_gets_the_number_of_a_deleted_one(engine: Engine) -> None:
    notifier = Notifier(engine.database)
    gone = engine.jobs.open(LOCAL, Surface.V1, JobInput())
    newest = notifier._look(0, [])
    engine.jobs.delete(LOCAL, gone.id)
    engine.jobs.open(LOCAL, Surface.V1, JobInput())
    assert notifier._look(newest, []) > newest


def test_a_message_that_cannot_be_sent_costs_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("too many open files")

    wakeups = LocalWakeups(engine.folder)
    wakeups.folder.mkdir(exist_ok=True)
    monkeypatch.setattr("socket.socket", refuse)
    wakeups.wake("cpu")


def test_all_threads_of_a_dead_io_worker_let_go(engine: Engine) -> None:
    for size in range(3):
        engine.create(Plan((), also=(chain(engine.source(b"x" * size), 1),)))
    for owner in ("one", "one.1", "one2"):
        leases = engine.worker().leases
        leases.owner = owner
        assert leases.claim("cpu") is not None
    engine.worker().leases.release_worker("one")
    assert sorted(str(row.owner) for row in engine.rows()) == ["None", "None", "one2"]


def test_deadlines_are_kept_while_every_worker_is_busy(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)), timeout_s=-1e9)  # on the test's clock, long ago
    stop = Stop()
    config = Config(data_dir=engine.folder, database_url=engine.database.url)
    sweeper = Sweeper(engine.database, engine.blobs, config)
    io = IoWorker(engine.database, engine.blobs, LocalWakeups(engine.folder), "io", stop, sweeper, ())
    thread = threading.Thread(target=io.run)
    thread.start()
    deadline = time.monotonic() + 5.0
    while not engine.get(job).state.final and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.ask()
    thread.join(15.0)
    stop._read.close()
    stop._write.close()
    assert engine.get(job).state is JobState.FAILED
