"""Both denoisers against recorded tensors, and what holds for every denoiser."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.hunyuan3d.denoiser import Condition, Times  # noqa: E402
from orfeas.gpu.hunyuan3d.schedulers import schedule  # noqa: E402
from tests.gpu.hunyuan3d.denoising import (  # noqa: E402
    FOLDERS,
    SECOND,
    encode,
    evaluate,
    guidances,
    halves,
    load_denoiser,
    sample,
    settings_of,
)
from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402

T = torch.tensor([0.0, 0.37, 0.9])
SCALES = (5.0, 1.5, 9.0)


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(params=FOLDERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def assert_close(actual: Any, expected: Any, tolerance: float = 2e-6) -> None:
    """Equal but for 0.5 % of the values: a token between two experts may go to the other one."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    near = (actual - expected).abs() <= tolerance * (1 + expected.abs())
    assert near.float().mean() >= 0.995, f"off by up to {(actual - expected).abs().max()}"


def three_items(name: str, denoiser: Any) -> tuple[Any, Condition, Times]:
    """Latents, conditions and times of three different items."""
    tokens = vectors(f"{name}_denoise")["cond"][:1]
    condition = denoiser.prepare_condition(torch.cat((tokens, tokens.flip(1), -tokens)))
    latents = torch.randn(3, 24, 8, generator=torch.Generator().manual_seed(1))
    return latents, condition, denoiser.prepare_times(T, guidances(denoiser, *SCALES))


@pytest.mark.parametrize("compressed", [True, False])
def test_every_recorded_evaluation_is_reproduced(name: str, compressed: bool) -> None:
    denoiser, expected = load_denoiser(name), vectors(f"{name}_denoise")
    conditions = halves(denoiser, expected["cond"][:1], compressed=compressed)
    latents = [expected["init_latents"], *expected["latents_steps"]]
    for i, outputs in enumerate(expected["dit_out"]):
        t = expected["dit_t"][i, 0].item()
        actual = evaluate(denoiser, latents[i], conditions, t, expected["guidance"])
        assert_close(torch.cat(actual), outputs, 1e-4)
    probe = evaluate(denoiser, latents[0], conditions[:1], 0.37, 7.5)
    assert_close(probe[0], expected["probe_out"], 1e-4)


@pytest.mark.parametrize("compressed", [True, False])
def test_sampling_ends_at_the_recorded_latents(name: str, compressed: bool) -> None:
    denoiser, expected = load_denoiser(name), vectors(f"{name}_denoise")
    plan = schedule(settings_of(name).scheduler, expected["num_steps"])
    torch.testing.assert_close(plan.sigmas, expected["sigmas"], atol=1e-6, rtol=0)
    conditions = halves(denoiser, expected["cond"][:1], compressed=compressed)
    final = sample(denoiser, plan, expected["init_latents"], conditions, expected["guidance"])
    assert_close(final, expected["final_latents"], 5e-4)


def test_a_second_picture_and_a_batch_end_at_the_recorded_latents(name: str) -> None:
    denoiser, expected = load_denoiser(name), vectors(f"{name}_denoise")
    plan = schedule(settings_of(name).scheduler, expected["num_steps"])
    second = encode(name, SECOND[name])
    final = sample(denoiser, plan, expected["b_init_latents"], halves(denoiser, second), expected["b_guidance"])
    assert_close(final, expected["b_final_latents"], 5e-4)
    if name != "mv":
        both = halves(denoiser, torch.cat((expected["cond"][:1], second)))
        final = sample(denoiser, plan, expected["batch2_init_latents"], both, expected["guidance"])
        assert_close(final, expected["batch2_final_latents"], 5e-4)


def test_items_of_different_times_and_scales_do_not_influence_each_other(name: str) -> None:
    denoiser = load_denoiser(name)
    latents, condition, times = three_items(name, denoiser)
    together = denoiser(latents, condition, times)
    for i in range(3):
        alone = denoiser(latents[i : i + 1], condition.select([i]), times.select(slice(i, i + 1)))
        assert_close(together[i : i + 1], alone)


def test_the_order_of_the_items_is_irrelevant(name: str) -> None:
    denoiser, order = load_denoiser(name), torch.tensor([2, 0, 1])
    latents, condition, times = three_items(name, denoiser)
    turned = denoiser(latents[order], condition.select(order), times.select(order))
    assert_close(turned, denoiser(latents, condition, times)[order])


def test_items_that_were_prepared_apart_can_be_joined(name: str) -> None:
    denoiser = load_denoiser(name)
    latents, condition, times = three_items(name, denoiser)
    joined = condition.cat([condition.select([1, 2]), condition.select(slice(0, 1))])
    later = times.cat([times.select(torch.tensor([1, 2])), times.select([0])])
    assert (joined.batch, later.batch) == (3, 3)
    velocity = denoiser(latents[[1, 2, 0]], joined, later)
    assert_close(velocity, denoiser(latents, condition, times)[[1, 2, 0]])


