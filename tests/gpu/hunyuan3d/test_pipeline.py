"""The whole pipeline on tiny checkpoints: recorded numbers, and the properties that batches and cancelling need."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.errors import EmptySurfaceError, InvalidImageError, ModelUnavailableError  # noqa: E402
from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline, Savings  # noqa: E402
from tests.gpu.hunyuan3d.golden import BASE, INPUTS, MODELS, MULTIVIEW, TURBO, V21, vectors  # noqa: E402

VARIANTS = {"base": BASE, "turbo": TURBO, "mv": MULTIVIEW, "v21": V21}
FIRST, SECOND, THIRD = (INPUTS / f"input_{i}.png" for i in range(3))
VIEWS = {"front": FIRST, "left": SECOND, "back": THIRD}
DECODE = {"octree_resolution": 32, "method": "dense"}


@pytest.fixture(scope="module")
def pipes() -> dict[str, Hunyuan3DPipeline]:
    return {name: Hunyuan3DPipeline.from_pretrained(MODELS, *where) for name, where in VARIANTS.items()}


@pytest.fixture(params=VARIANTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pipe(pipes: dict[str, Hunyuan3DPipeline], name: str) -> Hunyuan3DPipeline:
    return pipes[name]


@pytest.fixture
def base(pipes: dict[str, Hunyuan3DPipeline]) -> Hunyuan3DPipeline:
    return pipes["base"]


def pictures(name: str) -> Any:
    return VIEWS if name == "mv" else FIRST


def conditions(pipe: Hunyuan3DPipeline, name: str) -> torch.Tensor:
    """Condition tokens of two items."""
    if name == "mv":
        return pipe.encode(pipe.preprocess([VIEWS, {"front": THIRD, "left": FIRST, "back": SECOND}]))
    return pipe.encode(pipe.preprocess([FIRST, SECOND]))


def random_latents(pipe: Hunyuan3DPipeline, batch: int) -> torch.Tensor:
    return pipe.noise(range(100, 100 + batch))


# recorded numbers


def test_a_picture_becomes_the_recorded_latents(pipe: Hunyuan3DPipeline, name: str) -> None:
    recorded = vectors(f"{name}_denoise")
    condition = pipe.encode(pipe.preprocess(pictures(name)))
    settings = {"num_inference_steps": recorded["num_steps"], "guidance_scale": recorded["guidance"]}
    latents = pipe.sample(condition, **settings, latents=recorded["init_latents"])
    torch.testing.assert_close(latents, recorded["final_latents"], atol=5e-4, rtol=0)


def test_a_batch_of_two_becomes_the_recorded_latents(pipe: Hunyuan3DPipeline, name: str) -> None:
    recorded = vectors(f"{name}_denoise")
    if "batch2_init_latents" not in recorded:
        return
    settings = {"num_inference_steps": recorded["num_steps"], "guidance_scale": recorded["guidance"]}
    latents = pipe.sample(conditions(pipe, name), **settings, latents=recorded["batch2_init_latents"])
    torch.testing.assert_close(latents, recorded["batch2_final_latents"], atol=5e-4, rtol=0)


def test_a_seed_gives_the_recorded_noise(pipe: Hunyuan3DPipeline, name: str) -> None:
    recorded = vectors(f"{name}_denoise")
    assert torch.equal(pipe.noise([recorded["seed"]]), recorded["init_latents"])


def test_a_schedule_has_the_recorded_times(pipe: Hunyuan3DPipeline, name: str) -> None:
    recorded = vectors(f"{name}_denoise")
    torch.testing.assert_close(pipe.sigmas(recorded["num_steps"]), recorded["sigmas"], atol=1e-6, rtol=0)


def test_a_picture_becomes_the_recorded_mesh(base: Hunyuan3DPipeline) -> None:
    recorded = vectors("base_postprocess")
    seed, steps = (vectors("base_denoise")[key] for key in ("seed", "num_steps"))
    (mesh,) = base(FIRST, num_inference_steps=steps, seeds=[seed], octree_resolution=48, method="dense")
    # The recorded mesh is scaled by N / (N + 1) about the corner of the box.
    vertices = (mesh.vertices + 1.01) * (48 / 49) - 1.01
    stored = recorded["e2e_v"].numpy()
    assert len(vertices) == pytest.approx(len(stored), rel=0.01)
    assert cKDTree(stored).query(vertices)[0].max() < 0.005
    assert cKDTree(vertices).query(stored)[0].max() < 0.005


@pytest.mark.parametrize("level", [-0.3, 0.0, 0.4])
@pytest.mark.parametrize("options", [{"method": "hierarchical"}, {"method": "flashvdm", "flash_mode": "merge"}])
def test_sparse_decoding_finds_the_same_surface(base: Hunyuan3DPipeline, options: dict[str, Any], level: float) -> None:
    tokens = base.decode_latents(vectors("base_denoise")["final_latents"])
    dense = base.extract(base.volume(tokens, 64, method="dense", level=level), level)
    sparse = base.extract(base.volume(tokens, 64, min_resolution=15, level=level, **options), level)
    cell = 2.02 / 64
    assert cKDTree(dense.vertices).query(sparse.vertices)[0].max() < cell / 2
    assert cKDTree(sparse.vertices).query(dense.vertices)[0].max() < cell / 2


# batches


def test_a_batch_gives_each_item_what_it_gets_alone(pipe: Hunyuan3DPipeline, name: str) -> None:
    condition = conditions(pipe, name)
    settings = {"num_inference_steps": 4, "guidance_scale": [5.0, 2.0]}
    both = pipe.sample(condition, **settings, seeds=[3, 4])
    for i, seed in enumerate((3, 4)):
        alone = pipe.sample(condition[i : i + 1], num_inference_steps=4, guidance_scale=[5.0, 2.0][i], seeds=[seed])
        torch.testing.assert_close(both[i : i + 1], alone, atol=2e-5, rtol=1e-4)


def test_the_order_of_items_does_not_matter(pipe: Hunyuan3DPipeline, name: str) -> None:
    condition, latents = conditions(pipe, name), random_latents(pipe, 2)
    t, scales = torch.tensor([0.2, 0.7]), [5.0, 1.5]
    forward = pipe.denoise(latents, t, condition, scales)
    backward = pipe.denoise(latents.flip(0), t.flip(0), condition.flip(0), scales[::-1])
    torch.testing.assert_close(backward.flip(0), forward, atol=1e-5, rtol=1e-4)


def test_items_with_different_step_counts_share_evaluations(pipe: Hunyuan3DPipeline, name: str) -> None:
    """A loop that joins items at different places of different schedules gives each what it gets alone."""
    condition, counts, scales = conditions(pipe, name), (5, 3), [4.0, None]
    prepared = pipe.prepare(condition)
    schedules = [pipe.sigmas(count) for count in counts]
    latents = list(pipe.noise([7, 8]).split(1))
    for step in range(max(counts)):
        active = [i for i, sigmas in enumerate(schedules) if step < len(sigmas) - 1]
        t = torch.stack([schedules[i][step] for i in active])
        velocity = pipe.denoise(
            torch.cat([latents[i] for i in active]), t, prepared.select(active), [scales[i] for i in active]
        )
        for row, i in enumerate(active):
            latents[i] = latents[i] + (schedules[i][step + 1] - schedules[i][step]) * velocity[row : row + 1]
    for i, count in enumerate(counts):
        alone = pipe.sample(condition[i : i + 1], num_inference_steps=count, guidance_scale=scales[i], seeds=[7 + i])
        torch.testing.assert_close(latents[i], alone, atol=2e-5, rtol=1e-4)


def test_prepared_conditions_of_items_join(pipe: Hunyuan3DPipeline, name: str) -> None:
    condition, latents = conditions(pipe, name), random_latents(pipe, 2)
    parts = [pipe.prepare(condition[i : i + 1]) for i in range(2)]
    joined = pipe.denoise(latents, 0.4, parts[0].cat(parts), 5.0)
    torch.testing.assert_close(joined, pipe.denoise(latents, 0.4, condition, 5.0), atol=1e-5, rtol=1e-4)


def test_a_seed_means_the_same_alone_and_in_a_batch(base: Hunyuan3DPipeline) -> None:
    assert torch.equal(base.noise([1, 2, 3])[1], base.noise([2])[0])
    assert not torch.equal(base.noise([1]), base.noise([2]))


def test_two_threads_share_one_pipeline(pipe: Hunyuan3DPipeline, name: str) -> None:
    condition = conditions(pipe, name)[:1]
    counts = (3, 5)
    expected = [pipe.sample(condition, num_inference_steps=n, guidance_scale=3.0) for n in counts]
    found: dict[int, torch.Tensor] = {}

    def work(n: int) -> None:
        for _ in range(3):
            found[n] = pipe.sample(condition, num_inference_steps=n, guidance_scale=3.0)

    threads = [threading.Thread(target=work, args=(n,)) for n in counts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, latents in zip(counts, expected, strict=True):
        torch.testing.assert_close(found[n], latents, atol=1e-6, rtol=1e-5)


# savings


@pytest.mark.parametrize("saving", [*Savings.__slots__, "all"])
def test_each_saving_leaves_the_numbers_as_they_are(pipe: Hunyuan3DPipeline, name: str, saving: str) -> None:
    savings = Savings.none() if saving == "all" else replace(Savings(), **{saving: False})
    plain = Hunyuan3DPipeline.from_pretrained(MODELS, *VARIANTS[name], savings=savings)
    condition = conditions(pipe, name)
    settings = {"num_inference_steps": 3, "guidance_scale": [5.0, 1.0], "seeds": [1, 2]}
    torch.testing.assert_close(
        pipe.sample(condition, **settings), plain.sample(condition, **settings), atol=2e-5, rtol=1e-4
    )


def test_guidance_of_none_and_of_one_is_the_conditional_velocity(base: Hunyuan3DPipeline) -> None:
    condition, latents = conditions(base, "base"), random_latents(base, 2)
    conditional = base.denoise(latents, 0.3, condition)
    assert torch.equal(conditional, base.denoise(latents, 0.3, condition, 1.0))
    mixed = base.denoise(latents, 0.3, condition, torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(mixed[0], conditional[0], atol=1e-6, rtol=1e-5)
    assert (mixed[1] - conditional[1]).abs().max() > 1e-3


def test_an_embedded_guidance_scale_changes_the_velocity(pipes: dict[str, Hunyuan3DPipeline]) -> None:
    pipe = pipes["turbo"]
    condition, latents = conditions(pipe, "turbo"), random_latents(pipe, 2)
    assert not torch.equal(pipe.denoise(latents, 0.3, condition, 2.0), pipe.denoise(latents, 0.3, condition, 7.0))


def test_weights_that_are_let_go_give_the_same_result() -> None:
    settings = {"num_inference_steps": 3, "octree_resolution": 16, "method": "dense"}
    kept = Hunyuan3DPipeline.from_pretrained(MODELS, *BASE)
    lean = Hunyuan3DPipeline.from_pretrained(MODELS, *BASE, offload=True)
    assert not lean.encoder.loaded
    (expected,), (mesh,) = kept(FIRST, **settings), lean(FIRST, **settings)
    assert np.array_equal(mesh.vertices, expected.vertices)
    assert not any(part.loaded for part in (lean.encoder, lean.denoiser, lean.vae))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(pipe: Hunyuan3DPipeline, name: str, dtype: torch.dtype) -> None:
    half = Hunyuan3DPipeline.from_pretrained(MODELS, *VARIANTS[name], dtype=dtype)
    condition, latents = conditions(pipe, name), random_latents(pipe, 2)
    velocity = half.denoise(latents, torch.tensor([0.1, 0.9]), condition, 3.0)
    assert velocity.dtype == torch.float32
    expected = pipe.denoise(latents, torch.tensor([0.1, 0.9]), condition, 3.0)
    assert (velocity - expected).abs().mean() / expected.abs().mean() < (0.1 if dtype == torch.bfloat16 else 0.02)


@pytest.mark.soak
@pytest.mark.filterwarnings("default::DeprecationWarning:torch")  # the compiler deprecates parts of torch
def test_a_compiled_denoiser_gives_the_same_numbers(base: Hunyuan3DPipeline) -> None:
    compiled = Hunyuan3DPipeline.from_pretrained(MODELS, *BASE, compile_denoiser=True)
    condition, latents = conditions(base, "base"), random_latents(base, 2)
    torch.testing.assert_close(
        compiled.denoise(latents, 0.5, condition, 5.0), base.denoise(latents, 0.5, condition, 5.0), atol=1e-4, rtol=1e-3
    )


# separate VAE folders


def test_a_separate_vae_folder_replaces_the_vae_of_the_checkpoint() -> None:
    repo, subfolder = BASE
    pipe = Hunyuan3DPipeline.from_pretrained(
        MODELS, repo, subfolder, vae_repo=repo, vae_subfolder="hunyuan3d-vae-v2-tiny-turbo"
    )
    recorded = vectors("turbovae_vae")
    tokens = pipe.decode_latents(vectors("base_denoise")["final_latents"])
    torch.testing.assert_close(tokens, recorded["vae_latents"], atol=2e-4, rtol=0)
    logits = pipe.query(tokens, recorded["queries"])
    torch.testing.assert_close(logits, recorded["query_logits"].squeeze(-1), atol=2e-4, rtol=0)


# cancelling and failing


class CancelledError(Exception):
    """What a caller's callback raises."""


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def is_cancelled(work: Callable[[], Any]) -> bool:
    """Whether the work was cancelled; the exception and its frames are gone afterwards."""
    try:
        work()
    except CancelledError:
        return True
    return False


