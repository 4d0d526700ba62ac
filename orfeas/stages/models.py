"""Models: bring their files and check them. These stages work on the folder of models and write its rows."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orfeas.config import MEGABYTE, Config
from orfeas.domain.models import CONFIG, RELEASES, WEIGHTS, is_hub_id
from orfeas.domain.specs import ModelPull, ModelVerify
from orfeas.errors import (
    CapabilityMissingError,
    ChecksumMismatchError,
    DiskFullError,
    InvalidRequestError,
    ModelUnavailableError,
    UpstreamFailedError,
)
from orfeas.stages.pulse import Pulse
from orfeas.stages.registry import Progress, Result, implements
from orfeas.storage import model_rows
from orfeas.storage.blobs import DISK_FULL
from orfeas.storage.database import Database
from orfeas.storage.model_folder import CHUNK_BYTES, FoundFile, ModelFolder, hash_file, look, model_source
from orfeas.storage.model_rows import Install

FULL = (errno.ENOSPC, errno.EDQUOT)
UNHASHED = "No hash of {names} was published with the files: they were hashed, and compared with nothing."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to bring: its size, and the hash it must have, where one is known (`blob_id` is git's)."""

    path: str
    size_bytes: int
    sha256: str | None
    blob_id: str | None = None


class Origin(Protocol):
    """Where the files of a model come from."""

    revision: str | None

    def files(self) -> dict[str, Wanted]:
        """All files that there are, by name."""

    def fetch(self, file: Wanted, target: Path, on_bytes: Callable[[int], None]) -> None:
        """Bring a file; what is at `target` already may be built on."""


@implements(ModelPull)
def pull(spec: ModelPull, on_progress: Progress, config: Config) -> Result:
    """Bring a model's files, check them, and let them take its place at once."""
    folder = ModelFolder(config.model_dir)
    with Pulse(on_progress) as pulse, folder.locked(spec.place, pulse.check), _disk():
        origin = _origin(spec, config)
        wanted = _chosen(spec.place, origin.files())
        brought = _Bringing(folder, spec.place, origin, wanted, pulse).all(config.disk_reserve_mb * MEGABYTE)
        files = [(look(folder.path(spec.place) / path), sha256) for path, sha256 in brought.items()]
        with _database(config) as database, database.transaction() as connection:
            now = time.time()
            model_rows.record_hashes(connection, spec.place, files, now)
            model_rows.record_install(connection, spec.place, Install(spec.source, origin.revision, brought), now)
    return Result(None, {"revision": origin.revision, "files": _listed(files)})


@implements(ModelVerify)
def verify(spec: ModelVerify, on_progress: Progress, config: Config) -> Result:
    """Hash every file and compare it with what was published or promised."""
    folder = ModelFolder(config.model_dir)
    with Pulse(on_progress) as pulse, folder.locked(spec.place, pulse.check), _database(config) as database:
        found = folder.find(spec.place)
        if found is None:
            raise ModelUnavailableError(f"{spec.place} is not installed; pull it first.")
        pulse.expect(sum(file.size_bytes for file in found.files))
        hashed = [_hashed(folder.path(spec.place) / file.path, pulse) for file in found.files]
        with database.transaction() as connection:
            promised = model_rows.known(connection, "")[spec.place].install
            model_rows.record_hashes(connection, spec.place, hashed, time.time())
    unhashed = _compare(spec.place, hashed, dict(promised.files) if promised else {})
    report: dict[str, object] = {"files": _listed(hashed)}
    return Result(None, {**report, "warnings": [UNHASHED.format(names=", ".join(unhashed))]} if unhashed else report)


# pull


def _origin(spec: ModelPull, config: Config) -> Origin:
    if not is_hub_id(spec.source):
        return FolderOrigin(Path(spec.source), spec.place)
    if config.offline:
        raise CapabilityMissingError("ORFEAS_OFFLINE=1 forbids downloads; give a local folder as source, or unset it.")
    if importlib.util.find_spec("huggingface_hub") is None:
        raise CapabilityMissingError("huggingface_hub is not installed: 'make install-ml' brings it.")
    return HubOrigin(spec.source, spec.place.rpartition("/")[2])


