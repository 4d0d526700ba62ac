"""Memory that is missing: less at once, less beside it, then failure that says what would fit; never another result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.domain.specs import ModelLoad  # noqa: E402
from orfeas.errors import GPUMemoryError  # noqa: E402
from orfeas.gpu.jobs import Unit  # noqa: E402
from orfeas.stages.device import Progress  # noqa: E402
from orfeas.stages.task import Done  # noqa: E402
from tests.gpu.harness import PLACES, Client, Request, assert_same_mesh, solo_latents, solo_mesh  # noqa: E402

Connect = Callable[..., Client]


class Shortage:
    """Out of memory in some units of work; all units are noted."""

    def __init__(self, fails: Callable[[Unit], bool]) -> None:
        self.fails = fails
        self.units: list[Unit] = []

    def __call__(self, unit: Unit) -> None:
        self.units.append(unit)
        if self.fails(unit):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")

    def sizes(self, kind: str) -> list[int]:
        return [unit.size for unit in self.units if unit.kind == kind]


def times(count: int, kind: str) -> Callable[[Unit], bool]:
    """The first units of a kind fail."""
    seen: Counter[str] = Counter()

    def fails(unit: Unit) -> bool:
        seen[unit.kind] += 1
        return unit.kind == kind and seen[kind] <= count

    return fails


def latents_of(client: Client, stage: int) -> torch.Tensor:
    return torch.from_numpy(np.array(client.value(stage).latents))[None]


def ask(client: Client, kind: str) -> int:
    """A stage with such a unit."""
    if kind == "encode":
        return client.encode(Request())
    if kind == "evaluation":
        return client.sample(Request())
    if kind == "load":
        return client.submit(ModelLoad(model="base", place=PLACES["base"]))
    return client.decode(Request(octree=12), client.latents(solo_latents(Request())))


def test_a_batch_is_halved_until_it_fits_and_the_results_stay_the_same(connect: Connect) -> None:
    shortage = Shortage(lambda unit: unit.kind == "evaluation" and unit.size > 2)
    client = connect(before=shortage)
    requests = [Request(steps=4, seed=seed) for seed in range(7)]
    stages = [client.sample(request) for request in requests]
    client.finish(*stages)
    assert shortage.sizes("evaluation")[:3] == [7, 3, 1]
    assert client.device.report().ladder == {"batch": 2}
    assert client.device.report().oom_retries == 2
    assert client.ended[stages[0]].report["memory_retries"] == 2
    for request, stage in zip(requests, stages, strict=True):
        torch.testing.assert_close(latents_of(client, stage), solo_latents(request), atol=1e-4, rtol=0)


def test_batches_grow_again_when_memory_was_enough_for_a_while(connect: Connect) -> None:
    client = connect(before=Shortage(times(1, "evaluation")))
    stages = [client.sample(Request(steps=80, seed=seed)) for seed in range(2)]
    client.finish(*stages)
    assert client.device.report().batches.keys() == {1, 2}
    assert client.device.report().ladder == {"batch": 1}


def test_a_chunk_is_halved_until_it_fits_and_the_mesh_stays_the_same(connect: Connect) -> None:
    shortage = Shortage(lambda unit: unit.kind == "chunk" and unit.size > 600)
    client = connect(before=shortage)
    request = Request(octree=16)
    stage = client.decode(request, client.latents(solo_latents(request)))
    client.finish(stage)
    assert sorted(set(shortage.sizes("chunk")), reverse=True) == [2048, 1024, 512]
    assert client.device.report().ladder == {"chunk": 2}
    fractions = [event.fraction for event in client.events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert_same_mesh(client.value(stage), solo_mesh(request, solo_latents(request)), 16)


@pytest.mark.parametrize("kind", ["load", "encode", "evaluation", "tokens"])
def test_the_encoder_leaves_the_device_before_the_next_attempt(connect: Connect, kind: str) -> None:
    client = connect(before=Shortage(times(0, kind)))
    client.finish(client.submit(ModelLoad(model="other", place=PLACES["turbo"])))
    client.device._tools.before.fails = times(1, kind)
    (done,) = client.finish(ask(client, kind))
    assert isinstance(done, Done)
    report = client.device.report()
    assert report.ladder == {"offload": 1}
    (other,) = [use for use in report.models if use.model == "other"]
    assert set(other.parts) == {"denoiser", "vae"}
    assert all("encoder" not in use.parts for use in report.models)


@pytest.mark.parametrize("kind", ["load", "encode", "evaluation", "tokens"])
def test_the_last_attempt_is_made_alone(connect: Connect, kind: str) -> None:
    other: list[int] = []

    def fails(unit: Unit) -> bool:
        running = {active.stage_id for active in client.device.report().active if active.state == "running"}
        return unit.kind == kind and bool(other) and other[0] not in unit.stage_ids and other[0] in running

    client = connect(before=Shortage(fails))
    other.append(client.sample(Request("turbo", steps=120)))
    client.until(lambda: bool(client.progress(other[0])))
    stage = ask(client, kind)
    (done,) = client.finish(stage)
    assert isinstance(done, Done)
    assert client.device.report().ladder == {"offload": 1, "alone": 1}
    torch.testing.assert_close(
        latents_of(client, other[0]), solo_latents(Request("turbo", steps=120)), atol=1e-4, rtol=0
    )


def test_two_that_lack_memory_at_once_go_on_one_after_the_other(connect: Connect) -> None:
    client = connect(before=Shortage(times(8, "evaluation")))
    requests = [Request("base"), Request("turbo")]
    stages = [client.sample(request) for request in requests]
    outcomes = client.finish(*stages)
    assert client.device.report().ladder["alone"] == 2
    assert all(isinstance(outcome, Done | GPUMemoryError) for outcome in outcomes)


@pytest.mark.parametrize("kind", ["load", "encode", "evaluation", "tokens", "chunk"])
def test_what_never_fits_fails_with_what_would(connect: Connect, kind: str) -> None:
    shortage = Shortage(lambda unit: unit.kind == kind)
    client = connect(before=shortage)
    stage = ask(client, kind)
    (error,) = client.finish(stage)
    assert isinstance(error, GPUMemoryError)
    assert error.members["budget_bytes"] == client.device.report().memory_budget
    rungs = {"offload": 1, "alone": 1, "failed": 1} | ({"chunk": 3} if kind == "chunk" else {})
    assert client.device.report().ladder == rungs
    assert list(client.device.report().ladder)[-3:] == ["offload", "alone", "failed"]
    assert client.device.idle
    shortage.fails = lambda unit: False
    assert isinstance(client.finish(ask(client, kind))[0], Done)


def test_a_grid_that_is_too_fine_fails_with_one_that_fits(connect: Connect) -> None:
    client = connect(memory_bytes=6_000_000, memory_share=1.0)
    request = Request(octree=256)
    source = client.latents(solo_latents(request))
    (error,) = client.finish(client.decode(request, source))
    assert isinstance(error, GPUMemoryError)
    fits = error.members["fits"]["octree_resolution"]
    assert f"octree_resolution {fits} would fit" in error.detail
    assert error.members["needed_bytes"] > error.members["budget_bytes"] == 6_000_000
    assert isinstance(client.finish(client.decode(Request(octree=fits), source))[0], Done)


def test_a_model_larger_than_the_budget_is_refused_before_it_is_loaded(connect: Connect) -> None:
    client = connect(memory_bytes=500_000, memory_share=1.0)
    (error,) = client.finish(client.sample(Request()))
    assert isinstance(error, GPUMemoryError)
    assert "smaller model" in error.detail
    assert client.device.report().loads == 0


def test_a_stage_waits_for_memory_that_others_use_but_not_for_ever(connect: Connect) -> None:
    from tests.gpu.harness import Clock

    clock = Clock()
    client = connect(memory_bytes=4_500_000, memory_share=1.0, wait_s=30.0, clock=clock)
    first = client.sample(Request(steps=40))
    client.until(lambda: bool(client.progress(first)))
    waiting = [client.sample(Request("turbo", steps=2)), client.sample(Request("turbo", steps=2, seed=1))]
    for _ in range(5):
        client.step()
    states = [active.state for active in client.device.report().active]
    assert states == ["running", "waiting", "waiting"]
    assert client.device.report().memory_used <= 4_500_000
    clock.now += 31
    client.step()
    client.step()
    assert isinstance(client.ended[waiting[0]], GPUMemoryError)
    assert "31 s" in client.ended[waiting[0]].detail
    client.finish()
    assert isinstance(client.ended[first], Done)


def test_memory_that_only_others_held_is_waited_for(connect: Connect) -> None:
    client = connect(memory_bytes=4_500_000, memory_share=1.0)
    requests = [Request("base", steps=5), Request("turbo", steps=3), Request("v21", steps=3)]
    stages = [client.sample(request) for request in requests]
    most = 0
    while not client.device.idle:
        client.step()
        most = max(most, client.device.report().memory_used)
    assert most <= 4_500_000
    assert client.device.report().evictions >= 2
    for request, stage in zip(requests, stages, strict=True):
        torch.testing.assert_close(latents_of(client, stage), solo_latents(request), atol=1e-4, rtol=0)


def test_the_words_of_every_backend_for_missing_memory_are_known() -> None:
    from orfeas.gpu.memory import is_lost, is_shortage

    short: list[Any] = [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    ]
    assert all(is_shortage(error) and not is_lost(error) for error in short)
    assert not is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert is_lost(torch.AcceleratorError("CUDA error: device-side assert triggered"))
    assert not is_lost(RuntimeError("CUDA"))
