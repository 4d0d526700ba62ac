"""A gpu worker: a parent with many leases and the process of a device, killed, crashed, broken and cancelled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from orfeas.domain.caller import LOCAL
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobState, JobView
from orfeas.storage.tables import workers as worker_rows
from tests.jobs.engine_stages import plan
from tests.jobs.small_device import Count, Load
from tests.jobs.test_worker import ROOT, Workers

WORKER = """
import sys
from pathlib import Path
from orfeas.config import Config
from orfeas.domain.stages import Queue
from orfeas.jobs import gpu
from orfeas.jobs.worker import run_worker
folder = Path(sys.argv[1])
if len(sys.argv) > 4:
    gpu.MEMORY_SHARE = float(sys.argv[4])
    gpu.RENEW_S = 0.2
config = Config(data_dir=folder, model_dir=folder, database_url=sys.argv[2], disk_reserve_mb=0, gpu_batch_max=6)
run_worker(config, Queue.GPU, sys.argv[3], None, modules=("tests.jobs.small_device",))
assert "numpy" not in sys.modules
assert "torch" not in sys.modules
"""


class GpuWorkers(Workers):
    """A gpu worker beside a cpu worker, which writes what was counted."""

    def start_gpu(self, worker_id: str = "g1", memory_share: float | None = None) -> subprocess.Popen[bytes]:
        arguments = [str(self.engine.folder), self.engine.database.url, worker_id]
        arguments += [] if memory_share is None else [str(memory_share)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", WORKER, *arguments], cwd=ROOT, env=environ)
        self.processes.append(process)
        return process

    def count(self, salt: int, **parameters: Any) -> JobView:
        """A job that counts on the device and writes the number on a cpu."""
        return self.engine.create(plan(Node(Count(salt=salt, **parameters), (self.engine.source(),))))

    def notes(self, kind: str) -> list[Any]:
        """What the device has noted of a kind."""
        log = self.engine.folder / "log"
        facts = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [fact for fact in facts if kind in fact]

    def row(self) -> Any:
        """The gpu worker's row."""
        with self.engine.database.read() as connection:
            return connection.execute(select(worker_rows).where(worker_rows.c.queue == "gpu")).one_or_none()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[GpuWorkers]:
    made = GpuWorkers(tmp_path)
    made.start("w1", module="tests.jobs.small_device")
    try:
        yield made
    finally:
        for process in made.processes:
            if process.poll() is None:
                process.terminate()
        for process in made.processes:
            process.wait(20)
        made.engine.database.dispose()


def device_process(parent: subprocess.Popen[bytes]) -> psutil.Process:
    """The process of the device."""
    return next(child for child in psutil.Process(parent.pid).children() if "_gpu_child" in child.cmdline())


def test_several_stages_share_the_device_and_its_row_tells_about_it(workers: GpuWorkers) -> None:
    jobs = [workers.count(salt, num_inference_steps=60 + salt, step_s=0.02) for salt in range(8)]
    workers.start_gpu()
    seen = workers.until(jobs[0], lambda shown: (shown.progress.step or 0) > 5)
    assert (seen.progress.stage, seen.progress.steps) == ("test.count", 60)
    workers.until(jobs[0], lambda _: workers.row().state == "busy")
    row = workers.row()
    assert (row.device, row.report["name"]) == ("cpu", "small device")
    assert row.memory_bytes > 1e6
    ended = [workers.ended(job) for job in jobs]
    assert [workers.engine.file(job) for job in ended] == [str(63 + salt).encode() for salt in range(8)]
    batches = {int(size): number for size, number in workers.row().report["batches"].items()}
    assert max(batches) == 6
    assert len(workers.notes("finished")) == 8


