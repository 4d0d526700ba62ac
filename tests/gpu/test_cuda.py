"""The same device on a GPU: equal results, memory that is counted, and real shortage of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.errors import GPUMemoryError  # noqa: E402
from orfeas.stages.task import Done  # noqa: E402
from tests.gpu.harness import Client, Request, assert_same_mesh, solo_latents, solo_mesh  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

Connect = Callable[..., Client]


def latents_of(client: Client, stage: int) -> torch.Tensor:
    return torch.from_numpy(np.array(client.value(stage).latents))[None]


@pytest.mark.parametrize("variant", ["base", "turbo", "mv", "v21"])
def test_a_batch_on_the_gpu_gives_what_the_processor_gives_alone(connect: Connect, variant: str) -> None:
    client = connect(device="cuda:0")
    requests = [Request(variant, steps=3 + seed, seed=seed) for seed in range(4)]
    encoded = [client.encode(request) for request in requests]
    stages = [client.sample(request, client.made(stage)) for request, stage in zip(requests, encoded, strict=True)]
    client.finish(*stages)
    for request, stage in zip(requests, stages, strict=True):
        torch.testing.assert_close(latents_of(client, stage), solo_latents(request), atol=2e-3, rtol=0)
    assert max(client.device.report().batches) == 4


def test_a_deterministic_request_is_equal_bit_for_bit_in_any_company(connect: Connect) -> None:
    client = connect(device="cuda:0")
    request = Request(steps=6, seed=3, deterministic=True)
    alone = latents_of(client, client.sample(request))
    others = [client.sample(Request(steps=8, seed=seed)) for seed in range(3)]
    stage = client.sample(request)
    client.finish(*others, stage)
    assert torch.equal(latents_of(client, stage), alone)


def test_volumes_are_decoded_and_memory_comes_back(connect: Connect) -> None:
    client = connect(device="cuda:0")
    request = Request(octree=48)
    latents = solo_latents(request)
    client.finish(client.decode(Request(octree=8), client.latents(latents)))
    before = client.device.report().memory_measured
    stage = client.decode(request, client.latents(latents))
    client.finish(stage)
    assert_same_mesh(client.value(stage), solo_mesh(request, latents), 48)
    report = client.device.report()
    assert report.memory_measured == before
    assert report.memory_peak is not None
    assert before is not None
    assert report.memory_peak > before
    assert report.busy_s > 0


def test_real_shortage_leads_down_the_ladder(connect: Connect) -> None:
    client = connect(device="cuda:0")
    source = client.latents(solo_latents(Request()))
    client.finish(client.decode(Request(octree=8), source))
    torch.cuda.set_per_process_memory_fraction(1e-4, 0)
    try:
        (outcome,) = client.finish(client.decode(Request(octree=256), source))
        assert client.device.report().oom_retries > 0
        assert isinstance(outcome, Done | GPUMemoryError)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
    assert isinstance(client.finish(client.decode(Request(octree=8), source))[0], Done)
