"""Tables and blobs: migrations, locks, and files named by their content."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, select

from orfeas.errors import AssetGoneError, DatabaseUnavailableError, DiskFullError
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import HEAD, Database, migrate, migration_config
from orfeas.storage.tables import metadata, settings


def test_migrations_make_the_tables_that_the_code_uses(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    migrate(database, tmp_path)
    migrate(database, tmp_path)
    with database.transaction() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
        assert ScriptDirectory.from_config(migration_config(connection)).get_current_head() == HEAD
    database.dispose()
    assert difference == []


def test_servers_that_start_together_migrate_once(database_url: str, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        database = Database(database_url)
        try:
            migrate(database, tmp_path)
            with database.read() as connection:
                assert connection.execute(select(settings)).all() == []
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)
        finally:
            database.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_transaction_that_fails_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    migrate(database, tmp_path)

    def write_and_fail() -> None:
        with database.transaction() as connection:
            connection.execute(settings.insert().values(key="a", value=1))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute(select(settings)).all() == []
    database.dispose()


def test_a_blob_is_named_by_its_content_and_stored_once(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    name = storage.put(b"model", durable=True)
    assert storage.put(b"model") == name
    assert [(sha256, size) for sha256, size, _ in storage.walk()] == [(name, 5)]
    assert storage.read(name) == b"model"
    assert storage.exists(name, 5)
    assert not storage.exists(name, 4)
    assert storage.delete(name) == 5
    assert storage.delete(name) == 0
    assert storage.size(name) is None
    with pytest.raises(AssetGoneError):
        storage.open(name)


def test_a_damaged_blob_is_written_again(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    name = storage.put(b"model")
    storage.path(name).write_bytes(b"mod")
    assert storage.read(storage.put(b"model")) == b"model"


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 63 + "/"])
def test_a_blob_has_no_other_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64"):
        FolderStorage(tmp_path).path(name)


def test_the_reserve_is_kept(tmp_path: Path) -> None:
    name = FolderStorage(tmp_path).put(b"old")
    full = FolderStorage(tmp_path, reserve_bytes=10**18)
    with pytest.raises(DiskFullError):
        full.put(b"new")
    assert full.put(b"old") == name
    assert full.read(name) == b"old"


def test_a_full_disk_is_named_and_leaves_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FolderStorage(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(DiskFullError):
        storage.put(b"model")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_writers_of_one_file_take_turns_and_none_is_overtaken_for_ever(tmp_path: Path) -> None:
    """Four processes of four threads each; with SQLite's own waiting some of them would give up."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    complaints = [writer.communicate(timeout=120.0)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, complaints
    database = Database(f"sqlite:///{tmp_path / 'turns.db'}")
    with database.read() as connection:
        assert connection.execute(select(settings.c.value)).scalar_one() == 4 * 4 * 25
    database.dispose()


WRITER = """
import sys, threading
from pathlib import Path
from sqlalchemy import select, update
from orfeas.storage.database import Database, migrate
from orfeas.storage.tables import settings
database = Database(f"sqlite:///{Path(sys.argv[1]) / 'turns.db'}")
migrate(database, Path(sys.argv[1]))
failed = []
def write():
    try:
        for _ in range(25):
            with database.transaction() as connection:
                row = connection.execute(select(settings.c.value).where(settings.c.key == "n")).scalar()
                if row is None:
                    connection.execute(settings.insert(), {"key": "n", "value": 1})
                else:
                    connection.execute(update(settings).where(settings.c.key == "n").values(value=row + 1))
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(repr(failed) if failed else 0)
"""


def test_a_turn_that_does_not_come_is_an_error_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stopped while it wrote holds up one thread of each other process; the others are told."""
    monkeypatch.setattr("orfeas.storage.database.WAIT_S", 0.2)
    database = Database(f"sqlite:///{tmp_path / 'turns.db'}")
    migrate(database, tmp_path)
    stopped = os.open(tmp_path / "turns.db-turn", os.O_RDWR)
    fcntl.flock(stopped, fcntl.LOCK_EX)
    wrote = threading.Event()

    def write() -> None:
        with database.transaction() as connection:
            connection.execute(settings.insert(), {"key": "a", "value": 1})
        wrote.set()

    waiting = threading.Thread(target=write)
    waiting.start()
    time.sleep(0.1)
    with pytest.raises(DatabaseUnavailableError) as refused, database.transaction():
        pass
    assert refused.value.members["retry_after"] == 2
    with database.read() as connection:
        assert connection.execute(select(settings)).all() == [], "reading goes on"
    os.close(stopped)
    waiting.join(10.0)
    assert wrote.is_set()
    database.dispose()


def test_a_lock_of_somebody_else_and_a_server_that_is_gone_have_a_name(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'held.db'}")
    migrate(database, tmp_path)
    other = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database._engine.dispose()
    event.listen(database._engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=50"))
    with pytest.raises(DatabaseUnavailableError), database.transaction():
        pass
    other.close()
    database.dispose()
    gone = Database("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")
    with pytest.raises(DatabaseUnavailableError), gone.read():
        pass
    gone.dispose()


def test_every_migration_can_be_undone_and_done_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'undone.db'}")
    migrate(database, tmp_path)
    with database.transaction() as connection:
        command.downgrade(migration_config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    with database.transaction() as connection:
        command.upgrade(migration_config(connection), "head")
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.dispose()


def test_a_look_within_a_look_sees_the_same_and_no_transaction(database_url: str, tmp_path: Path) -> None:
    database, names = Database(database_url), select(settings.c.key).order_by(settings.c.key)
    migrate(database, tmp_path)

    def write(key: str) -> None:
        with database.transaction() as connection:
            connection.execute(settings.insert().values(key=key, value={}))

    write("before")
    with database.read() as outer:
        assert list(outer.execute(names).scalars()) == ["before"]
        meanwhile = subprocess.run(
            [sys.executable, "-c", _WRITER, database_url], capture_output=True, text=True, timeout=60.0, check=False
        )
        assert meanwhile.returncode == 0, meanwhile.stderr
        with database.read() as inner:
            assert list(inner.execute(names).scalars()) == ["before"]
        with pytest.raises(RuntimeError, match="wait for itself"):
            write("within")
        assert list(outer.execute(names).scalars()) == ["before"]
    with database.read() as connection:
        assert list(connection.execute(names).scalars()) == ["before", "meanwhile"]
    write("after")
    database.dispose()


_WRITER = """
import sys
from orfeas.storage.database import Database
from orfeas.storage.tables import settings
with Database(sys.argv[1]).transaction() as connection:
    connection.execute(settings.insert().values(key="meanwhile", value={}))
"""
