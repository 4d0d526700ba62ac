"""Content-addressed files: written to a temporary name, then renamed (design, section 4)."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from orfeas.errors import AssetGoneError, DiskFullError


class Storage(Protocol):
    """Where blobs live: a local folder now, an object store later."""

    def put(self, data: bytes | memoryview, *, durable: bool = False) -> str:
        """Store bytes and return their SHA-256 in hexadecimal; `DiskFullError` below the reserve."""

    def open(self, sha256: str) -> BinaryIO:
        """The bytes as a stream; `AssetGoneError` when they are not there."""

    def read(self, sha256: str) -> bytes:
        """All bytes; `AssetGoneError` when they are not there."""

    def size(self, sha256: str) -> int | None:
        """Size in bytes, None when absent."""

    def exists(self, sha256: str, size: int | None = None) -> bool:
        """Whether the blob is there, of that size if one is given."""

    def delete(self, sha256: str) -> int:
        """Remove a blob; the bytes that were freed."""

    def check_space(self, needed: int = 0) -> None:
        """Raise `DiskFullError` when storing `needed` bytes would go below the reserve."""


class FolderStorage:
    """Blobs as files `<root>/blobs/ab/abcdef...`.

    Parameters
    ----------
    root
        The data folder; made when it is missing.
    reserve_bytes
        Free disk that is kept, so that the database can always write.
    """

    def __init__(self, root: Path, reserve_bytes: int = 0) -> None:
        self._blobs = root / "blobs"
        self._incoming = root / "incoming"
        self._reserve_bytes = reserve_bytes
        for folder in (self._blobs, self._incoming):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: str) -> Path:
        """Where the blob is or would be."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("a blob is named by 64 lower case hexadecimal digits")
        return self._blobs / sha256[:2] / sha256

    def put(self, data: bytes | memoryview, *, durable: bool = False) -> str:
        """Store bytes; one that is there already is touched, so that a sweep spares it."""
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(sha256)
        if self.exists(sha256, len(data)):
            with contextlib.suppress(FileNotFoundError):
                os.utime(target)
                return sha256
        self.check_space(len(data))
        try:
            self._write(target, data, durable=durable)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(DISK_FULL) from error
            raise
        return sha256

    def _write(self, target: Path, data: bytes | memoryview, *, durable: bool) -> None:
        target.parent.mkdir(exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def open(self, sha256: str) -> BinaryIO:
        """The bytes as a stream."""
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError as error:
            raise AssetGoneError("The file was removed; make it again.") from error

    def read(self, sha256: str) -> bytes:
        """All bytes."""
        with self.open(sha256) as stream:
            return stream.read()

    def size(self, sha256: str) -> int | None:
        """Size in bytes."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def exists(self, sha256: str, size: int | None = None) -> bool:
        """Whether the blob is there and whole."""
        found = self.size(sha256)
        return found is not None and (size is None or found == size)

    def delete(self, sha256: str) -> int:
        """Remove a blob."""
        freed = self.size(sha256) or 0
        self.path(sha256).unlink(missing_ok=True)
        return freed

    def delete_untouched(self, sha256: str, before: float) -> int:
        """Remove a blob last touched before a time (seconds since the epoch); the bytes that were freed.

        It is set aside first: a writer that touched it until then has left a fresh time on it, and it
        goes back; one that comes later does not find it and writes it anew.
        """
        aside = self._incoming / f"swept-{sha256}"
        try:
            os.replace(self.path(sha256), aside)
        except FileNotFoundError:
            return 0
        found = aside.stat()
        if found.st_mtime >= before:
            os.replace(aside, self.path(sha256))
            return 0
        aside.unlink(missing_ok=True)
        return found.st_size

    def check_space(self, needed: int = 0) -> None:
        """Refuse work before the disk is full."""
        if self.free_bytes() - needed < self._reserve_bytes:
            raise DiskFullError(DISK_FULL, limit=self._reserve_bytes)

    def free_bytes(self) -> int:
        """Free disk in bytes."""
        return shutil.disk_usage(self._blobs).free

    def walk(self) -> Iterator[tuple[str, int, float]]:
        """Every blob: hash, size in bytes, time of last touch."""
        for folder in os.scandir(self._blobs):
            for entry in os.scandir(folder.path):
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat()
                    yield entry.name, found.st_size, found.st_mtime

    def clear_incoming(self, older_than_s: float = 3600.0) -> None:
        """Remove what interrupted writers left."""
        for entry in os.scandir(self._incoming):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < time.time() - older_than_s:
                    os.unlink(entry.path)


DISK_FULL = "The disk is nearly full: free some space, or lower ORFEAS_DISK_RESERVE_MB, and try again."
