"""The folder of models: `<root>/<repo>/<sub-folder>/config.yaml` and weights, staged beside and renamed into place."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orfeas.domain.models import CONFIG, NAME

INCOMING = ".incoming"
CHUNK_BYTES = 4 << 20
LOCK_POLL_S = 0.2
MAX_CONFIG_BYTES = 1 << 16
"""The released configurations have about 2 kB."""

OnBytes = Callable[[int], None]
"""Told how many more bytes were read or written; raises to stop."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as the file system shows it; the time of its last change is in ns since the epoch."""

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A folder with a configuration."""

    place: str
    files: tuple[FoundFile, ...]


class ModelFolder:
    """Models on disk. A `place` is `<repo>/<sub-folder>`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, place: str) -> Path:
        """Where a model is or would be."""
        parts = place.split("/")
        if len(parts) not in (2, 3) or not all(NAME.fullmatch(part) for part in parts):
            raise ValueError("a model lies at <repo>/<sub-folder>")
        return self._root.joinpath(*parts)

    # looking

    def discover(self) -> dict[str, FoundModel]:
        """Every model by its place."""
        found = {}
        for folder in _folders(self._root):
            for below in _folders(folder):
                candidates = [below, *_folders(below)]
                found.update({_place(self._root, path): path for path in candidates if (path / CONFIG).is_file()})
        models = {place: self.find(place) for place in sorted(found)}
        return {place: model for place, model in models.items() if model is not None}

    def find(self, place: str) -> FoundModel | None:
        """One model, if it is there."""
        folder = self.path(place)
        files = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                if not entry.name.startswith(".") and entry.is_file():
                    shown = entry.stat()
                    files.append(FoundFile(entry.name, shown.st_size, shown.st_mtime_ns))
        if not any(file.path == CONFIG for file in files):
            return None
        return FoundModel(place, tuple(files))

    def config_text(self, place: str) -> bytes | None:
        """The bytes of a model's configuration; None where it cannot be read or is far too long."""
        try:
            with (self.path(place) / CONFIG).open("rb") as stream:
                data = stream.read(MAX_CONFIG_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_CONFIG_BYTES else None

    def is_locked(self, place: str) -> bool:
        """Whether somebody is bringing or reading this model's files just now."""
        try:
            with self._lock_path(place).open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def free_bytes(self) -> int:
        """Free disk where models are kept."""
        existing = next(path for path in (self._root, *self._root.parents) if path.exists())
        return shutil.disk_usage(existing).free

    # changing

    @contextmanager
    def locked(self, place: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Be the only one who changes a model, over all processes; `waiting` is called while it is somebody else."""
        path = self._lock_path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as handle:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                waiting()
                time.sleep(LOCK_POLL_S)
            yield

    def staging(self, place: str) -> Path:
        """Where a download gathers until it is complete; on the same disk, and never taken for a model."""
        return self._root / INCOMING / _flat(place)

    def install(self, place: str) -> None:
        """Let what was staged take a model's place: at no moment is half of it there."""
        staged, target = self.staging(place), self.path(place)
        for file in staged.iterdir():
            _flush(file)
        _flush(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        old = self._set_aside(place)
        os.rename(staged, target)
        _flush(target.parent)
        _discard(old)

    def remove(self, place: str) -> bool:
        """Remove a model with what was staged for it; whether there was anything."""
        staged = self.staging(place)
        old = self._set_aside(place)
        there = old is not None or staged.exists()
        _discard(old)
        shutil.rmtree(staged, ignore_errors=True)
        for parent in list(self.path(place).parents)[: place.count("/")]:
            with contextlib.suppress(OSError):
                parent.rmdir()
        return there

    def discard_staged(self, place: str) -> None:
        """Forget what was staged."""
        shutil.rmtree(self.staging(place), ignore_errors=True)

    def discard_unfinished(self, keep: Collection[str]) -> int:
        """Forget what was staged for all but the places to keep, and what was to be removed; the freed bytes."""
        freed = 0
        kept = {_flat(place) for place in keep}
        for folder in [path for path in (self._root / INCOMING).glob("*") if path.is_dir() and path.name not in kept]:
            place = folder.name.replace("+", "/")
            if folder.name.startswith("removed-") or not self.is_locked(place):
                freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                shutil.rmtree(folder, ignore_errors=True)
        return freed

    def _set_aside(self, place: str) -> Path | None:
        target = self.path(place)
        if not target.is_symlink() and not target.exists():
            return None
        aside = self._root / INCOMING / f"removed-{uuid.uuid4().hex}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.rename(target, aside)
        return aside

    def _lock_path(self, place: str) -> Path:
        return self._root / INCOMING / f"{_flat(place)}.lock"


def model_source(folder: Path, place: str) -> Path | None:
    """Where in a folder that was named as a source a model lies: at its place, in its sub-folder, or right in it."""
    if not folder.is_absolute():
        return None
    candidates = (folder / place, folder / place.rpartition("/")[2], folder)
    return next((path for path in candidates if (path / CONFIG).is_file()), None)


def hash_file(path: Path, on_bytes: OnBytes) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def look(path: Path) -> FoundFile:
    """A file as it is now."""
    shown = path.stat()
    return FoundFile(path.name, shown.st_size, shown.st_mtime_ns)


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if NAME.fullmatch(entry.name) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _place(root: Path, folder: Path) -> str:
    return folder.relative_to(root).as_posix()


def _flat(place: str) -> str:
    return place.replace("/", "+")  # which is in no name


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path | None) -> None:
    if path is not None and path.is_symlink():
        path.unlink()
    elif path is not None:
        shutil.rmtree(path, ignore_errors=True)
