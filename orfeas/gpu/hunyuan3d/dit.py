"""The denoiser of 2.0, mini and multi-view: a transformer with double and then single streams, without positions.

Source: Hunyuan3D 2.0 (arXiv 2501.12202), section 3; W. Peebles, S. Xie, "Scalable diffusion models with
transformers", arXiv 2212.09748 (modulation by time). Module names are the keys of the released files, where `img` is
the stream of latents and `txt` the stream of condition tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from orfeas.gpu.hunyuan3d.denoiser import Condition, Times
from orfeas.gpu.hunyuan3d.layers import (
    EPS,
    attention,
    linear_in_float32,
    linear_of_pair,
    module_list,
    rms_norm,
    sinusoid_phases,
    split_heads,
)
from orfeas.gpu.hunyuan3d.settings import DiTSettings

TIME_CHANNELS = 256
TIME_FACTOR = 1000.0
"""Phases of the embedding are this times the scalar; the released models have it as the base of the periods too."""
STREAM_ROWS = 6
"""Modulation vectors of a stream in a double block: shift, scale and gate of its attention, then of its MLP."""
DOUBLE_ROWS = 2 * STREAM_ROWS
SINGLE_ROWS = 3
FINAL_ROWS = 2


class ScalarEmbedder(nn.Module):
    """A time or guidance scale to a vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_layer = nn.Linear(TIME_CHANNELS, width)
        self.out_layer = nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """`[n]` to `[n, h]`, both in float32."""
        phases = sinusoid_phases(TIME_FACTOR * values.float(), TIME_CHANNELS // 2, TIME_FACTOR)
        waves = torch.cat((phases.cos(), phases.sin()), dim=-1)
        return linear_in_float32(self.out_layer, functional.silu(linear_in_float32(self.in_layer, waves)))


class Modulation(nn.Module):
    """Shift, scale and gate vectors from the vector of the time."""

    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, rows * width)


