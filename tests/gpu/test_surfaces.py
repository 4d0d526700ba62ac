"""Surfaces from another process, and work that computes only when it has the turn."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.errors import EmptySurfaceError, StageCrashedError  # noqa: E402
from orfeas.gpu.hunyuan3d import surface  # noqa: E402
from orfeas.gpu.hunyuan3d.grid import Grid, corners  # noqa: E402
from orfeas.gpu.surfaces import SharedGrid, Surfaces  # noqa: E402
from orfeas.gpu.turns import Report, Turns  # noqa: E402
from orfeas.stages.task import Done  # noqa: E402
from tests.gpu.harness import Client, Request, assert_same_mesh, solo_latents, solo_mesh  # noqa: E402


def ball(resolution: int = 20) -> Grid:
    axis = torch.linspace(-1.01, 1.01, resolution + 1)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    values = 0.7 - (x * x + y * y + z * z).sqrt()
    return Grid(values, torch.ones_like(values, dtype=torch.bool), corners(1.01), resolution)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


def wait_until(condition: Callable[[], bool]) -> None:
    """A grid is let go of just after its result is there."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_surface_from_the_other_process_is_the_same_to_the_bit(surfaces: Surfaces) -> None:
    vertices, faces = surfaces.extract(SharedGrid(ball()), 0.1).result()
    expected = surface.extract(ball(), 0.1)
    assert np.array_equal(vertices, expected[0])
    assert np.array_equal(faces, expected[1])


def test_grids_that_were_handed_over_leave_nothing_open(surfaces: Surfaces) -> None:
    surfaces.extract(SharedGrid(ball()), 0.0).result()
    before = descriptors()
    for _ in range(5):
        surfaces.extract(SharedGrid(ball()), 0.0).result()
    wait_until(lambda: descriptors() <= before)


def test_no_surface_is_the_same_error_from_there(surfaces: Surfaces) -> None:
    with pytest.raises(EmptySurfaceError) as there:
        surfaces.extract(SharedGrid(ball()), 9.0).result()
    with pytest.raises(EmptySurfaceError) as here:
        surface.extract(ball(), 9.0)
    assert there.value.detail == here.value.detail


def test_a_grid_in_a_file_gives_the_same_where_there_is_no_anonymous_memory(
    surfaces: Surfaces, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shared = SharedGrid(ball())
    assert [entry.name for entry in tmp_path.iterdir()] == [Path(shared.path).name]
    vertices, _ = surfaces.extract(shared, 0.0).result()
    assert np.array_equal(vertices, surface.extract(ball(), 0.0)[0])
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_process_that_dies_is_replaced_and_the_decoding_repeated(connect: Callable[..., Client]) -> None:
    own = Surfaces(1)
    request = Request()
    client = connect(surfaces=own)
    source = client.latents(solo_latents(request))
    own.extract(SharedGrid(ball()), 0.0).result()
    children = psutil.Process().children()
    helpers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
    youngest = max(helpers, key=lambda each: each.create_time())
    youngest.suspend()
    stage = client.decode(request, source)
    client.until(lambda: any(each.state == "finishing" for each in client.device.report().active))
    youngest.kill()
    (done,) = client.finish(stage)
    assert isinstance(done, Done)
    assert_same_mesh(client.value(stage), solo_mesh(request, solo_latents(request)), request.octree)
    own.close()


def test_one_that_keeps_dying_ends_its_stage(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    class Dying:
        def warm(self) -> None:
            """Nothing to start."""

        def extract(self, shared: SharedGrid, level: float) -> Future[None]:
            shared.close()
            raise BrokenProcessPool

    monkeypatch.setattr(client.device, "_tools", client.device._tools.__class__(
        **{name: getattr(client.device._tools, name) for name in client.device._tools.__slots__}
        | {"surfaces": Dying()}
    ))  # fmt: skip
    (error,) = client.finish(client.decode(Request(), client.latents(solo_latents(Request()))))
    assert isinstance(error, StageCrashedError)
    assert client.device.idle


# turns


def test_work_runs_from_report_to_report_and_never_in_between() -> None:
    seen: list[int] = []

    def work(report: Report) -> str:
        for i in range(3):
            seen.append(i)
            report(i / 3)
        return "done"

    turns = Turns(work)
    assert seen == []
    for i in range(3):
        assert not turns.give()
        assert seen == list(range(i + 1))
        assert turns.share == i / 3
    assert turns.give()
    assert (turns.value, turns.error) == ("done", None)
    assert turns.give()


def test_work_that_is_stopped_ends_at_its_report_and_lets_go() -> None:
    before = threading.active_count()
    reached: list[str] = []

    def work(report: Report) -> None:
        try:
            report(0.5)
            reached.append("after")
        finally:
            reached.append("let go")

    turns = Turns(work)
    turns.give()
    turns.stop()
    assert reached == ["let go"]
    assert turns.error is None
    Turns(work).stop()
    assert reached == ["let go"]
    assert threading.active_count() == before


def test_an_error_inside_comes_out_without_its_frames() -> None:
    def work(report: Report) -> None:
        raise ValueError("inside")

    turns = Turns(work)
    assert turns.give()
    assert str(turns.error) == "inside"
    assert turns.error is not None
    assert turns.error.__traceback__ is None
    assert "ValueError: inside" in turns.trace
