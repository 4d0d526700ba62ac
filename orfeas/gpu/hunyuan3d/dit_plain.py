"""The denoiser of 2.1: long skips, cross attention to the picture, the time as a token, experts in the last blocks.

Source: Hunyuan3D 2.1 (arXiv 2506.15442), section 3; F. Bao et al., "All are worth words", arXiv 2209.12152 (long skips
and the time token). Module names are the keys of the released files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from orfeas.gpu.hunyuan3d.denoiser import Condition, Times
from orfeas.gpu.hunyuan3d.experts import MixtureOfExperts
from orfeas.gpu.hunyuan3d.layers import (
    EPS,
    attention,
    linear_in_float32,
    linear_of_pair,
    module_list,
    rms_norm,
    sinusoid_phases,
    split_heads,
    stacked,
)
from orfeas.gpu.hunyuan3d.settings import DiTPlainSettings

PERIOD_BASE = 10000.0
EXPANSION = 4
"""Hidden channels of every MLP for each channel of a token."""


class SelfAttention(nn.Module):
    """Attention of the sequence to itself. `fuse` has to follow loading.

    The released weights are laid out for one stacked product whose output is cut into heads first, and each head into
    query, key and value: the rows called `to_q` also hold keys and values of the first heads.
    """

    def __init__(self, settings: DiTPlainSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.num_heads = settings.num_heads
        self.to_q = nn.Linear(width, width, bias=settings.qkv_bias)
        self.to_k = nn.Linear(width, width, bias=settings.qkv_bias)
        self.to_v = nn.Linear(width, width, bias=settings.qkv_bias)
        self.q_norm = nn.RMSNorm(width // settings.num_heads, eps=EPS)
        self.k_norm = nn.RMSNorm(width // settings.num_heads, eps=EPS)
        self.out_proj = nn.Linear(width, width)

    def fuse(self) -> None:
        """Stack the three projections."""
        self.to_qkv = stacked(self.to_q, self.to_k, self.to_v)
        del self.to_q, self.to_k, self.to_v

    def forward(self, x: Tensor) -> Tensor:
        """`[B, S, h]` to `[B, S, h]`."""
        queries, keys, values = split_heads(self.to_qkv(x), self.num_heads, 3).unbind(3)
        queries, keys = rms_norm(queries, self.q_norm.weight), rms_norm(keys, self.k_norm.weight)
        out: Tensor = self.out_proj(attention(queries, keys, values))
        return out


class CrossAttention(nn.Module):
    """Attention to the condition tokens. `fuse` has to follow loading; keys and values are laid out as above."""

    def __init__(self, settings: DiTPlainSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.num_heads = settings.num_heads
        self.to_q = nn.Linear(width, width, bias=settings.qkv_bias)
        self.to_k = nn.Linear(settings.context_dim, width, bias=settings.qkv_bias)
        self.to_v = nn.Linear(settings.context_dim, width, bias=settings.qkv_bias)
        self.q_norm = nn.RMSNorm(width // settings.num_heads, eps=EPS)
        self.k_norm = nn.RMSNorm(width // settings.num_heads, eps=EPS)
        self.out_proj = nn.Linear(width, width)

    def fuse(self) -> None:
        """Stack the projections of the condition."""
        self.to_kv = stacked(self.to_k, self.to_v)
        del self.to_k, self.to_v

    def keys_and_values(self, tokens: Tensor) -> Tensor:
        """`[B, T, X]` to `[B, T, 2, H, d]`."""
        keys, values = split_heads(self.to_kv(tokens), self.num_heads, 2).unbind(3)
        return torch.stack((rms_norm(keys, self.k_norm.weight), values), dim=2)

    def forward(self, x: Tensor, keys_and_values: Tensor) -> Tensor:
        """What attention adds to `[B, S, h]`; without any token that is a constant."""
        if keys_and_values.shape[1] == 0:
            return self.out_proj.bias
        keys, values = keys_and_values.unbind(2)
        queries = rms_norm(split_heads(self.to_q(x), self.num_heads), self.q_norm.weight)
        out: Tensor = self.out_proj(attention(queries, keys, values))
        return out


class MLP(nn.Module):
    """The feed-forward part of the blocks without experts."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, S, h]` to `[B, S, h]`."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Self attention, cross attention and an MLP or experts, each with a residual."""

    def __init__(self, settings: DiTPlainSettings, *, skips: bool, experts: bool, group_experts: bool) -> None:
        super().__init__()
        width, hidden = settings.hidden_size, EXPANSION * settings.hidden_size
        self.skip_linear = nn.Linear(2 * width, width) if skips else None
        self.skip_norm = nn.LayerNorm(width, eps=EPS) if skips else None
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn1 = SelfAttention(settings)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.attn2 = CrossAttention(settings)
        self.norm3 = nn.LayerNorm(width, eps=EPS)
        self.mlp = None if experts else MLP(width, hidden)
        self.moe = None
        if experts:
            number, top_k = settings.num_experts, settings.moe_top_k
            self.moe = MixtureOfExperts(width, hidden, number, top_k, grouped=group_experts)

    def forward(self, x: Tensor, keys_and_values: Tensor, skip: Tensor | None) -> Tensor:
        """The sequence [B, S, h] after the block; `skip` [B, S, h] is the output of the block it is tied to."""
        if skip is not None:
            assert self.skip_linear is not None
            assert self.skip_norm is not None
            x = self.skip_norm(linear_of_pair(self.skip_linear, skip, x))
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), keys_and_values)
        feed_forward = self.mlp if self.moe is None else self.moe
        assert feed_forward is not None
        out: Tensor = x + feed_forward(self.norm3(x))
        return out


class TimeEmbedder(nn.Module):
    """The time to a token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(width, EXPANSION * width), nn.GELU(), nn.Linear(EXPANSION * width, width))

    def forward(self, t: Tensor) -> Tensor:
        """`[n]` to `[n, h]`, both in float32."""
        inner, _, outer = self.mlp
        assert isinstance(inner, nn.Linear)
        assert isinstance(outer, nn.Linear)
        phases = sinusoid_phases(t, self.width // 2, PERIOD_BASE)
        waves = torch.cat((phases.sin(), phases.cos()), dim=-1)
        return linear_in_float32(outer, functional.gelu(linear_in_float32(inner, waves)))


class FinalLayer(nn.Module):
    """A norm and the projection to the channels of the latents."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=EPS)
        self.linear = nn.Linear(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, h]` to `[B, L, C]`."""
        out: Tensor = self.linear(self.norm_final(x))
        return out


class HunYuanDiTPlain(nn.Module):
    """Denoiser whose time is a token. Its submodules that have a method `fuse` need it called after loading."""

    def __init__(self, settings: DiTPlainSettings, *, group_experts: bool = True) -> None:
        super().__init__()
        width, depth = settings.hidden_size, settings.depth
        self.settings = settings
        self.x_embedder = nn.Linear(settings.in_channels, width)
        self.t_embedder = TimeEmbedder(width)
        self.blocks = module_list(
            Block(
                settings,
                skips=i > depth // 2,
                experts=i >= depth - settings.num_moe_layers,
                group_experts=group_experts,
            )
            for i in range(depth)
        )
        self.final_layer = FinalLayer(width, settings.in_channels)

    @property
    def guidance_embed(self) -> bool:
        return self.settings.guidance_embed

    def prepare_condition(self, tokens: Tensor) -> Condition:
        """Keys and values of all blocks for condition tokens [B, T, X]."""
        tokens = tokens.to(self.x_embedder.weight.dtype)
        return Condition(tuple(block.attn2.keys_and_values(tokens) for block in self.blocks))

    def prepare_unconditional(self, batch: int, num_tokens: int, *, compressed: bool = True) -> Condition:
        """What stands for `num_tokens` zero tokens: none, or one where their projections have a bias.

        The values of equal tokens average to the value of one, and without a bias that is zero.
        """
        count = num_tokens
        if compressed:
            count = 1 if self.settings.qkv_bias else 0
        weight = self.x_embedder.weight
        return self.prepare_condition(weight.new_zeros(batch, count, self.settings.context_dim))

    def prepare_times(self, t: Tensor, guidance: Tensor | None) -> Times:
        """Time tokens for times [n] from 0 to 1; the released model has no use for the guidance scale."""
        return Times(self.t_embedder(t).to(self.x_embedder.weight.dtype)[:, None])

    def forward(self, latents: Tensor, condition: Condition, times: Times) -> Tensor:
        """Velocity [B, L, C] in float32 of latents [B, L, C]; `times` has B rows, or one for all."""
        embedded = self.x_embedder(latents.to(self.x_embedder.weight.dtype))
        x = torch.cat((times.rows.expand(len(embedded), -1, -1), embedded), dim=1)
        kept: list[Tensor] = []
        for i, (block, keys_and_values) in enumerate(zip(self.blocks, condition.tokens, strict=True)):
            x = block(x, keys_and_values, kept.pop() if block.skip_linear is not None else None)
            if i < len(self.blocks) // 2:
                kept.append(x)
        velocity: Tensor = self.final_layer(x[:, 1:])
        return velocity.float()