class HubOrigin:
    """A repository of the hub, as it is when the pull begins."""

    def __init__(self, repo: str, subfolder: str) -> None:
        from orfeas.stages import hub  # noqa: PLC0415 - an idle io worker does without

        self._hub = hub
        self._listing = hub.list_folder(repo, subfolder)
        self.revision: str | None = self._listing.commit

    def files(self) -> dict[str, Wanted]:
        """As the hub lists them."""
        return {
            file.path: Wanted(file.path, file.size_bytes, file.sha256, file.blob_id)
            for file in self._listing.files.values()
        }

    def fetch(self, file: Wanted, target: Path, on_bytes: Callable[[int], None]) -> None:
        """Download; a file that was begun goes on."""
        try:
            self._hub.download(self._listing, self._listing.files[file.path], target, on_bytes)
        except OSError as error:
            if error.errno in FULL:
                raise
            raise UpstreamFailedError(f"The download of {file.path} broke off; pull again, it goes on.") from error


class FolderOrigin:
    """A folder of this machine."""

    def __init__(self, source: Path, place: str) -> None:
        folder = model_source(source, place)
        if folder is None:
            raise InvalidRequestError("The folder that was given as source has no such model; name one that has.")
        self._folder = folder
        self.revision: str | None = None

    def files(self) -> dict[str, Wanted]:
        """The files that belong to a model."""
        paths = [self._folder / name for name in (CONFIG, *WEIGHTS)]
        return {path.name: Wanted(path.name, path.stat().st_size, None) for path in paths if path.is_file()}

    def fetch(self, file: Wanted, target: Path, on_bytes: Callable[[int], None]) -> None:
        """Copy, from the start."""
        with (self._folder / file.path).open("rb") as source, target.open("wb") as stream:
            while chunk := source.read(CHUNK_BYTES):
                stream.write(chunk)
                on_bytes(len(chunk))


def _chosen(place: str, there: dict[str, Wanted]) -> list[Wanted]:
    """The configuration and one file of weights: the one of the catalogue, else the best that there is."""
    release = RELEASES.get(place)
    known = {file.path: file for file in release.files} if release else {}
    weights = next((name for name in (*known, *WEIGHTS) if name in WEIGHTS and name in there), None)
    if CONFIG not in there or weights is None:
        raise ModelUnavailableError(f"The source has no {CONFIG} or none of {', '.join(WEIGHTS)} for {place}.")
    chosen = []
    for file in (there[CONFIG], there[weights]):
        published = known.get(file.path)
        if published and published.size_bytes not in (None, file.size_bytes):
            raise _mismatch(f"has {file.size_bytes} bytes instead of {published.size_bytes}", file.path)
        if published and published.sha256 and file.sha256 not in (None, published.sha256):
            raise _mismatch("has another hash than the published one", file.path)
        expected = published.sha256 if published else None
        chosen.append(Wanted(file.path, file.size_bytes, file.sha256 or expected, file.blob_id))
    return chosen