class Scale(nn.Module):
    """The factor of a root mean square norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(channels))


class HeadNorms(nn.Module):
    """Norms of the queries and keys of each head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_norm = Scale(channels)
        self.key_norm = Scale(channels)

    def forward(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Both [B, S, H, d]."""
        return rms_norm(queries, self.query_norm.scale), rms_norm(keys, self.key_norm.scale)


class StreamAttention(nn.Module):
    """The projections of one stream into and out of the attention of both."""

    def __init__(self, settings: DiTSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.num_heads = settings.num_heads
        self.qkv = nn.Linear(width, 3 * width, bias=settings.qkv_bias)
        self.norm = HeadNorms(width // settings.num_heads)
        self.proj = nn.Linear(width, width)

    def project(self, stream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, S, H, d]."""
        queries, keys, values = split_heads(self.qkv(stream), 3, self.num_heads).unbind(2)
        return *self.norm(queries, keys), values


class DoubleBlock(nn.Module):
    """Both streams with weights of their own and one attention over all tokens."""

    def __init__(self, settings: DiTSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.img_mod = Modulation(width, STREAM_ROWS)
        self.img_attn = StreamAttention(settings)
        self.img_mlp = _mlp(settings)
        self.txt_mod = Modulation(width, STREAM_ROWS)
        self.txt_attn = StreamAttention(settings)
        self.txt_mlp = _mlp(settings)

    def forward(self, latents: Tensor, condition: Tensor, rows: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """The streams after the block; `rows` [B, 12, h] modulate the latents and then the condition."""
        of_latents, of_condition = (torch.split(part, 1, dim=1) for part in torch.split(rows, STREAM_ROWS, dim=1))
        parts = zip(
            self.txt_attn.project(_modulate(condition, of_condition[0], of_condition[1])),
            self.img_attn.project(_modulate(latents, of_latents[0], of_latents[1])),
            strict=True,
        )
        queries, keys, values = (torch.cat(pair, dim=1) for pair in parts)
        attended = attention(queries, keys, values, bias)
        on_condition, on_latents = torch.split(attended, [condition.shape[1], latents.shape[1]], dim=1)
        latents = _add(latents, self.img_attn.proj(on_latents), self.img_mlp, of_latents)
        return latents, _add(condition, self.txt_attn.proj(on_condition), self.txt_mlp, of_condition)


class SingleBlock(nn.Module):
    """All tokens in one stream, with attention and MLP side by side."""

    def __init__(self, settings: DiTSettings) -> None:
        super().__init__()
        width, hidden = settings.hidden_size, _hidden(settings)
        self.num_heads = settings.num_heads
        self.modulation = Modulation(width, SINGLE_ROWS)
        self.linear1 = nn.Linear(width, 3 * width + hidden)
        self.linear2 = nn.Linear(width + hidden, width)
        self.norm = HeadNorms(width // settings.num_heads)

    def forward(self, stream: Tensor, rows: Tensor, bias: Tensor | None, first: int = 0) -> Tensor:
        """The tokens of the stream from `first` on after the block; `rows` [B, 3, h] modulate it."""
        shift, scale, gate = torch.split(rows, 1, dim=1)
        *parts, hidden = self._project(_modulate(stream, shift, scale), first)
        queries, keys, values = (split_heads(part, self.num_heads) for part in parts)
        queries, keys = self.norm(queries, keys)
        attended = attention(queries, keys, values, bias)
        update = linear_of_pair(self.linear2, attended, functional.gelu(hidden, approximate="tanh"))
        return torch.addcmul(stream[:, first:], gate, update)

    def _project(self, stream: Tensor, first: int) -> tuple[Tensor, ...]:
        """Queries and the MLP's hidden values of the tokens from `first` on; keys and values of all."""
        width = stream.shape[-1]
        sizes = [width, width, width, self.linear1.out_features - 3 * width]
        if first == 0:
            return torch.split(self.linear1(stream), sizes, dim=-1)
        weights, biases = torch.split(self.linear1.weight, sizes), torch.split(self.linear1.bias, sizes)
        parts = zip(weights, biases, (first, 0, 0, first), strict=True)
        return tuple(functional.linear(stream[:, begin:], weight, bias) for weight, bias, begin in parts)


class FinalLayer(nn.Module):
    """A modulated norm and the projection to the channels of the latents."""

    def __init__(self, settings: DiTSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, FINAL_ROWS * width))
        self.linear = nn.Linear(width, settings.in_channels)

    def forward(self, latents: Tensor, rows: Tensor) -> Tensor:
        """`[B, L, h]` to `[B, L, C]`; `rows` [B, 2, h] are shift and scale."""
        shift, scale = torch.split(rows, 1, dim=1)
        out: Tensor = self.linear(_modulate(latents, shift, scale))
        return out

    @property
    def modulation(self) -> nn.Linear:
        """The layer that makes the rows."""
        layer = self.adaLN_modulation[1]
        assert isinstance(layer, nn.Linear)
        return layer


class Hunyuan3DDiT(nn.Module):
    """Denoiser whose time and guidance scale act through modulations, all of which `prepare_times` computes."""

    def __init__(self, settings: DiTSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.settings = settings
        self.latent_in = nn.Linear(settings.in_channels, width)
        self.time_in = ScalarEmbedder(width)
        self.cond_in = nn.Linear(settings.context_in_dim, width)
        self.guidance_in = ScalarEmbedder(width) if settings.guidance_embed else None
        self.double_blocks = module_list(DoubleBlock(settings) for _ in range(settings.depth))
        self.single_blocks = module_list(SingleBlock(settings) for _ in range(settings.depth_single_blocks))
        self.final_layer = FinalLayer(settings)

    @property
    def guidance_embed(self) -> bool:
        return self.settings.guidance_embed

    def prepare_condition(self, tokens: Tensor) -> Condition:
        """Project condition tokens [B, T, X]."""
        return Condition((self.cond_in(tokens.to(self.cond_in.weight.dtype)),))

    def prepare_unconditional(self, batch: int, num_tokens: int, *, compressed: bool = True) -> Condition:
        """What stands for `num_tokens` zero tokens: one of them with ln(num_tokens) added to its logits."""
        weight = self.cond_in.weight
        zeros = weight.new_zeros(batch, 1 if compressed else num_tokens, weight.shape[1])
        bias = torch.full((batch,), math.log(num_tokens), device=weight.device) if compressed else None
        return Condition((self.cond_in(zeros),), bias)

    def prepare_times(self, t: Tensor, guidance: Tensor | None) -> Times:
        """Modulations of all blocks, with one product for each block, for n pairs of time [n] and scale [n].

        Raises
        ------
        ValueError
            The model embeds the guidance scale and there is none.
        """
        vector = self.time_in(t)
        if self.guidance_in is not None:
            if guidance is None:
                raise ValueError("this model takes the guidance scale as an input, and none was given")
            vector = vector + self.guidance_in(guidance)
        activated = functional.silu(vector).to(self.cond_in.weight.dtype)
        rows = torch.cat([layer(activated) for layer in self._modulations()], dim=-1)
        rows = rows.view(len(rows), -1, vector.shape[-1])
        is_scale = torch.tensor(self._scale_rows(), device=rows.device, dtype=rows.dtype)
        return Times(rows + is_scale[:, None])

    def forward(self, latents: Tensor, condition: Condition, times: Times) -> Tensor:
        """Velocity [B, L, C] in float32 of latents [B, L, C]; `times` has B rows, or one for all."""
        x = self.latent_in(latents.to(self.latent_in.weight.dtype))
        context, bias = condition.tokens[0], condition.first_key_bias
        doubles, singles = len(self.double_blocks), len(self.single_blocks)
        rows = torch.split(times.rows, [DOUBLE_ROWS] * doubles + [SINGLE_ROWS] * singles + [FINAL_ROWS], dim=1)
        for double, modulation in zip(self.double_blocks, rows[:doubles], strict=True):
            x, context = double(x, context, modulation, bias)
        # Nothing reads the condition tokens behind the last block, so it leaves them out.
        first = [0] * (singles - 1) + [context.shape[1]]
        x = torch.cat((context, x), dim=1)
        for single, modulation, begin in zip(self.single_blocks, rows[doubles:-1], first, strict=True):
            x = single(x, modulation, bias, begin)
        velocity: Tensor = self.final_layer(x, rows[-1])
        return velocity.float()

    def _modulations(self) -> list[nn.Linear]:
        """Layers in the order in which `forward` reads their rows."""
        doubles = [mod.lin for block in self.double_blocks for mod in (block.img_mod, block.txt_mod)]
        singles = [block.modulation.lin for block in self.single_blocks]
        return [*doubles, *singles, self.final_layer.modulation]

    def _scale_rows(self) -> list[int]:
        """1 for each modulation vector that is a scale, of which the model uses 1 + scale, and 0 for the others."""
        units = 2 * STREAM_ROWS // SINGLE_ROWS * len(self.double_blocks) + len(self.single_blocks)
        return [0, 1, 0] * units + [0, 1]


def _modulate(x: Tensor, shift: Tensor, one_plus_scale: Tensor) -> Tensor:
    return torch.addcmul(shift, one_plus_scale, functional.layer_norm(x, x.shape[-1:], eps=EPS))


def _add(stream: Tensor, attended: Tensor, mlp: nn.Module, rows: tuple[Tensor, ...]) -> Tensor:
    """The stream with what its attention and then its MLP add."""
    _, _, attention_gate, shift, scale, mlp_gate = rows
    stream = torch.addcmul(stream, attention_gate, attended)
    return torch.addcmul(stream, mlp_gate, mlp(_modulate(stream, shift, scale)))


def _hidden(settings: DiTSettings) -> int:
    return int(settings.hidden_size * settings.mlp_ratio)


def _mlp(settings: DiTSettings) -> nn.Sequential:
    width, hidden = settings.hidden_size, _hidden(settings)
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))
