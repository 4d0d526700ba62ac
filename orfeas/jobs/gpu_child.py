"""The process that owns a device: it loads torch, runs one loop around the device, and never opens the database.

A fresh interpreter, never forked after torch was loaded. Only the standard library here: the parent imports this too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orfeas.errors import OrfeasError
from orfeas.jobs.child import CRASHES, die_with_parent, traceback_of
from orfeas.stages.device import DeviceSettings, Event, InputGone, Order, Outcome, Progress
from orfeas.stages.task import Done, Task

DEVICE_MODULE = "orfeas.gpu.device"
REPORT_EVERY_S = 1.0
IDLE_S = 0.25
STOP_S = 2.0
BROKEN = 70
"""The exit status of a child whose device cannot go on."""


@dataclass(frozen=True, slots=True)
class GpuSettings:
    """What the child needs to know. `module` has the class `Device`."""

    data_dir: Path
    reserve_bytes: int
    device: DeviceSettings
    module: str = DEVICE_MODULE


class GpuChild:
    """The device's process as its parent sees it. Messages are tuples whose first member is a word.

    To it: ("run", ticket, task, order), ("cancel", ticket), ("stop",). From it: ("ready", report),
    ("progress", ticket, fraction, step, steps), ("report", report), ("ended", ticket, kind, body) with the kinds
    done, error, cancelled and gone, and ("broken", sentence, traceback) before it ends by itself.
    """

    def __init__(self, settings: GpuSettings) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        life, self._life = multiprocessing.Pipe(duplex=False)
        descriptors = (theirs.fileno(), life.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orfeas", "_gpu_child", *(str(number) for number in descriptors)],
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
            # Threads that wait must not spin: on a processor as a device the other workers compute beside it.
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
        )
        theirs.close()
        life.close()
        self.started_at = time.monotonic()
        self.send(settings)

    def send(self, message: Any) -> bool:
        """False when the child is gone."""
        try:
            self.connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def memory_bytes(self) -> int:
        """Resident memory, 0 when the child is gone."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def crashed(self) -> bool:
        """Whether it died of a signal of its own making, such as a segmentation fault."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        code = self.process.returncode
        return code is not None and code < 0 and -code in CRASHES

    def stop(self) -> None:
        """Let it end by itself, which takes a moment, and keeps what it has measured."""
        if self.send(("stop",)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)

    def kill(self) -> None:
        """End it now."""
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5.0)
        self.connection.close()
        self._life.close()


def child_main(pipe: int, life: int) -> int:
    """Serve the parent at the other end of `pipe` until it closes; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, args=(Connection(life, writable=False),), daemon=True).start()
    connection = Connection(pipe)
    try:
        loop = _Loop(connection, connection.recv())
        loop.run()
        loop.close()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 0
    except Exception as error:  # noqa: BLE001 - whatever it is, the device is not to be trusted any more
        with contextlib.suppress(OSError):
            connection.send(("broken", f"{type(error).__name__}: {error}", traceback_of(error)))
        return BROKEN
    return 0


class _Loop:
    """One device and the pipe to the parent."""

    def __init__(self, connection: Connection, settings: GpuSettings) -> None:
        if settings.device.device == "cpu":
            with contextlib.suppress(OSError):
                os.nice(10)
        from orfeas.storage.blobs import FolderStorage  # noqa: PLC0415 - as little as possible in the parent

        blobs = FolderStorage(settings.data_dir, settings.reserve_bytes)
        self._connection = connection
        self._device: Any = importlib.import_module(settings.module).Device(settings.device, blobs)
        # What the libraries brought stays: no collection has to walk over it again.
        gc.collect()
        gc.freeze()
        self._commands: set[int] = set()
        self._reported_at = time.monotonic()

    def run(self) -> None:
        """Work until told to stop."""
        self._connection.send(("ready", self._report()))
        while self._listen():
            for event in self._device.step():
                self._tell(event)
            if time.monotonic() - self._reported_at >= REPORT_EVERY_S:
                self._send_report()

    def close(self) -> None:
        """End what the device has beside this process."""
        self._device.close()

    def _listen(self) -> bool:
        """Take all messages; waits for one while there is nothing to do. False when it is time to stop."""
        while self._connection.poll(IDLE_S if self._device.idle else 0):
            message = self._connection.recv()
            if message[0] == "stop":
                return False
            if message[0] == "cancel":
                self._device.cancel(message[1])
            else:
                self._submit(*message[1:])
        return True

    def _submit(self, ticket: int, task: Task, order: Order) -> None:
        if task.name.startswith("model."):
            self._commands.add(ticket)
        self._device.submit(ticket, task, order)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._connection.send(("progress", event.stage_id, event.fraction, event.step, event.steps))
            return
        if event.stage_id in self._commands:
            # Who waited for the command looks at the report next.
            self._commands.discard(event.stage_id)
            self._send_report()
        self._connection.send(("ended", event.stage_id, *_spelled(event.outcome)))

    def _send_report(self) -> None:
        self._reported_at = time.monotonic()
        self._connection.send(("report", self._report()))

    def _report(self) -> dict[str, Any]:
        return asdict(self._device.report())


def _spelled(outcome: Outcome) -> tuple[str, Any]:
    if isinstance(outcome, Done):
        return "done", outcome
    if isinstance(outcome, InputGone):
        return "gone", None
    if isinstance(outcome, OrfeasError):
        return "error", outcome
    return "cancelled", None
