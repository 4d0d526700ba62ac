"""The compute child: one long-lived process that runs stages and never opens the database.

It is forked from a server that has the heavy libraries loaded, so a new one is ready in milliseconds.
Only standard library here: the worker's parent imports this module too.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orfeas.errors import InternalError, OrfeasError, StageMemoryError

if TYPE_CHECKING:
    from orfeas.config import Config
    from orfeas.stages.task import Task

REPORT_EVERY_S = 0.25
REPORT_STEP = 0.01
STAGES = ("orfeas.stages.all",)
IO_STAGES = ("orfeas.stages.llm", "orfeas.stages.models", "orfeas.services.agents.steps")
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})
TOO_MUCH_MEMORY = "The stage needed more than {limit_mb} MB. Try a lower quality or a smaller input."


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What a child needs to know. `memory_bytes` bounds its address space; `config` holds no secrets."""

    data_dir: Path
    reserve_bytes: int
    memory_bytes: int
    modules: tuple[str, ...] = STAGES
    hand_over: bool = True
    config: Config | None = None


class CancelledError(BaseException):
    """The parent asked to stop. Not an Exception, so that no stage swallows it."""


class Child:
    """A compute child as its parent sees it."""

    def __init__(self, settings: ChildSettings) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*settings.modules, "orfeas.stages.runner"])
        self.connection, theirs = context.Pipe()
        life, self._life = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=child_main, args=(theirs, life, settings), daemon=True)
        self.process.start()
        theirs.close()
        life.close()

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
        return pages * resource.getpagesize()

    def crashed(self) -> bool:
        """Whether it died of a signal of its own making, such as a segmentation fault."""
        self.process.join(timeout=1.0)
        code = self.process.exitcode
        return code is not None and code < 0 and -code in CRASHES

    def kill(self) -> None:
        """End it now."""
        self.process.kill()
        self.process.join(timeout=5.0)
        self.connection.close()
        self._life.close()


def child_main(connection: Connection, life: Connection, settings: ChildSettings) -> None:
    """Run the tasks that come through the pipe until it closes."""
    _settle(settings, life)
    import importlib  # noqa: PLC0415 - as little as possible before the fork

    from orfeas.stages.runner import Runner  # noqa: PLC0415 - loads numpy, which the parent must not
    from orfeas.storage.blobs import FolderStorage  # noqa: PLC0415

    for module in settings.modules:
        importlib.import_module(module)
    blobs = FolderStorage(settings.data_dir, settings.reserve_bytes)
    runner = Runner(blobs, hand_over=settings.hand_over, config=settings.config)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            message = connection.recv()
            if message != "cancel":
                connection.send(_answer(runner, message, connection, settings))


def _settle(settings: ChildSettings, life: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.nice(10)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=die_with_parent, args=(life,), daemon=True).start()


def die_with_parent(life: Connection) -> None:
    """End this process when the parent has closed its end of a pipe."""
    with contextlib.suppress(EOFError, OSError):
        life.recv_bytes()
    os._exit(0)


def _answer(runner: Any, task: Task, connection: Connection, settings: ChildSettings) -> tuple[str, Any]:
    from orfeas.stages.task import InputGoneError  # noqa: PLC0415 - as above

    try:
        return "done", runner.run(task, _Reporter(connection))
    except CancelledError:
        return "cancelled", None
    except InputGoneError:
        return "gone", None
    except MemoryError:
        limit_mb = settings.memory_bytes // 2**20
        return "error", StageMemoryError(TOO_MUCH_MEMORY.format(limit_mb=limit_mb), limit=limit_mb)
    except OrfeasError as error:
        return "error", error
    except Exception as error:  # noqa: BLE001 - whatever a library raises ends this job only
        return "unexpected", (InternalError(f"The stage {task.name} failed unexpectedly."), traceback_of(error))


def traceback_of(error: BaseException) -> str:
    """The text that is logged of an error."""
    import traceback  # noqa: PLC0415

    return "".join(traceback.format_exception(error))


class _Reporter:
    """Sends progress now and then; raises when the parent asked to stop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sent_at = time.monotonic()
        self._sent = 0.0

    def __call__(self, fraction: float) -> None:
        if self._connection.poll() and self._connection.recv() == "cancel":
            raise CancelledError
        now = time.monotonic()
        if now - self._sent_at >= REPORT_EVERY_S and fraction - self._sent >= REPORT_STEP:
            self._sent_at, self._sent = now, fraction
            self._connection.send(("progress", min(1.0, fraction)))