class _Bringing:
    """Gathers files beside the model's place and puts them there."""

    def __init__(self, folder: ModelFolder, place: str, origin: Origin, wanted: list[Wanted], pulse: Pulse) -> None:
        self._folder, self._place, self._origin = folder, place, origin
        self._wanted, self._pulse = wanted, pulse
        self._staged, self._target = folder.staging(place), folder.path(place)

    def all(self, reserve_bytes: int) -> dict[str, str]:
        """Bring every file that is not there yet; the hash of each."""
        total = sum(file.size_bytes for file in self._wanted)
        self._pulse.expect(2 * total)
        there = self._kept(self._target)
        if set(there) == {file.path for file in self._wanted}:
            self._folder.discard_staged(self._place)
            return there
        self._staged.mkdir(parents=True, exist_ok=True)
        staged = self._kept(self._staged)
        missing = [file for file in self._wanted if file.path not in {**there, **staged}]
        self._check_space(missing, reserve_bytes)
        brought = {file.path: self._bring(file) for file in missing}
        for path in set(there) - set(staged):
            os.link(self._target / path, self._staged / path)
        self._tidy()
        self._folder.install(self._place)
        hashes = {**there, **staged, **brought}
        return {file.path: hashes[file.path] for file in self._wanted}

    def _kept(self, folder: Path) -> dict[str, str]:
        """Files of a folder that are what is wanted already, by hash."""
        found = {}
        for file in self._wanted:
            path = folder / file.path
            checkable = file.sha256 or file.blob_id
            if checkable and path.is_file() and path.stat().st_size == file.size_bytes:
                sha256 = self._digest(path)
                if self._is_wanted(file, path, sha256):
                    found[file.path] = sha256
        return found

    def _bring(self, file: Wanted) -> str:
        part = self._staged / f".{file.path}.{(file.sha256 or file.blob_id or 'copy')[:16]}.part"
        self._origin.fetch(file, part, self._pulse.advance)
        sha256 = self._digest(part)
        if part.stat().st_size != file.size_bytes or not self._is_wanted(file, part, sha256):
            self._folder.discard_staged(self._place)
            raise _mismatch("is not what was published", file.path)
        os.replace(part, self._staged / file.path)
        return sha256

    def _digest(self, path: Path) -> str:
        return hash_file(path, self._pulse.advance)

    @staticmethod
    def _is_wanted(file: Wanted, path: Path, sha256: str) -> bool:
        if file.sha256 is not None:
            return sha256 == file.sha256
        return file.blob_id is None or _git_blob_id(path) == file.blob_id

    def _check_space(self, missing: list[Wanted], reserve_bytes: int) -> None:
        begun = sum(path.stat().st_size for path in self._staged.glob(".*.part"))
        needed = sum(file.size_bytes for file in missing) - begun
        if needed > 0 and self._folder.free_bytes() - needed < reserve_bytes:
            free_mb, needed_mb = self._folder.free_bytes() // MEGABYTE, needed // MEGABYTE
            raise DiskFullError(
                f"{needed_mb} MB are to come, {free_mb} MB are free and {reserve_bytes // MEGABYTE} MB stay free: "
                "free some space, or set ORFEAS_MODEL_DIR to a larger disk.",
                limit=reserve_bytes,
            )

    def _tidy(self) -> None:
        """Leave nothing beside the files, such as what an earlier pull from elsewhere began."""
        names = {file.path for file in self._wanted}
        for path in self._staged.iterdir():
            if path.name not in names:
                path.unlink()


# common


def _hashed(path: Path, pulse: Pulse) -> tuple[FoundFile, str]:
    before = look(path)
    sha256 = hash_file(path, pulse.advance)
    if look(path) != before:
        raise UpstreamFailedError(f"{path.name} was written to while it was read; verify again when that is done.")
    return before, sha256


def _compare(place: str, hashed: list[tuple[FoundFile, str]], promised: dict[str, str]) -> list[str]:
    """Names of files that no hash is known for; raises for those that differ and those that are missing."""
    release = RELEASES.get(place)
    known = {**{file.path: file.sha256 for file in release.files if file.sha256}, **promised} if release else promised
    sizes = {file.path: file.size_bytes for file in release.files if file.size_bytes} if release else {}
    found = {file.path: sha256 for file, sha256 in hashed}
    wrong = [path for path, sha256 in promised.items() if found.get(path) != sha256]
    wrong += [path for path, sha256 in found.items() if known.get(path, sha256) != sha256 and path not in wrong]
    wrong += [
        file.path
        for file, _ in hashed
        if sizes.get(file.path, file.size_bytes) != file.size_bytes and file.path not in wrong
    ]
    if not wrong and not any(path in WEIGHTS for path in found):
        raise _mismatch("is missing", WEIGHTS[0])
    if wrong:
        raise _mismatch("is missing or not what was published", *wrong)
    return [path for path in found if path not in known]


def _mismatch(sentence: str, *paths: str) -> ChecksumMismatchError:
    return ChecksumMismatchError(f"{', '.join(paths)} {sentence}. Pull the model again.", files=[*paths])


def _git_blob_id(path: Path) -> str:
    """The name that git gives to a file's content (small files of the hub have no other hash)."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _listed(files: list[tuple[FoundFile, str]]) -> list[dict[str, object]]:
    return [{"path": file.path, "size_bytes": file.size_bytes, "sha256": sha256} for file, sha256 in files]


@contextmanager
def _database(config: Config) -> Iterator[Database]:
    database = Database(config.database_url)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(DISK_FULL) from error
        raise
