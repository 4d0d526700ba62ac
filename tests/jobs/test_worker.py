"""A real worker: a parent and a compute child, killed, crashed, hung and overfed."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from orfeas.domain.caller import LOCAL
from orfeas.domain.specs import Analyze, ReadMesh
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan, Source
from orfeas.jobs.views import JobState, JobView
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.services.plans.meshes import (
    REQUESTS,
    AnalyzeRequest,
    ConvertRequest,
    ExportRequest,
    HollowRequest,
    MeshRequest,
    OptimizeRequest,
    OrientRequest,
    RepairRequest,
    SimplifyRequest,
    StoredMesh,
)
from orfeas.services.plans.renders import RenderRequest, TurntableRequest
from orfeas.services.plans.texture import TextureRequest
from orfeas.stages.all import MODULES
from orfeas.stages.registry import IMPLEMENTATIONS
from tests.jobs.conftest import STAGES, Engine
from tests.jobs.engine_stages import AddIo, Slow, Trouble, chain, plan
from tests.routes.solids import ball, stl

ROOT = Path(__file__).parents[2]
WORKER = """
import sys
from pathlib import Path
from orfeas.config import Config
from orfeas.domain.stages import Queue
from orfeas.jobs import worker
from orfeas.jobs.worker import run_worker
if len(sys.argv) > 6:
    worker.child_memory_bytes = lambda workers: int(sys.argv[6])
config = Config(data_dir=Path(sys.argv[1]), database_url=sys.argv[2], disk_reserve_mb=0)
run_worker(config, Queue(sys.argv[3]), sys.argv[4], None, modules=(sys.argv[5],))
assert "numpy" not in sys.modules or sys.argv[3] == "io"
"""


class Workers:
    """Jobs on real time, and worker processes beside the test."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(f"sqlite:///{folder / 'orfeas.db'}", folder)
        self.engine.jobs = Jobs(self.engine.database, self.engine.blobs, LocalWakeups(folder))
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, worker_id: str = "w1", queue: str = "cpu", module: str = STAGES[0], memory_bytes: int | None = None
    ) -> subprocess.Popen[bytes]:
        """A worker on its queue, its child with as much address space as it has by default or this much."""
        arguments = [str(self.engine.folder), self.engine.database.url, queue, worker_id, module]
        arguments += [str(memory_bytes)] if memory_bytes else []
        process = subprocess.Popen([sys.executable, "-c", WORKER, *arguments], cwd=ROOT)
        self.processes.append(process)
        return process

    def ended(self, job: JobView, timeout_s: float = 20.0) -> JobView:
        """The job when it is final."""
        return self.until(job, lambda shown: shown.state.final, timeout_s)

    def until(self, job: JobView, holds: object, timeout_s: float = 20.0) -> JobView:
        """The job when something is true of it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            shown = self.engine.jobs.get(LOCAL, job.id)
            if holds(shown):  # type: ignore[operator]
                return shown
            time.sleep(0.02)
        raise AssertionError(f"{shown.state} after {timeout_s} s: {shown}")


@contextmanager
def _workers(folder: Path) -> Iterator[Workers]:
    made = Workers(folder)
    try:
        yield made
    finally:
        for process in made.processes:
            if process.poll() is None:
                process.terminate()
        for process in made.processes:
            process.wait(20)
        made.engine.database.dispose()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """A data folder for real workers."""
    with _workers(tmp_path) as made:
        yield made


def _code(job: JobView) -> str | None:
    assert job.latest is not None
    return job.latest.error["code"] if job.latest.error else None


def _child(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The compute child: the fork server's only child."""
    for descendant in psutil.Process(process.pid).children(recursive=True):
        parent = descendant.parent()
        if parent is not None and parent.pid != process.pid:
            return descendant
    raise AssertionError("no compute child")


def test_crashes_hangs_and_hunger_end_one_job_with_a_named_error(workers: Workers) -> None:
    workers.start()
    make = workers.engine.create
    expected = {
        "stage_crashed": make(plan(Node(Trouble("segfault")))),
        "stage_timeout": make(plan(Node(Trouble("hang")))),
        "stage_memory": make(plan(Node(Trouble("memory")))),
        "internal": make(plan(Node(Trouble("unexpected")))),
        None: make(plan(chain(workers.engine.source(), 1, 2))),
    }
    assert {code: _code(workers.ended(job)) for code, job in expected.items()} == {code: code for code in expected}
    attempts = {row.parameters.get("kind"): row.attempts for row in workers.engine.rows() if row.name == "test.trouble"}
    assert attempts == {"segfault": 2, "hang": 1, "memory": 1, "unexpected": 1}


