"""Telling workers that there is work: a datagram to each one's local socket, after the commit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
import tempfile
from pathlib import Path
from typing import Protocol

WAKE, RECHECK = b"w", b"r"


class Wakeups(Protocol):
    """The way to reach workers. A lost message costs a second, never a job."""

    def wake(self, queue: str) -> None:
        """There may be work in a queue."""

    def wake_all(self) -> None:
        """There may be work anywhere."""

    def recheck(self, worker_id: str) -> None:
        """A worker's stage may not be wanted any more."""


class LocalWakeups:
    """Datagrams to Unix sockets `<queue>-<worker id>` in a private folder of this data folder."""

    def __init__(self, data_dir: Path) -> None:
        # A socket's path may have 107 bytes only, so the folder cannot lie in a deep data folder.
        name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
        self.folder = Path(tempfile.gettempdir()) / f"orfeas-{os.getuid()}-{name}"

    def wake(self, queue: str) -> None:
        """Send to every worker of a queue."""
        self._send(f"{queue}-", WAKE)

    def wake_all(self) -> None:
        """Send to every worker."""
        self._send("", WAKE)

    def recheck(self, worker_id: str) -> None:
        """Send to one worker."""
        self._send(worker_id, RECHECK)

    def _send(self, part: str, message: bytes) -> None:
        # The rows are written: whatever keeps a message back, the workers look by themselves.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outbox:
            outbox.setblocking(False)
            for name in os.listdir(self.folder):
                if part in name:
                    _send_to(outbox, self.folder / name, message)


def _send_to(outbox: socket.socket, path: Path, message: bytes) -> None:
    try:
        outbox.sendto(message, str(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except OSError:
        pass


class Inbox:
    """A worker's own socket."""

    def __init__(self, wakeups: LocalWakeups, queue: str, worker_id: str) -> None:
        wakeups.folder.mkdir(mode=0o700, exist_ok=True)
        if wakeups.folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{wakeups.folder} belongs to somebody else")
        self._path = wakeups.folder / f"{queue}-{worker_id}"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def drain(self) -> set[bytes]:
        """All messages that have come."""
        found: set[bytes] = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                found.add(self._socket.recv(16))
        return found

    def wait(self, timeout_s: float) -> set[bytes]:
        """Sleep until a message comes, at most so long."""
        select.select([self._socket], [], [], timeout_s)
        return self.drain()

    def close(self) -> None:
        """Take the socket away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