def test_a_run_cancelled_at_any_step_leaves_no_tensor_behind(pipe: Hunyuan3DPipeline, name: str) -> None:
    condition = conditions(pipe, name)
    before = tensors()
    for step in range(1, 5):

        def cancel(done: int, total: int, latents: torch.Tensor, step: int = step) -> None:
            assert (total, latents.shape[0]) == (4, 2)
            if done == step:
                raise CancelledError

        settings = {"num_inference_steps": 4, "guidance_scale": 5.0, "on_step": cancel}
        assert is_cancelled(partial(pipe.sample, condition, **settings))
        assert tensors() <= before


@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
def test_decoding_cancelled_at_a_chunk_leaves_no_tensor_behind(base: Hunyuan3DPipeline, method: str) -> None:
    tokens = base.decode_latents(vectors("base_denoise")["final_latents"])
    before, seen = tensors(), []

    def cancel(share: float) -> None:
        seen.append(share)
        if len(seen) == 3:
            raise CancelledError

    options = {"method": method, "num_chunks": 2000, "min_resolution": 7, "on_chunk": cancel}
    assert is_cancelled(partial(base.volume, tokens, 32, **options))
    assert tensors() <= before
    assert seen == sorted(seen)


def test_every_step_is_reported_also_the_one_of_width_zero(pipe: Hunyuan3DPipeline, name: str) -> None:
    reported: list[tuple[int, int]] = []
    pipe.sample(
        conditions(pipe, name),
        num_inference_steps=4,
        guidance_scale=2.0,
        on_step=lambda step, total, _: reported.append((step, total)),
    )
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_field_without_a_surface_has_an_error_of_its_own(base: Hunyuan3DPipeline) -> None:
    tokens = base.decode_latents(vectors("base_denoise")["final_latents"])
    grid = base.volume(tokens, 16, method="dense")
    with pytest.raises(EmptySurfaceError):
        base.extract(grid, level=50.0)


def test_an_empty_picture_is_refused(base: Hunyuan3DPipeline) -> None:
    from PIL import Image

    with pytest.raises(InvalidImageError):
        base.preprocess(Image.new("RGBA", (40, 40)))


def test_a_folder_that_is_not_there_is_a_model_that_is_unavailable() -> None:
    with pytest.raises(ModelUnavailableError):
        Hunyuan3DPipeline.from_pretrained(MODELS, "tencent/Hunyuan3D-2", "hunyuan3d-dit-v2-0")


@pytest.mark.parametrize("scale", [-1.0, float("nan"), [1.0, 2.0, 3.0]])
def test_guidance_that_makes_no_sense_is_refused(base: Hunyuan3DPipeline, scale: Any) -> None:
    with pytest.raises(ValueError, match=r"guidance"):
        base.denoise(random_latents(base, 2), 0.5, conditions(base, "base"), scale)


def test_noise_for_another_batch_is_refused(base: Hunyuan3DPipeline) -> None:
    with pytest.raises(ValueError, match=r"batch of 2"):
        base.sample(conditions(base, "base"), num_inference_steps=2, seeds=[1, 2, 3])
