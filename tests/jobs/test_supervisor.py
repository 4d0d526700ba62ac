"""The supervisor with small real processes in place of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from orfeas.jobs.supervisor import Program, Supervisor

CHILD = """
import os, signal, sys, threading, time
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
kind, folder = sys.argv[1], os.environ["MARKS"]
open(os.path.join(folder, f"{kind}-{os.getpid()}-{options.get('--id')}"), "w").close()
if kind == "broken":
    sys.exit(3)
if kind == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if "--ready-fd" in options:
    os.write(int(options["--ready-fd"]), b"1")
threading.Thread(target=lambda: (os.read(int(options["--life-fd"]), 1), os._exit(7)), daemon=True).start()
time.sleep(60)
"""


class Children:
    """The processes that a supervisor has started, by the marks that they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "child.py"
        self.script.write_text(CHILD)

    def started(self, kind: str) -> list[tuple[int, str]]:
        """(pid, worker id) of each, in the order of their start."""
        marks = sorted(self.folder.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime_ns)
        return [(int(mark.name.split("-")[1]), mark.name.split("-", 2)[2]) for mark in marks]

    def supervisor(self, *programs: Program, **options: object) -> Supervisor:
        """A supervisor of such children."""
        return Supervisor(programs, command=(sys.executable, str(self.script)), **options)  # type: ignore[arg-type]


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Children:
    """A script and the folder of its marks."""
    monkeypatch.setenv("MARKS", str(tmp_path))
    return Children(tmp_path)


def meanwhile(action: Callable[[], None]) -> threading.Thread:
    """Run beside the supervisor, which needs the main thread for its signals."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_killed_worker_is_freed_and_replaced(children: Children) -> None:
    freed: list[str] = []

    def act() -> None:
        until(lambda: children.started("steady"))
        os.kill(children.started("steady")[0][0], signal.SIGKILL)
        until(lambda: len(children.started("steady")) == 2)
        os.kill(os.getpid(), signal.SIGTERM)

    beside = meanwhile(act)
    status = children.supervisor(Program("cpu-1", ("steady",), worker=True), on_death=freed.append).run()
    beside.join()
    first, second = children.started("steady")
    assert status == 0
    assert freed == [first[1], second[1]]
    assert first[1] != second[1]
    assert not psutil.pid_exists(second[0])


def test_readiness_is_announced_once(children: Children) -> None:
    announced: list[float] = []

    def ready() -> None:
        announced.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    programs = [Program("web", ("steady",), reports_ready=True), Program("cpu-1", ("steady",), worker=True)]
    assert children.supervisor(*programs, on_ready=ready).run() == 0
    assert len(announced) == 1


def test_a_web_process_that_never_gets_ready_ends_the_server(children: Children) -> None:
    assert children.supervisor(Program("web", ("broken",), reports_ready=True)).run() == 1
    assert len(children.started("broken")) == 3


def test_restarts_wait_longer_and_longer(children: Children) -> None:
    def act() -> None:
        until(lambda: len(children.started("broken")) == 4)
        os.kill(os.getpid(), signal.SIGTERM)

    meanwhile(act)
    started = time.monotonic()
    children.supervisor(Program("cpu-1", ("broken",), worker=True)).run()
    assert time.monotonic() - started >= 0.1 + 0.2 + 0.4


def test_a_second_signal_kills_those_that_do_not_end(children: Children) -> None:
    def act() -> None:
        until(lambda: children.started("stubborn"))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    meanwhile(act)
    started = time.monotonic()
    assert children.supervisor(Program("cpu-1", ("stubborn",), worker=True), drain_s=30.0).run() == 1
    assert time.monotonic() - started < 10.0
    assert not psutil.pid_exists(children.started("stubborn")[0][0])


def test_children_end_with_a_killed_supervisor(children: Children, tmp_path: Path) -> None:
    code = (
        "import sys; from orfeas.jobs.supervisor import Program, Supervisor\n"
        f"command = (sys.executable, {str(children.script)!r})\n"
        "Supervisor([Program('cpu-1', ('steady',), worker=True)], command=command).run()"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: children.started("steady"))
    child = psutil.Process(children.started("steady")[0][0])
    supervisor.kill()
    supervisor.wait()
    assert psutil.wait_procs([child], timeout=5.0)[1] == []