@pytest.mark.parametrize("deaf", [False, True])
def test_cancelling_stops_the_work_within_two_seconds(workers: Workers, *, deaf: bool) -> None:
    process = workers.start()
    job = workers.engine.create(plan(Node(Slow(30.0, deaf))))
    workers.until(job, lambda shown: shown.state is JobState.RUNNING)
    child = _child(process)
    cancelled_at = time.monotonic()
    assert workers.engine.jobs.cancel(LOCAL, job.id).state is JobState.CANCELLED
    following = workers.engine.create(plan(chain(workers.engine.source(), 1)))
    assert workers.ended(following).state is JobState.SUCCEEDED
    assert time.monotonic() - cancelled_at < 2.0 + 1.0
    assert child.is_running() is not deaf


def test_a_killed_child_costs_one_attempt(workers: Workers) -> None:
    process = workers.start()
    job = workers.engine.create(plan(Node(Slow(1.0))))
    workers.until(job, lambda shown: shown.state is JobState.RUNNING)
    _child(process).kill()
    assert workers.ended(job).state is JobState.SUCCEEDED
    assert next(row.attempts for row in workers.engine.rows() if row.name == "test.slow") == 2


def test_a_killed_parent_takes_its_child_along_and_the_stage_is_freed(workers: Workers) -> None:
    process = workers.start("first")
    job = workers.engine.create(plan(Node(Slow(1.0))))
    workers.until(job, lambda shown: shown.state is JobState.RUNNING)
    child = _child(process)
    process.kill()
    process.wait(5)
    child.wait(5)
    workers.engine.worker().leases.release_worker("first")
    workers.start("second")
    assert workers.ended(job).state is JobState.SUCCEEDED


def test_a_stopped_worker_ends_its_stage_first(workers: Workers) -> None:
    process = workers.start()
    job = workers.engine.create(plan(Node(Slow(1.0))))
    workers.until(job, lambda shown: shown.state is JobState.RUNNING)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert workers.engine.states()["test.slow"] == "done"
    assert workers.engine.states()["test.write"] == "wanted"


def test_progress_of_a_running_stage_is_seen(workers: Workers) -> None:
    workers.start()
    job = workers.engine.create(plan(Node(Slow(2.0))))
    seen = workers.until(job, lambda shown: 5 < (shown.progress.percent or 0) < 60)
    assert seen.progress.stage == "test.slow"
    assert workers.ended(job).state is JobState.SUCCEEDED