def test_latent_tokens_are_a_set(name: str) -> None:
    denoiser, order = load_denoiser(name), torch.randperm(24, generator=torch.Generator().manual_seed(2))
    latents, condition, times = three_items(name, denoiser)
    assert_close(denoiser(latents[:, order], condition, times), denoiser(latents, condition, times)[:, order])


def test_one_row_of_times_serves_all_items(name: str) -> None:
    denoiser = load_denoiser(name)
    latents, condition, times = three_items(name, denoiser)
    assert_close(
        denoiser(latents, condition, times.select([1])), denoiser(latents, condition, times.select([1, 1, 1])), 1e-6
    )


def test_times_prepared_together_are_those_prepared_one_by_one(name: str) -> None:
    denoiser = load_denoiser(name)
    together = denoiser.prepare_times(T, guidances(denoiser, *SCALES))
    for i, (t, scale) in enumerate(zip(T, SCALES, strict=True)):
        assert_close(together.rows[i : i + 1], denoiser.prepare_times(t[None], guidances(denoiser, scale)).rows)


@pytest.mark.parametrize("count", [1, 2, 17, 1370])
def test_the_compressed_unconditional_half_is_that_of_all_zeros(name: str, count: int) -> None:
    denoiser = load_denoiser(name)
    latents, _, times = three_items(name, denoiser)
    plain = denoiser.prepare_unconditional(3, count, compressed=False)
    short = denoiser.prepare_unconditional(3, count)
    zeros = denoiser.prepare_condition(torch.zeros(3, count, 48))
    assert plain.num_tokens == count
    assert short.num_tokens <= 1
    expected = denoiser(latents, zeros, times)
    assert_close(denoiser(latents, plain, times), expected)
    assert_close(denoiser(latents, short, times), expected)


def test_compressed_halves_of_different_lengths_share_a_batch(name: str) -> None:
    denoiser = load_denoiser(name)
    latents, _, times = three_items(name, denoiser)
    apart = [denoiser.prepare_unconditional(1, count) for count in (17, 1370, 51)]
    together = denoiser(latents, Condition.cat(apart), times)
    for i, condition in enumerate(apart):
        assert_close(together[i : i + 1], denoiser(latents[i : i + 1], condition, times.select([i])))


def test_conditions_of_different_lengths_do_not_share_a_batch(name: str) -> None:
    denoiser = load_denoiser(name)
    conditions = [denoiser.prepare_condition(torch.zeros(1, count, 48)) for count in (17, 18)]
    with pytest.raises(ValueError, match=r"conditions of \[17, 18\] tokens"):
        Condition.cat(conditions)


def test_a_counted_token_and_an_ordinary_one_share_a_batch() -> None:
    denoiser = load_denoiser("base")
    latents, condition, times = three_items("base", denoiser)
    ordinary, counted = denoiser.prepare_condition(torch.ones(1, 1, 48)), denoiser.prepare_unconditional(1, 17)
    together = denoiser(latents[:2], Condition.cat([ordinary, counted]), times.select([0, 1]))
    for i, condition in enumerate((ordinary, counted)):
        assert_close(together[i : i + 1], denoiser(latents[i : i + 1], condition, times.select([i])))


@pytest.mark.parametrize("dtype, limit", [(torch.float16, 0.003), (torch.bfloat16, 0.025)])
def test_half_precision_stays_near(name: str, dtype: Any, limit: float) -> None:
    """In nine tokens of ten: one between two experts may go to the other one."""
    velocities = []
    for denoiser in (load_denoiser(name), load_denoiser(name, dtype)):
        latents, _, times = three_items(name, denoiser)
        conditions = halves(denoiser, vectors(f"{name}_denoise")["cond"][:1].expand(3, -1, -1))
        velocities.append(torch.cat([denoiser(latents, condition, times) for condition in conditions]))
    assert velocities[1].dtype == torch.float32
    errors = (velocities[1] - velocities[0]).norm(dim=-1) / velocities[0].norm(dim=-1)
    assert errors.flatten().quantile(0.9).item() < limit


def test_two_threads_may_use_a_denoiser_at_once(name: str) -> None:
    denoiser = load_denoiser(name)
    items = three_items(name, denoiser)
    expected = denoiser(*items)

    def work(_: int) -> Any:
        with torch.inference_mode():
            return denoiser(*items)

    with ThreadPoolExecutor(2) as pool:
        for velocity in pool.map(work, range(8)):
            assert_close(velocity, expected)


@pytest.mark.parametrize("kind, dtype", [("turbo", torch.float32), ("v21", torch.bfloat16)])
def test_a_denoiser_is_one_graph_for_the_compiler(kind: str, dtype: Any) -> None:
    denoiser = load_denoiser(kind, dtype)
    items = three_items(kind, denoiser)
    graph = torch.compile(denoiser, backend="eager", fullgraph=True)
    assert_close(graph(*items), denoiser(*items), 1e-6 if dtype == torch.float32 else 0.05)
