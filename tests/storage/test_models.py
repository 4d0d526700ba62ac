"""Models on disk and in rows: staged files appear at once or not at all, hashes hold while a file stays as it is."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from orfeas.storage import model_rows
from orfeas.storage.database import Database, migrate
from orfeas.storage.model_folder import FoundFile, ModelFolder
from orfeas.storage.model_rows import Acknowledgement, Install

PLACE = "owner/repo/model"


def staged(folder: ModelFolder, **files: bytes) -> None:
    folder.staging(PLACE).mkdir(parents=True)
    for name, data in files.items():
        (folder.staging(PLACE) / name.replace("_", ".")).write_bytes(data)


def test_rows_of_models_are_kept_by_place_and_replaced(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    migrate(database, tmp_path)
    file, later = FoundFile("config.yaml", 10, 1_800_000_000_123_456_789), FoundFile("config.yaml", 10, 2)
    with database.transaction() as connection:
        for by in ("Ada", "Bob"):
            given = Acknowledgement("Terms 1", by, "Games", 5.0)
            model_rows.record_acknowledgement(connection, "default", PLACE, given)
        model_rows.record_hashes(connection, PLACE, [(file, "a" * 64)], 1.0)
        model_rows.record_hashes(connection, PLACE, [(file, "b" * 64)], 2.0)
        model_rows.record_install(connection, PLACE, Install("owner/repo", "c" * 40, {"config.yaml": "b" * 64}), 3.0)
    with database.read() as connection:
        found = model_rows.known(connection, "default")[PLACE]
        elsewhere = model_rows.known(connection, "another")[PLACE]
    assert (found.sha256(file), found.sha256(later)) == ("b" * 64, None)
    assert found.install == Install("owner/repo", "c" * 40, {"config.yaml": "b" * 64})
    assert found.acknowledgement == Acknowledgement("Terms 1", "Bob", "Games", 5.0)
    assert elsewhere.acknowledgement is None
    with database.transaction() as connection:
        model_rows.forget_install(connection, PLACE)
    with database.read() as connection:
        assert model_rows.known(connection, "default")[PLACE].install is None
    database.dispose()


def test_what_is_staged_is_no_model_until_it_is_installed(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    staged(folder, config_yaml=b"one", model_ckpt=b"weights")
    assert folder.discover() == {}
    folder.install(PLACE)
    assert [file.path for file in folder.discover()[PLACE].files] == ["config.yaml", "model.ckpt"]
    staged(folder, config_yaml=b"another")
    folder.install(PLACE)
    assert [(file.path, file.size_bytes) for file in folder.discover()[PLACE].files] == [("config.yaml", 7)]
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_only_one_changes_a_model_at_a_time(tmp_path: Path) -> None:
    folder, other = ModelFolder(tmp_path), ModelFolder(tmp_path)
    waited = threading.Event()
    entered: list[float] = []

    def second() -> None:
        with other.locked(PLACE, waited.set):
            entered.append(time.monotonic())

    with folder.locked(PLACE, waited.set):
        assert other.is_locked(PLACE)
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5.0)
        left = time.monotonic()
    thread.join()
    assert entered[0] >= left
    assert not folder.is_locked(PLACE)


@pytest.mark.parametrize("place", ["", "model", "a/../b", "/etc/x", "a/b/c/d", ".incoming/a", "a/.b", "a//b", "a\n/b"])
def test_a_place_never_leaves_the_folder(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="sub-folder"):
        ModelFolder(tmp_path).path(place)
