"""What is particular to the denoiser of 2.1."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from torch.nn import functional  # noqa: E402

from orfeas.gpu.hunyuan3d.dit_plain import CrossAttention, HunYuanDiTPlain, SelfAttention, TimeEmbedder  # noqa: E402
from orfeas.gpu.hunyuan3d.settings import DiTPlainSettings  # noqa: E402
from tests.gpu.hunyuan3d.denoising import load_denoiser  # noqa: E402
from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402

RELEASED = DiTPlainSettings(in_channels=64, context_dim=1024, hidden_size=2048, num_heads=16, depth=21)
TINY = replace(RELEASED, in_channels=8, context_dim=20, hidden_size=24, num_heads=3, depth=4, num_moe_layers=1)


def seeded(module: Any) -> Any:
    torch.manual_seed(0)
    for parameter in module.requires_grad_(requires_grad=False).parameters():
        parameter.normal_(std=0.2)
    return module


def tiny(**changes: Any) -> Any:
    denoiser = seeded(HunYuanDiTPlain(replace(TINY, **changes)))
    for module in list(denoiser.modules()):
        if hasattr(module, "fuse"):
            module.fuse()
    return denoiser


def test_the_released_size_has_its_published_count() -> None:
    with torch.device("meta"):
        denoiser = HunYuanDiTPlain(RELEASED)
    count = sum(parameter.numel() for parameter in denoiser.parameters())
    assert count / 1e6 == pytest.approx(3050.76, abs=0.01)
    blocks = [sum(parameter.numel() for parameter in block.parameters()) / 1e6 for block in denoiser.blocks]
    assert [round(block, 2) for block in blocks] == [62.94] * 11 + [71.34] * 4 + [339.87] * 6


def test_heads_of_self_attention_are_cut_from_the_stacked_projections() -> None:
    attention, x = seeded(SelfAttention(TINY)), torch.randn(2, 7, 24)
    stacked = torch.cat((attention.to_q(x), attention.to_k(x), attention.to_v(x)), dim=-1)
    queries, keys, values = stacked.view(2, 7, 3, 24).transpose(1, 2).chunk(3, dim=-1)
    expected = functional.scaled_dot_product_attention(attention.q_norm(queries), attention.k_norm(keys), values)
    expected = attention.out_proj(expected.transpose(1, 2).flatten(2))
    attention.fuse()
    torch.testing.assert_close(attention(x), expected)


def test_heads_of_cross_attention_are_cut_from_the_stacked_projections() -> None:
    attention, x, tokens = seeded(CrossAttention(TINY)), torch.randn(2, 7, 24), torch.randn(2, 5, 20)
    queries = attention.to_q(x).view(2, 7, 3, 8).transpose(1, 2)
    stacked = torch.cat((attention.to_k(tokens), attention.to_v(tokens)), dim=-1)
    keys, values = stacked.view(2, 5, 3, 16).transpose(1, 2).chunk(2, dim=-1)
    expected = functional.scaled_dot_product_attention(attention.q_norm(queries), attention.k_norm(keys), values)
    expected = attention.out_proj(expected.transpose(1, 2).flatten(2))
    attention.fuse()
    torch.testing.assert_close(attention(x, attention.keys_and_values(tokens)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_embedding_of_a_time_is_sines_and_cosines_of_itself_in_float32(dtype: Any) -> None:
    embedder = seeded(TimeEmbedder(8)).to(dtype)
    token = embedder(torch.tensor([0.3]))
    phases = [0.3 * 10000 ** (-i / 4) for i in range(4)]
    waves = torch.tensor([[*map(math.sin, phases), *map(math.cos, phases)]])
    torch.testing.assert_close(token, embedder.float().mlp(waves))


@pytest.mark.parametrize("depth", [1, 2, 4, 5, 6])
def test_every_skip_has_the_block_it_is_tied_to(depth: int) -> None:
    denoiser = tiny(depth=depth)
    times = denoiser.prepare_times(torch.tensor([0.4]), None)
    velocity = denoiser(torch.randn(1, 6, 8), denoiser.prepare_unconditional(1, 5), times)
    assert velocity.shape == (1, 6, 8)
    assert velocity.isfinite().all()


@pytest.mark.parametrize("qkv_bias", [False, True])
def test_the_compressed_half_is_that_of_zeros_with_and_without_biases(qkv_bias: bool) -> None:
    denoiser, latents = tiny(qkv_bias=qkv_bias), torch.randn(2, 6, 8)
    times = denoiser.prepare_times(torch.tensor([0.4, 0.9]), None)
    short = denoiser.prepare_unconditional(2, 50)
    assert short.num_tokens == int(qkv_bias)
    expected = denoiser(latents, denoiser.prepare_condition(torch.zeros(2, 50, 20)), times)
    torch.testing.assert_close(denoiser(latents, short, times), expected, atol=1e-5, rtol=1e-5)


def test_grouped_experts_give_the_velocity_of_plain_ones() -> None:
    expected = vectors("v21_denoise")
    velocities = []
    for grouped in (True, False):
        denoiser = load_denoiser("v21", group_experts=grouped)
        condition = denoiser.prepare_condition(expected["cond"])
        times = denoiser.prepare_times(torch.tensor([0.2, 0.8]), None)
        velocities.append(denoiser(expected["batch2_init_latents"], condition, times))
    torch.testing.assert_close(velocities[0], velocities[1], atol=1e-5, rtol=1e-5)
