"""Starts child processes, starts them again when they die, and ends them together."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

log = logging.getLogger(__name__)

STABLE_S = 10.0
"""A child that lived this long is started again without delay."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
START_ATTEMPTS = 3
"""How often a child that reports its readiness may die before it was ready for the first time."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs: the command `orfeas` with `arguments`.

    A worker is told its id; a program that `reports_ready` is told a descriptor to write one byte to.
    """

    name: str
    arguments: tuple[str, ...]
    worker: bool = False
    reports_ready: bool = False
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """One program and its current process."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    id: str = ""
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0
    was_ready: bool = False
    ready_fd: int | None = None


class Supervisor:
    """Keeps programs running until SIGTERM or SIGINT, then drains them.

    Parameters
    ----------
    programs
        One entry for each process.
    inherited
        Descriptors that every child keeps open, such as the listening socket.
    on_ready
        Called once, when the first program that reports it is ready.
    on_death
        Called with the id of a worker whose process has gone, before the next one starts.
    on_drain
        Called when the end begins, before the children are told.
    drain_s
        Seconds that children have for ending; then they are killed.
    command
        What runs a program's arguments.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        inherited: Sequence[int] = (),
        on_ready: Callable[[], None] = lambda: None,
        on_death: Callable[[str], None] = lambda worker_id: None,
        on_drain: Callable[[], None] = lambda: None,
        drain_s: float = 12.0,
        command: Sequence[str] = (sys.executable, "-P", "-m", "orfeas"),
    ) -> None:
        self._children = [Child(program) for program in programs]
        self._inherited = tuple(inherited)
        self._on_ready, self._on_death, self._on_drain = on_ready, on_death, on_drain
        self._drain_s = drain_s
        self._command = tuple(command)
        self._signals: list[int] = []
        # Only this process has the write end: children see the end of the file when it dies, however it dies.
        self._life_read, self._life_write = os.pipe()
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self) -> int:
        """Work until a signal ends it; the exit status of the command."""
        with self._signal_handlers():
            status = 0
            while not self._signals and status == 0:
                self._start_due()
                self._wait(self._next_due())
                status = self._reap()
            return self._drain() or status

    @contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        self._wake_write.setblocking(False)
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup = signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            for descriptor in (self._life_read, self._life_write):
                os.close(descriptor)
            self._wake_read.close()
            self._wake_write.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and child.restart_at <= now:
                self._spawn(child)

    def _spawn(self, child: Child) -> None:
        child.id = str(uuid.uuid4())
        command = [*self._command, *child.program.arguments, "--life-fd", str(self._life_read)]
        if child.program.worker:
            command += ["--id", child.id]
        inherited = [self._life_read, *self._inherited]
        ready_write = None
        if child.program.reports_ready:
            child.ready_fd, ready_write = os.pipe()
            command += ["--ready-fd", str(ready_write)]
            inherited.append(ready_write)
        child.started_at = time.monotonic()
        child.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=inherited,
            env={**os.environ, **child.program.environ},
            # A group of its own: Ctrl-C reaches the supervisor alone, which drains, and orphans can be found.
            process_group=0,
        )
        if ready_write is not None:
            os.close(ready_write)

    def _next_due(self) -> float:
        waiting = [child.restart_at for child in self._children if child.process is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else 60.0

    def _wait(self, timeout_s: float) -> None:
        pending = {child.ready_fd: child for child in self._children if child.ready_fd is not None}
        wake = self._wake_read.fileno()
        readable, _, _ = select.select([wake, *pending], [], [], timeout_s)
        for source in readable:
            if source == wake:
                self._wake_read.recv(4096)
            else:
                self._heard_from(pending[source])

    def _heard_from(self, child: Child) -> None:
        assert child.ready_fd is not None
        ready = os.read(child.ready_fd, 1) != b""
        os.close(child.ready_fd)
        child.ready_fd = None
        if ready:
            first = not any(other.was_ready for other in self._children)
            child.was_ready = True
            if first:
                self._on_ready()

    def _reap(self) -> int:
        """Look after every child that has ended; not 0 when there is no use in going on."""
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            self._buried(child)
            if child.program.reports_ready and not child.was_ready and child.failures >= START_ATTEMPTS:
                log.error("%s ended %d times before it was ready; giving up", child.program.name, child.failures)
                return 1
        return 0

    def _buried(self, child: Child) -> None:
        assert child.process is not None
        process, child.process = child.process, None
        _kill_group(process.pid)
        if child.ready_fd is not None:
            os.close(child.ready_fd)
            child.ready_fd = None
        if child.program.worker:
            self._on_death(child.id)
        lived_s = time.monotonic() - child.started_at
        child.failures = 1 if lived_s >= STABLE_S else child.failures + 1
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (child.failures - 1))
        child.restart_at = time.monotonic() + delay_s
        if not self._signals:
            log.warning(
                "%s ended with status %s after %.1f s; it starts again in %.1f s",
                child.program.name, process.returncode, lived_s, delay_s,
            )  # fmt: skip

    def _drain(self) -> int:
        """Tell all children to end; kill what is left after `drain_s` or at a second signal."""
        asked = len(self._signals)
        self._on_drain()
        self._tell(signal.SIGTERM)
        deadline = time.monotonic() + self._drain_s
        while self._alive() and len(self._signals) <= max(asked, 1) and time.monotonic() < deadline:
            self._wait(max(0.0, deadline - time.monotonic()))
            self._reap()
        if not self._alive():
            return 0
        self._tell(signal.SIGKILL)
        for child in self._alive():
            assert child.process is not None
            child.process.wait()
            self._buried(child)
        return 1

    def _alive(self) -> list[Child]:
        return [child for child in self._children if child.process is not None]

    def _tell(self, number: signal.Signals) -> None:
        for child in self._alive():
            assert child.process is not None
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(number)


def _kill_group(leader: int) -> None:
    """End what a dead process left behind, such as its compute child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
