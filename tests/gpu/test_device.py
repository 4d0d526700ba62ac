"""Many requests on one device: each gets what it would get alone, joins at once, and leaves nothing when it goes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.domain.specs import ModelClear, ModelLoad, ModelUnload  # noqa: E402
from orfeas.errors import CheckpointError, EmptySurfaceError, InternalError, InvalidImageError  # noqa: E402
from orfeas.gpu.jobs import Unit  # noqa: E402
from orfeas.stages.device import DeviceLostError, Ended, InputGone, Progress  # noqa: E402
from orfeas.stages.task import Done  # noqa: E402
from tests.gpu.harness import NOW, PLACES, Client, Request, assert_same_mesh, solo_latents, solo_mesh  # noqa: E402

Connect = Callable[..., Client]

MIXED = [
    Request("base", 0, 3, 5.0, 0),
    Request("base", 1, 6, None, 1, 24),
    Request("base", 2, 4, 1.0, 7, 20, "hierarchical"),
    Request("base", 0, 5, 2.5, 3, 16, level=50.0),
    Request("base", 1, 4, 5.0, 0, deterministic=True),
    Request("turbo", 0, 5, 5.0, 1, 24),
    Request("turbo", 1, 3, 7.5, 0, 16, "flashvdm"),
    Request("turbo", 2, 8, None, 5),
    Request("mv", 0, 4, 5.0, 0, 20),
    Request("mv", 1, 3, None, 2),
    Request("v21", 0, 4, 5.0, 0, 20),
    Request("v21", 1, 3, 1.5, 4),
]
LONG = Request(steps=30)


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def latents_of(client: Client, stage: int) -> torch.Tensor:
    return torch.from_numpy(np.array(client.value(stage).latents))[None]


def generate(client: Client, requests: list[Request]) -> list[tuple[torch.Tensor, Any]]:
    """All at once, each stage sent when the one before it ended: latents and the mesh or the error."""
    chains = [[client.encode(request)] for request in requests]

    def advance() -> bool:
        for request, chain in zip(requests, chains, strict=True):
            if chain[-1] in client.ended and len(chain) < 3:
                send = client.sample if len(chain) == 1 else client.decode
                chain.append(send(request, client.made(chain[-1])))
        return all(len(chain) == 3 and chain[2] in client.ended for chain in chains)

    client.until(advance)
    return [(latents_of(client, chain[1]), outcome(client, chain[2])) for chain in chains]


def outcome(client: Client, stage: int) -> Any:
    ended = client.ended[stage]
    return client.value(stage) if isinstance(ended, Done) else ended


# results


def test_twelve_mixed_requests_at_once_each_get_what_they_would_get_alone(client: Client) -> None:
    for request, (latents, result) in zip(MIXED, generate(client, MIXED), strict=True):
        torch.testing.assert_close(latents, solo_latents(request), atol=1e-4, rtol=0)
        if isinstance(result, Exception):
            with pytest.raises(EmptySurfaceError) as alone:
                solo_mesh(request, latents)
            assert isinstance(result, EmptySurfaceError)
            assert result.detail == alone.value.detail
        else:
            assert_same_mesh(result, solo_mesh(request, solo_latents(request)), request.octree)
    report = client.device.report()
    assert max(report.batches) > 1
    assert report.executions < report.inferences
    assert not report.active


def test_a_deterministic_request_is_equal_bit_for_bit_among_others(client: Client) -> None:
    request = Request(steps=5, seed=3, deterministic=True)
    others = [client.sample(Request(steps=6, seed=seed)) for seed in range(4)]
    stage = client.sample(request)
    client.finish(*others, stage)
    assert torch.equal(latents_of(client, stage), solo_latents(request))
    assert client.ended[stage].report["largest_batch"] == 1
    assert client.ended[others[0]].report["largest_batch"] == 4


def test_a_lone_request_is_equal_bit_for_bit_and_waits_for_nobody(client: Client) -> None:
    request = Request(steps=4, seed=2)
    stage = client.sample(request)
    client.until(lambda: bool(client.progress(stage)))
    assert torch.equal(latents_of(client, stage), solo_latents(request))
    assert client.device.report().batches == {1: 3}


def test_finished_latents_are_decoded_again_without_sampling(client: Client) -> None:
    request = Request()
    source = client.made(client.sample(request))
    executions = client.device.report().executions
    meshes = [client.value(client.decode(Request(octree=octree), source)) for octree in (16, 24)]
    assert client.device.report().executions == executions
    for mesh, octree in zip(meshes, (16, 24), strict=True):
        assert_same_mesh(mesh, solo_mesh(Request(octree=octree), solo_latents(request)), octree)


# joining and leaving


def test_a_request_joins_the_running_batch_at_its_next_evaluation(client: Client) -> None:
    first = client.sample(LONG)
    client.until(lambda: len(client.progress(first)) == 5)
    second = client.sample(Request(steps=4, seed=1))
    events = client.step()
    assert {event.stage_id for event in events if isinstance(event, Progress)} == {first, second}
    client.finish(first, second)
    assert client.progress(second)[-1].step == 4
    torch.testing.assert_close(latents_of(client, first), solo_latents(LONG), atol=1e-4, rtol=0)


def test_a_cancelled_request_leaves_within_one_evaluation_and_takes_its_tensors_along(client: Client) -> None:
    client.finish(client.sample(Request(steps=2)))
    before = tensors()
    stages = [client.sample(Request(steps=30, seed=seed)) for seed in range(3)]
    client.until(lambda: len(client.progress(stages[0])) == 4)
    for stage in stages:
        client.device.cancel(stage)
        counts = [len(client.progress(stage)) for stage in stages]
        events = client.step()
        assert Ended(stage, "cancelled") in events
        assert len(client.progress(stage)) == counts[stages.index(stage)]
    assert tensors() <= before
    assert client.device.idle


@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
def test_a_cancelled_decoding_ends_at_its_next_chunk_and_takes_its_tensors_along(client: Client, method: str) -> None:
    request = Request(octree=40, method=method)
    source = client.latents(solo_latents(request))
    client.finish(client.decode(Request(octree=8), source))
    before = tensors()
    stage = client.decode(request, source)
    client.until(lambda: len(client.progress(stage)) >= 3)
    assert tensors() > before
    client.device.cancel(stage)
    assert client.step() == [Ended(stage, "cancelled")]
    assert tensors() <= before
    assert client.device.manager.used == sum(use.size_bytes for use in client.device.report().models)


def test_cancelling_what_has_ended_or_never_was_does_nothing(client: Client) -> None:
    stage = client.sample(Request())
    client.finish(stage)
    client.device.cancel(stage)
    client.device.cancel(999)
    assert client.device.idle


def test_cancelling_before_the_input_was_read_or_after_the_device_was_done_ends_it(client: Client) -> None:
    reading = client.encode(Request())
    client.device.cancel(reading)
    source = client.latents(solo_latents(Request()))
    finishing = client.decode(Request(), source)
    client.until(lambda: any(each.state == "finishing" for each in client.device.report().active))
    client.device.cancel(finishing)
    assert client.finish(reading, finishing) == ["cancelled", "cancelled"]
    client.finish()


# several at once


def test_two_models_take_turns(client: Client) -> None:
    client.finish(*(client.sample(Request(variant, steps=2)) for variant in ("base", "v21")))
    stages = [client.sample(Request(variant, steps=24)) for variant in ("base", "v21")]
    client.finish(*stages)
    turns = [event.stage_id for event in client.events if isinstance(event, Progress) and event.stage_id in stages]
    assert turns not in (sorted(turns), sorted(turns, reverse=True))
    for stage, variant in zip(stages, ("base", "v21"), strict=True):
        torch.testing.assert_close(
            latents_of(client, stage), solo_latents(Request(variant, steps=24)), atol=1e-4, rtol=0
        )


def test_sampling_goes_on_while_a_volume_is_decoded(client: Client) -> None:
    sampling = client.sample(LONG)
    client.until(lambda: bool(client.progress(sampling)))
    decoding = client.decode(Request(octree=40), client.latents(solo_latents(Request())))
    client.until(lambda: len(client.progress(decoding)) >= 6)
    seen = [event.stage_id for event in client.events[-12:] if isinstance(event, Progress)]
    assert {sampling, decoding} == set(seen)
    client.finish(sampling, decoding)


def test_more_requests_than_a_batch_holds_all_end(connect: Connect) -> None:
    client = connect(batch_max=2)
    requests = [Request(steps=4, seed=seed) for seed in range(5)]
    stages = [client.sample(request) for request in requests]
    client.finish(*stages)
    assert max(client.device.report().batches) == 2
    for request, stage in zip(requests, stages, strict=True):
        torch.testing.assert_close(latents_of(client, stage), solo_latents(request), atol=1e-4, rtol=0)


# failures


def test_a_bad_item_of_a_batch_fails_alone(connect: Connect) -> None:
    bad: list[int] = []

    def before(unit: Unit) -> None:
        if set(bad) & set(unit.stage_ids):
            raise ZeroDivisionError

    client = connect(before=before)
    requests = [Request(steps=6, seed=seed) for seed in range(3)]
    stages = [client.sample(request) for request in requests]
    client.until(lambda: len(client.progress(stages[0])) == 2)
    bad.append(stages[1])
    outcomes = client.finish(*stages)
    assert isinstance(outcomes[1], InternalError)
    for i in (0, 2):
        torch.testing.assert_close(latents_of(client, stages[i]), solo_latents(requests[i]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["load", "encode", "tokens", "chunk"])
def test_what_a_unit_raises_ends_its_stage_only(connect: Connect, kind: str) -> None:
    broken = [True]

    def before(unit: Unit) -> None:
        if unit.kind == kind and broken[0]:
            raise ZeroDivisionError

    client = connect(before=before)

    def ask() -> int:
        if kind == "encode":
            return client.encode(Request())
        return client.decode(Request(octree=8), client.latents(solo_latents(Request())))

    (failed,) = client.finish(ask())
    assert isinstance(failed, InternalError)
    assert failed.detail.endswith("failed unexpectedly.")
    broken[0] = False
    (done,) = client.finish(ask())
    assert isinstance(done, Done)


def test_a_device_that_has_failed_for_good_says_so(connect: Connect) -> None:
    def before(unit: Unit) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    client = connect(before=before)
    client.sample(Request())
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        client.finish()


def test_an_input_that_was_swept_is_told(client: Client) -> None:
    source = client.tokens(Request())
    assert source.blob is not None
    client.blobs.delete(source.blob)
    (ended,) = client.finish(client.sample(Request(), source))
    assert ended == InputGone(source.fingerprint)
    picture = client.encode(Request())
    assert client.device.report().active[0].state == "waiting"
    assert isinstance(client.finish(picture)[0], Done)


def test_a_model_that_is_not_there_and_an_empty_picture_have_their_own_errors(client: Client) -> None:
    spec = ModelLoad(model="gone", place="tencent/Hunyuan3D-2/hunyuan3d-dit-v2-0")
    (ended,) = client.finish(client.submit(spec))
    assert isinstance(ended, CheckpointError)
    empty = client.empty_picture()
    (ended,) = client.finish(client.submit(client.spec("shape.encode", Request()), [empty]))
    assert isinstance(ended, InvalidImageError)


def test_numbers_that_overflowed_are_no_result(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect()
    client.finish(client.sample(Request(steps=2)))
    source = client.tokens(Request())
    monkeypatch.setattr(
        "orfeas.gpu.sampling.guided_velocity", lambda denoiser, latents, *rest: torch.full_like(latents, torch.nan)
    )
    (ended,) = client.finish(client.sample(Request(steps=2), source))
    assert isinstance(ended, InternalError)
    assert "precision" in ended.detail


# models


def test_models_are_loaded_and_unloaded_by_command(client: Client) -> None:
    (loaded,) = client.finish(client.submit(ModelLoad(model="tiny", place=PLACES["base"], nonce="1")))
    assert loaded.report["bytes"] == sum(loaded.report["parts"].values()) > 2e6
    (use,) = client.device.report().models
    assert (use.model, set(use.parts), use.in_use) == ("tiny", {"encoder", "denoiser", "vae"}, False)
    (unloaded,) = client.finish(client.submit(ModelUnload(model="tiny", nonce="2")))
    assert unloaded.report == {"freed_bytes": use.size_bytes}
    assert client.device.report().models == ()


def test_a_model_at_work_is_neither_unloaded_nor_cleared(client: Client) -> None:
    stage = client.sample(LONG)
    client.until(lambda: bool(client.progress(stage)))
    (refused,) = client.finish(client.submit(ModelUnload(model="base")))
    assert refused.code == "model_in_use"
    client.finish(client.submit(ModelClear()))
    assert client.device.report().models[0].in_use
    torch.testing.assert_close(latents_of(client, stage), solo_latents(LONG), atol=1e-4, rtol=0)


def test_a_model_that_a_waiting_stage_will_use_is_not_unloaded(client: Client) -> None:
    stage = client.encode(Request())
    (refused,) = client.finish(client.submit(ModelUnload(model="base")))
    assert refused.code == "model_in_use"
    assert isinstance(client.finish(stage)[0], Done)


def test_weights_that_nobody_used_for_long_are_let_go(connect: Connect) -> None:
    from tests.gpu.harness import Clock

    clock = Clock()
    client = connect(idle_s=60.0, clock=clock)
    client.finish(client.sample(Request(steps=2)))
    assert client.device.idle
    clock.now += 61
    assert not client.device.idle
    client.step()
    assert client.device.idle
    assert client.device.report().models == ()


def test_a_report_names_what_is_active_with_what_it_will_need(client: Client) -> None:
    client.finish(client.sample(LONG))
    stage = client.sample(LONG)
    client.until(lambda: bool(client.progress(stage)))
    (active,) = client.device.report().active
    assert (active.stage_id, active.name, active.model, active.state) == (stage, "shape.sample", "base", "running")
    assert active.needed_bytes
    assert active.needed_s
    assert 0 < active.fraction < 1
    client.finish(stage)


def test_priority_decides_before_age(connect: Connect) -> None:
    from tests.gpu.harness import Clock

    client = connect(batch_max=1, clock=Clock(NOW + 50))
    stages = [client.sample(Request(steps=3, seed=i), priority=priority) for i, priority in enumerate((5, 5, 1))]
    client.finish(*stages)
    turns = [event.stage_id for event in client.events if isinstance(event, Progress)]
    assert list(dict.fromkeys(turns)) == [stages[2], stages[0], stages[1]]
