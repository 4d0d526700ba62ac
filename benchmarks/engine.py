"""The stage engine without work, and the web process: cost of a stage, time to ready, memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from sqlalchemy import insert

from benchmarks.noop import Nothing
from benchmarks.report import Goal, Ratio, document, machine, median, output_path, write
from orfeas.config import Config
from orfeas.domain.caller import LOCAL
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobState, JobView, RunRequest, Surface
from orfeas.services import build_services
from orfeas.storage.database import Database
from orfeas.storage.tables import settings

STAGES, ROUNDS = 20, 25
"""A run of about the length that real ones have; the cost of a stage grows slowly with it."""
STARTS = 5
WORKER = """
import sys
from pathlib import Path
from orfeas.config import Config
from orfeas.domain.stages import Queue
from orfeas.jobs.worker import run_worker
config = Config(data_dir=Path(sys.argv[1]), disk_reserve_mb=0)
run_worker(config, Queue.CPU, sys.argv[2], int(sys.argv[3]), modules=("benchmarks.noop",))
"""


def chain(first: int) -> Plan:
    """Stages of which each waits for the one before."""
    node = Node(Nothing(number=first))
    for number in range(first + 1, first + STAGES):
        node = Node(Nothing(number=number), (node,))
    return Plan((), also=(node,))


@contextmanager
def worker(data_dir: Path) -> Iterator[None]:
    """A real worker, parent and child, that knows the empty stage."""
    life_read, life_write = os.pipe()
    command = [sys.executable, "-c", WORKER, str(data_dir), str(uuid.uuid4()), str(life_read)]
    process = subprocess.Popen(command, pass_fds=[life_read])
    os.close(life_read)
    try:
        yield
    finally:
        os.close(life_write)
        process.wait(30.0)


def stage_seconds(jobs: Jobs) -> list[float]:
    """Seconds of one empty stage, from the start to the end of a run of many."""
    found = []
    for number in range(ROUNDS + 1):
        plan = chain(number * STAGES)
        job = jobs.create(LOCAL, Surface.V1, RunRequest(type="generation", plan=plan, request={}))
        run = _final(jobs, job).latest
        assert run is not None
        if run.state is not JobState.SUCCEEDED or run.started_at is None or run.finished_at is None:
            raise RuntimeError(f"the run of empty stages did not succeed: {run.error}")
        found.append((run.finished_at - run.started_at) / STAGES)
    return found[1:]


def _final(jobs: Jobs, job: JobView) -> JobView:
    deadline = time.monotonic() + 60.0
    while not job.state.final:
        if time.monotonic() > deadline:
            raise RuntimeError("the worker does not work")
        time.sleep(0.05)
        job = jobs.get(LOCAL, job.id)
    return job


def transaction_seconds(database: Database) -> float:
    """Seconds of a transaction that writes one row."""
    times = []
    for number in range(200):
        started = time.perf_counter()
        with database.transaction() as connection:
            connection.execute(insert(settings).values(key=f"benchmark-{number}", value=number))
        times.append(time.perf_counter() - started)
    return median(times)


def web_start(data_dir: Path) -> tuple[float, float]:
    """Seconds until the web process is ready, and MB of it after its first answers."""
    environ = {**os.environ, "ORFEAS_DATA_DIR": str(data_dir), "MALLOC_ARENA_MAX": "2"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        life_read, life_write = os.pipe()
        ready_read, ready_write = os.pipe()
        listen, life, ready = (str(number) for number in (listener.fileno(), life_read, ready_write))
        command = [
            sys.executable,
            "-P",
            "-m",
            "orfeas",
            "_web",
            "--listen-fd",
            listen,
            "--life-fd",
            life,
            "--ready-fd",
            ready,
        ]
        started = time.perf_counter()
        process = subprocess.Popen(command, pass_fds=[int(listen), int(life), int(ready)], env=environ)
        os.close(ready_write)
        try:
            if os.read(ready_read, 1) != b"1":
                raise RuntimeError("the web process did not start")
            took = time.perf_counter() - started
            for path in ("/api/health", "/openapi.json", "/api/v1/jobs", "/docs"):
                httpx.get(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", timeout=10.0)
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            return took, max(member.memory_info().rss for member in family) / 1e6
        finally:
            process.terminate()
            process.wait(20.0)
            for descriptor in (life_read, life_write, ready_read):
                os.close(descriptor)


def import_seconds() -> float:
    """Seconds of a Python that imports Flask and SQLAlchemy: what starting costs at least."""
    times = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import flask_smorest, sqlalchemy"], check=True)
        times.append(time.perf_counter() - started)
    return median(times)


def main() -> None:
    """Measure and write."""
    path, facts = output_path("engine"), machine()
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data_dir=Path(folder), disk_reserve_mb=0)
        wired = build_services(config)
        with worker(config.data_dir):
            stage_s = median(stage_seconds(wired.jobs_engine))
        transaction_s = transaction_seconds(wired.database)
        wired.database.dispose()
        starts = [web_start(config.data_dir) for _ in range(STARTS)]
    start_s, imports_s = median([took for took, _ in starts]), import_seconds()
    figures = {
        "empty_stage": Goal(stage_s * 1e3, "ms", 8.0),
        "transaction": Goal(transaction_s * 1e3, "ms"),
        "web_ready": Goal(start_s, "s", 2.0),
        "web_memory": Goal(max(memory for _, memory in starts), "MB", 130.0),
    }
    ratios = {
        "empty_stage_of_transaction": Ratio(stage_s / transaction_s, "lower"),
        "web_ready_of_imports": Ratio(start_s / imports_s, "lower"),
    }
    write(path, document("engine", figures, ratios, facts))


if __name__ == "__main__":
    main()
