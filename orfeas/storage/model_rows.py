"""What is known about models on disk: hashes by size and time, what a download promised, accepted terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, select

from orfeas.storage.model_folder import FoundFile
from orfeas.storage.tables import model_acknowledgements, model_files, model_installs


@dataclass(frozen=True, slots=True)
class Install:
    """What was brought to a place: `revision` is the hub's commit, `files` the hashes that were promised."""

    source: str
    revision: str | None
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who accepted which terms, what for and when (seconds since the epoch)."""

    licence: str
    by: str
    purpose: str
    at: float


@dataclass(frozen=True, slots=True)
class Known:
    """All rows of one place."""

    hashes: Mapping[tuple[str, int, int], str] = field(default_factory=dict)
    install: Install | None = None
    acknowledgement: Acknowledgement | None = None

    def sha256(self, file: FoundFile) -> str | None:
        """The hash of a file, if it was taken since the file last changed."""
        return self.hashes.get((file.path, file.size_bytes, file.mtime_ns))


def known(connection: Connection, tenant: str) -> defaultdict[str, Known]:
    """Everything that is known, by place."""
    hashes: defaultdict[str, dict[tuple[str, int, int], str]] = defaultdict(dict)
    for row in connection.execute(select(model_files)):
        hashes[row.place][row.path, row.size_bytes, row.mtime_ns] = row.sha256
    installs = {
        row.place: Install(row.source, row.revision, row.files) for row in connection.execute(select(model_installs))
    }
    accepted = {
        row.place: Acknowledgement(row.licence, row.by, row.purpose, row.acknowledged_at)
        for row in connection.execute(select(model_acknowledgements).where(model_acknowledgements.c.tenant == tenant))
    }
    return defaultdict(
        Known,
        {
            place: Known(hashes.get(place, {}), installs.get(place), accepted.get(place))
            for place in {*hashes, *installs, *accepted}
        },
    )


def record_hashes(connection: Connection, place: str, files: Iterable[tuple[FoundFile, str]], now: float) -> None:
    """Keep the hashes of a model's files in place of those that were known."""
    connection.execute(delete(model_files).where(model_files.c.place == place))
    rows = [
        {
            "place": place, "path": file.path, "size_bytes": file.size_bytes, "mtime_ns": file.mtime_ns,
            "sha256": sha256, "hashed_at": now,
        }
        for file, sha256 in files
    ]  # fmt: skip
    if rows:
        connection.execute(model_files.insert(), rows)


def record_install(connection: Connection, place: str, install: Install, now: float) -> None:
    """Keep what was brought to a place."""
    forget_install(connection, place)
    values: dict[str, Any] = {"source": install.source, "revision": install.revision, "files": dict(install.files)}
    connection.execute(model_installs.insert().values(place=place, installed_at=now, **values))


def forget_install(connection: Connection, place: str) -> None:
    """The model was removed."""
    connection.execute(delete(model_installs).where(model_installs.c.place == place))


def record_acknowledgement(connection: Connection, tenant: str, place: str, given: Acknowledgement) -> None:
    """Keep who accepted the terms of a model; the last one counts."""
    key = (model_acknowledgements.c.tenant == tenant, model_acknowledgements.c.place == place)
    connection.execute(delete(model_acknowledgements).where(*key))
    connection.execute(
        model_acknowledgements.insert().values(
            tenant=tenant, place=place, licence=given.licence, by=given.by, purpose=given.purpose,
            acknowledged_at=given.at,
        )
    )  # fmt: skip
