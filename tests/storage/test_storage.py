"""Tables and blobs: migrations, locks, and files named by their content."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select

from orfeas.errors import AssetGoneError, DiskFullError
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