def test_a_killed_device_loses_nothing_and_repeats_no_finished_stage(workers: GpuWorkers) -> None:
    first = workers.start_gpu()
    jobs = [workers.count(salt, num_inference_steps=5 + 15 * salt, step_s=0.015) for salt in range(5)]
    workers.until(jobs[1], lambda shown: shown.state.final)
    device_process(first).kill()
    ended = [workers.ended(job) for job in jobs]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert Counter(note["salt"] for note in workers.notes("finished")) == dict.fromkeys(range(5), 1)
    assert {row.attempts for row in workers.engine.rows()} == {1}


@pytest.mark.parametrize("kind", ["crash", "break"])
def test_a_bad_stage_fails_alone(workers: GpuWorkers, kind: str) -> None:
    good = [workers.count(salt, num_inference_steps=40, step_s=0.02) for salt in range(3)]
    bad = workers.count(9, num_inference_steps=20, step_s=0.02, kind=kind)
    workers.start_gpu()
    assert {workers.ended(job).state for job in good} == {JobState.SUCCEEDED}
    latest = workers.ended(bad, 30.0).latest
    assert latest is not None
    assert latest.error is not None
    assert latest.error["code"] == ("stage_crashed" if kind == "crash" else "worker_lost")
    assert [note["died"] for note in workers.notes("died")] == [4, 1, 1, 1][: 3 if kind == "crash" else 4]


def test_a_cancelled_stage_leaves_and_the_others_stay(workers: GpuWorkers) -> None:
    parent = workers.start_gpu()
    kept = workers.count(1, num_inference_steps=100, step_s=0.02)
    gone = workers.count(2, num_inference_steps=300, step_s=0.02)
    workers.until(gone, lambda shown: (shown.progress.step or 0) > 2)
    process = device_process(parent)
    assert workers.engine.jobs.cancel(LOCAL, gone.id).state is JobState.CANCELLED
    deadline = time.monotonic() + 2.0
    while len((workers.row().report or {}).get("active", ())) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert time.monotonic() < deadline
    assert workers.ended(kept).state is JobState.SUCCEEDED
    assert process.is_running()


def test_errors_time_outs_and_commands_end_as_they_should(workers: GpuWorkers) -> None:
    workers.start_gpu()
    short = workers.count(1, kind="memory")
    slow = workers.count(2, num_inference_steps=10_000, step_s=0.01)
    workers.until(slow, lambda shown: shown.state is JobState.RUNNING)
    loaded = workers.engine.create(Plan((), also=(Node(Load(nonce="1")),)))
    assert workers.ended(loaded, 3.0).state is JobState.SUCCEEDED
    codes = [(workers.ended(job).latest.error or {})["code"] for job in (short, slow)]  # type: ignore[union-attr]
    assert codes == ["gpu_memory", "stage_timeout"]


def test_a_stopped_worker_ends_what_it_has_in_hand(workers: GpuWorkers) -> None:
    parent = workers.start_gpu()
    job = workers.count(1, num_inference_steps=60, step_s=0.02)
    workers.until(job, lambda shown: (shown.progress.step or 0) > 2)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(15) == 0
    assert workers.ended(job).state is JobState.SUCCEEDED
    assert workers.row() is None
    assert len(workers.notes("closed")) == 1


def test_a_process_that_leaks_is_replaced_once_it_is_idle(workers: GpuWorkers) -> None:
    parent = workers.start_gpu(memory_share=250_000_000 / psutil.virtual_memory().total)
    kept = workers.count(1, num_inference_steps=50, step_s=0.02)
    workers.until(kept, lambda shown: (shown.progress.step or 0) > 1)
    before = device_process(parent)
    leaking = workers.count(2, num_inference_steps=10, kind="leak")
    assert [workers.ended(job).state for job in (leaking, kept)] == [JobState.SUCCEEDED] * 2
    before.wait(10.0)
    assert workers.ended(workers.count(3)).state is JobState.SUCCEEDED
    assert device_process(parent).memory_info().rss < 250_000_000
    assert len(workers.notes("closed")) == 1, "it ended in order, between two stages"
    assert {row.attempts for row in workers.engine.rows()} == {1}
