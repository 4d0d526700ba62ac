"""When a worker has to go: signals, and the end of its supervisor."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from types import FrameType

DRAIN_S = 10.0
"""How long the stage in hand may go on."""


class Stop:
    """SIGTERM, SIGINT, or the end of the supervisor: finish the stage in hand, then go."""

    def __init__(self, life_fd: int | None = None) -> None:
        self.asked_at: float | None = None
        self.life_fd = life_fd
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def on_signals(self) -> None:
        """Listen to SIGTERM and SIGINT; `select` on the watched descriptors returns at once."""
        signal.set_wakeup_fd(self._write.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def watched(self) -> list[int]:
        """Descriptors that become readable when it is time to go."""
        return [self._read.fileno(), *([self.life_fd] if self.life_fd is not None else [])]

    def ask(self) -> None:
        """Stop after the stage in hand."""
        self.asked_at = self.asked_at or time.monotonic()

    def check(self, readable: list[int]) -> bool:
        """Whether to stop, after a look at what became readable."""
        if self._read.fileno() in readable:
            with contextlib.suppress(BlockingIOError):
                self._read.recv(64)
        if self.life_fd in readable:
            self.ask()
            self.life_fd = None
        return self.asked_at is not None

    @property
    def overdue(self) -> bool:
        """Whether the stage in hand has used up the time to drain."""
        return self.asked_at is not None and time.monotonic() - self.asked_at > DRAIN_S

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()