def test_two_workers_share_and_the_io_queue_is_served_too(workers: Workers) -> None:
    workers.start("a")
    workers.start("b")
    workers.start("c", "io")
    jobs = [
        workers.engine.create(plan(Node(AddIo(salt), (chain(workers.engine.source(), salt),)))) for salt in range(6)
    ]
    jobs += [workers.engine.create(plan(Node(Slow(0.5, salt=salt)))) for salt in range(2)]
    assert {workers.ended(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert {row.attempts for row in workers.engine.rows()} == {1}
    status = workers.engine.jobs.queue_status(LOCAL)
    assert {worker["queue"] for worker in status.workers} == {"cpu", "io"}
    assert os.getpid() not in {worker["id"] for worker in status.workers}


MESH_STAGES = "orfeas.stages.all"


def _loose_stl(faces: int) -> bytes:
    """Large triangles anywhere: so many of them cross that looking for all crossings takes long."""
    corners = np.random.default_rng(0).random((faces, 3, 3), dtype=np.float32) * 100.0
    records = np.zeros(faces, dtype=[("normal", "<3f4"), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    records["corners"] = corners
    return b"loose".ljust(80, b"\0") + struct.pack("<I", faces) + records.tobytes()


def test_mesh_work_that_crashes_hangs_or_starves_ends_its_own_job_only(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stages of meshes as they are; what a library may do is done to their process."""
    process = workers.start(module=MESH_STAGES)
    source = workers.engine.source(_loose_stl(30_000))
    read = Node(ReadMesh(format="stl"), (source,))

    def look(salt: float) -> JobView:
        spec = Analyze(min_wall_mm=salt, self_intersections="true")
        return workers.engine.create(Plan((), also=(Node(spec, (read,)),)))

    def attempts() -> int:
        return max((row.attempts for row in workers.engine.rows() if row.name == Analyze.name), default=0)

    crashing = look(1.0)
    for attempt in (1, 2):
        workers.until(crashing, lambda shown, wanted=attempt: attempts() == wanted)
        time.sleep(0.2)
        _child(process).send_signal(signal.SIGSEGV)
    assert _code(workers.ended(crashing)) == "stage_crashed"
    monkeypatch.setattr(Analyze, "timeout_s", 0.5)
    assert _code(workers.ended(look(2.0))) == "stage_timeout"
    monkeypatch.undo()
    small = workers.engine.source(_loose_stl(4))
    fine = workers.engine.create(Plan((), also=(Node(Analyze(), (Node(ReadMesh(format="stl"), (small,)),)),)))
    assert workers.ended(fine).state is JobState.SUCCEEDED


def test_mesh_work_that_needs_more_memory_than_it_may_use_ends_its_own_job_only(workers: Workers) -> None:
    """Two million loose triangles take a gigabyte while they are read, which the libraries alone half fill."""
    workers.start(module=MESH_STAGES, memory_bytes=2**30)

    def read(faces: int) -> JobView:
        return workers.engine.create(
            Plan((), also=(Node(ReadMesh(format="stl"), (workers.engine.source(_loose_stl(faces)),)),))
        )

    large, small = read(2_000_000), read(4)
    assert _code(workers.ended(large)) == "stage_memory"
    assert workers.ended(small).state is JobState.SUCCEEDED


SPECS = {name: spec for name, (spec, _) in IMPLEMENTATIONS.items() if MODULES}
OPERATIONS: dict[str, MeshRequest] = {
    "mesh.read": AnalyzeRequest(),
    "mesh.analyze": AnalyzeRequest(),
    "mesh.repair": RepairRequest(aggressive=True),
    "mesh.simplify": SimplifyRequest(target_reduction=0.5),
    "mesh.scale": OptimizeRequest(),
    "mesh.orient": OrientRequest(),
    "mesh.hollow": HollowRequest(wall_mm=2.0, grid=32),
    "mesh.place": OptimizeRequest(),
    "mesh.export": ConvertRequest(formats=("glb",)),
    "mesh.verify": ConvertRequest(formats=("off",)),
    "mesh.assemble": ExportRequest(formats=("glb",), collision="convex_parts"),
    "mesh.texture": TextureRequest(mode="material", material="metal", formats=("glb",)),
    "render.picture": RenderRequest(width=64, height=64),
    "render.turntable": TurntableRequest(width=64, height=64, frames=8),
}
"""A request that needs each stage of meshes."""


@pytest.mark.parametrize(
    "what, code", [("crash", "stage_crashed"), ("memory", "stage_memory"), ("hang", "stage_timeout")]
)
def test_a_failing_library_ends_the_job_of_any_mesh_operation_by_name_and_no_other(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, code: str
) -> None:
    trouble = tmp_path / "trouble"
    trouble.write_text("none")
    monkeypatch.setenv("TEST_TROUBLE", str(trouble))
    process = workers.start(module="tests.jobs.mesh_trouble")

    def ended(request: MeshRequest, radius: float) -> JobView:
        source = workers.engine.source(stl(ball(radius, 2)))  # another one each time, as results are kept
        asked = request.plan(StoredMesh(source, "stl", "z", "part", 10_000))
        return workers.ended(workers.engine.create(asked), 60.0)

    for number, (name, request) in enumerate(OPERATIONS.items()):
        trouble.write_text(f"{name} {what}")
        with monkeypatch.context() as patch:
            if what == "hang":
                patch.setattr(SPECS[name], "timeout_s", 0.5)
            failed = ended(request, 20.0 + number)
        assert _code(failed) == code, (name, failed)
        trouble.write_text("none")
        assert ended(AnalyzeRequest(), 60.0 + number).state is JobState.SUCCEEDED, name
    assert process.poll() is None


def test_every_stage_of_every_request_on_meshes_is_among_them() -> None:
    given = StoredMesh(Source("0" * 64, "0" * 64), "stl", "z", "part", 10_000)
    used = {node.spec.name for request in OPERATIONS.values() for node in request.plan(given).nodes()}
    assert {type(request) for request in OPERATIONS.values()} == set(REQUESTS.values())
    assert used == set(OPERATIONS)
