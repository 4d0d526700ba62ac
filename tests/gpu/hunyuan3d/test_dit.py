"""What is particular to the denoiser of 2.0, mini and multi-view."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from torch.nn import functional  # noqa: E402

from orfeas.gpu.hunyuan3d.dit import Hunyuan3DDiT, ScalarEmbedder, SingleBlock  # noqa: E402
from orfeas.gpu.hunyuan3d.settings import DiTSettings  # noqa: E402
from tests.gpu.hunyuan3d.denoising import load_denoiser  # noqa: E402

RELEASED = DiTSettings(
    in_channels=64, context_in_dim=1536, hidden_size=1024, num_heads=16, depth=16, depth_single_blocks=32
)


@pytest.mark.parametrize(
    "depth, singles, embedded, millions",
    [(16, 32, False, 1113.27), (16, 32, True, 1114.58), (8, 16, False, 559.20), (8, 16, True, 560.51)],
)
def test_the_released_sizes_have_their_published_counts(
    depth: int, singles: int, embedded: bool, millions: float
) -> None:
    settings = replace(RELEASED, depth=depth, depth_single_blocks=singles, guidance_embed=embedded)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Hunyuan3DDiT(settings).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.01)


def test_projections_without_a_bias_are_built_without_one() -> None:
    with torch.device("meta"):
        keys = set(Hunyuan3DDiT(RELEASED).state_dict()) - set(
            Hunyuan3DDiT(replace(RELEASED, qkv_bias=False)).state_dict()
        )
    assert len(keys) == 32
    assert all(key.endswith("_attn.qkv.bias") for key in keys)


def test_a_guidance_embedding_needs_a_scale() -> None:
    denoiser = load_denoiser("turbo")
    with pytest.raises(ValueError, match="guidance scale"):
        denoiser.prepare_times(torch.tensor([0.5]), None)


def test_the_scale_of_an_embedding_changes_the_velocity() -> None:
    denoiser = load_denoiser("turbo")
    rows = denoiser.prepare_times(torch.tensor([0.5, 0.5, 0.5]), torch.tensor([5.0, 5.0, 7.5])).rows
    assert torch.equal(rows[0], rows[1])
    assert (rows[0] - rows[2]).abs().max() > 1e-3


def test_the_embedding_of_a_scalar_is_cosines_and_sines_of_its_thousandfold() -> None:
    embedder = ScalarEmbedder(4)
    phases = [300 * 1000 ** (-i / 128) for i in range(128)]
    waves = torch.tensor([[1.0] * 128 + [0.0] * 128, [*map(math.cos, phases), *map(math.sin, phases)]])
    expected = embedder.out_layer(functional.silu(embedder.in_layer(waves)))
    torch.testing.assert_close(embedder(torch.tensor([0.0, 0.3])), expected, atol=5e-5, rtol=0)


def test_times_are_not_rounded_to_the_type_of_the_weights() -> None:
    times = torch.tensor([0.99805, 0.99815])
    assert times[0].half() == times[1].half()
    half, full = (
        load_denoiser("base", dtype).prepare_times(times, None).rows for dtype in (torch.float16, torch.float32)
    )
    assert (full[0] - full[1]).abs().max() > 0.003
    torch.testing.assert_close(half.float(), full, atol=5e-4, rtol=1e-3)


def test_a_single_block_that_leaves_out_tokens_gives_the_others_as_before() -> None:
    torch.manual_seed(0)
    block = SingleBlock(replace(RELEASED, hidden_size=24, num_heads=3))
    for parameter in block.parameters():
        parameter.data.normal_(std=0.2)
    stream, rows = torch.randn(2, 9, 24), torch.randn(2, 3, 24)
    bias = torch.tensor([0.0, 2.0])
    whole = block(stream, rows, bias)
    torch.testing.assert_close(block(stream, rows, bias, 4), whole[:, 4:], atol=1e-5, rtol=1e-5)


def test_a_bias_of_ln_n_counts_the_first_token_n_times() -> None:
    denoiser, tokens, latents = load_denoiser("base"), torch.randn(1, 1, 48), torch.randn(1, 24, 8)
    times = denoiser.prepare_times(torch.tensor([0.4]), None)
    five = denoiser(latents, denoiser.prepare_condition(tokens.expand(-1, 5, -1)), times)
    one = denoiser.prepare_condition(tokens)
    counted = replace(one, first_key_bias=torch.tensor([math.log(5)]))
    torch.testing.assert_close(denoiser(latents, counted, times), five, atol=2e-6, rtol=2e-6)
    assert (denoiser(latents, one, times) - five).abs().max() > 1e-3
