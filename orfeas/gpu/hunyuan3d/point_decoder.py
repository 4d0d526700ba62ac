"""The point decoder of the shape autoencoder: latent tokens and points in space to signed field values.

One block of cross attention, from the features of a point to the tokens of a shape. Keys and values depend on the
shape alone and are made once; the embedding of a point is a sum of three functions of one coordinate each, so a
grid needs three small tables instead of sines for every point.

Source: Hunyuan3D 2.0 (arXiv 2501.12202), section 3; Fourier features as in 3DShape2VecSet (arXiv 2301.11445).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from orfeas.gpu.hunyuan3d.settings import VAESettings

BLOCK_EPS = 1e-6
"""Epsilon of every layer norm but `ln_post`, which keeps the default of 1e-5."""


@dataclass(frozen=True, slots=True)
class PointKeys:
    """Keys and values of one shape's tokens, `[B, H, L, d]` each."""

    k: Tensor
    v: Tensor


@dataclass(frozen=True, slots=True)
class AxisTables:
    """The share of each coordinate in the embedding of a grid's points, `[samples, g]` float32 for each axis."""

    x: Tensor
    y: Tensor
    z: Tensor

    def embed(self, indices: Tensor) -> Tensor:
        """Embeddings `[P, g]` float32 of the grid points `indices` `[P, 3]` int64."""
        embedded = self.x.index_select(0, indices[:, 0])
        embedded += self.y.index_select(0, indices[:, 1])
        embedded += self.z.index_select(0, indices[:, 2])
        return embedded


class HeadNorms(nn.Module):
    """Layer norms of queries and keys inside each head, or nothing."""

    def __init__(self, head_size: int, *, enabled: bool) -> None:
        super().__init__()
        self.q_norm: nn.Module = nn.LayerNorm(head_size, eps=BLOCK_EPS) if enabled else nn.Identity()
        self.k_norm: nn.Module = nn.LayerNorm(head_size, eps=BLOCK_EPS) if enabled else nn.Identity()

    def forward(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise `[..., d]` queries and keys."""
        return self.q_norm(queries), self.k_norm(keys)


class MLP(nn.Module):
    """Two linear layers around an exact GELU."""

    def __init__(self, width: int, expand_ratio: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, width * expand_ratio)
        self.c_proj = nn.Linear(width * expand_ratio, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., w]` to `[..., w]`."""
        out: Tensor = self.c_proj(functional.gelu(self.c_fc(x)))
        return out


class CrossAttention(nn.Module):
    """The projections of a cross attention; `c_kv` holds key and value side by side inside each head."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.c_q = nn.Linear(width, width, bias=qkv_bias)
        self.c_kv = nn.Linear(width, 2 * width, bias=qkv_bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorms(width // heads, enabled=qk_norm)

    def queries(self, x: Tensor) -> Tensor:
        """Normalised queries `[B, H, P, d]` of `[B, P, g]`."""
        queries = self.c_q(x).unflatten(-1, (self.heads, -1))
        normed: Tensor = self.attention.q_norm(queries).transpose(1, 2)
        return normed

    def keys(self, data: Tensor) -> PointKeys:
        """Normalised keys and plain values of the tokens `[B, L, g]`."""
        keys, values = self.c_kv(data).unflatten(-1, (self.heads, -1)).chunk(2, dim=-1)
        keys = self.attention.k_norm(keys).transpose(1, 2).contiguous()
        return PointKeys(keys, values.transpose(1, 2).contiguous())


class CrossAttentionBlock(nn.Module):
    """Cross attention and an MLP, each with a residual."""

    def __init__(self, width: int, heads: int, settings: VAESettings) -> None:
        super().__init__()
        qk_norm = settings.qk_norm and settings.geo_decoder_ln_post
        self.ln_1 = nn.LayerNorm(width, eps=BLOCK_EPS)
        self.ln_2 = nn.LayerNorm(width, eps=BLOCK_EPS)
        self.ln_3 = nn.LayerNorm(width, eps=BLOCK_EPS)
        self.attn = CrossAttention(width, heads, qkv_bias=settings.qkv_bias, qk_norm=qk_norm)
        self.mlp = MLP(width, settings.geo_decoder_mlp_expand_ratio)


class PointDecoder(nn.Module):
    """Field values at any point for the tokens of a shape; positive inside, about -1 to 1 near the surface."""

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        ratio = settings.geo_decoder_downsample_ratio
        width, heads = settings.width // ratio, settings.heads // ratio
        self.num_freqs, self.include_pi = settings.num_freqs, settings.include_pi
        self.query_proj = nn.Linear(3 + 6 * settings.num_freqs, width)
        self.latents_proj: nn.Module = nn.Linear(settings.width, width) if ratio != 1 else nn.Identity()
        self.cross_attn_decoder = CrossAttentionBlock(width, heads, settings)
        self.ln_post: nn.Module = nn.LayerNorm(width) if settings.geo_decoder_ln_post else nn.Identity()
        self.output_proj = nn.Linear(width, 1)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return self.output_proj.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.output_proj.weight.device

    def keys(self, tokens: Tensor) -> PointKeys:
        """Keys and values of the tokens `[B, L, w]`, needed once for a shape."""
        block = self.cross_attn_decoder
        return block.attn.keys(block.ln_2(self.latents_proj(tokens.to(self.dtype))))

    def forward(self, points: Tensor, keys: PointKeys) -> Tensor:
        """Field values of points in space.

        Parameters
        ----------
        points : (B, P, 3) float32
            Positions in model coordinates.
        keys
            What `keys` made of the tokens of the same batch.

        Returns
        -------
        (B, P) float32
            Positive inside.
        """
        return self.decode(self.embed(points), keys)

    def decode(self, embedded: Tensor, keys: PointKeys) -> Tensor:
        """Field values `[B, P]` float32 of embedded points `[B, P, g]`."""
        embedded = embedded.to(self.dtype)
        attended = functional.scaled_dot_product_attention(self.queries(embedded), keys.k, keys.v)
        return self.finish(embedded, attended)

    def queries(self, embedded: Tensor) -> Tensor:
        """Queries `[B, H, P, d]` of embedded points `[B, P, g]` in the precision of the weights."""
        block = self.cross_attn_decoder
        return block.attn.queries(block.ln_1(embedded))

    def finish(self, embedded: Tensor, attended: Tensor) -> Tensor:
        """Field values `[B, P]` float32 of embedded points and what their queries attended to, `[B, H, P, d]`."""
        block = self.cross_attn_decoder
        x = embedded + block.attn.c_proj(attended.transpose(1, 2).flatten(2))
        x = self.ln_post(x + block.mlp(block.ln_3(x)))
        # The last product is small; in float32 a value near zero keeps its sign.
        return functional.linear(x.float(), self.output_proj.weight.float(), self.output_proj.bias.float()).squeeze(-1)

    def embed(self, points: Tensor) -> Tensor:
        """Embeddings `[..., g]` float32 of points `[..., 3]`; half precision would lose the highest frequencies."""
        return functional.linear(self.features(points), self.query_proj.weight.float(), self.query_proj.bias.float())

    def features(self, points: Tensor) -> Tensor:
        """The coordinates, their sines and their cosines: `[..., 3 + 6 * num_freqs]` float32."""
        points = points.float()
        angles = (points[..., None] * self._frequencies(points)).flatten(-2)
        return torch.cat([points, angles.sin(), angles.cos()], dim=-1)

    def tables(self, x: Tensor, y: Tensor, z: Tensor) -> AxisTables:
        """What the samples of each axis (1-D, float32) add to the embedding; the bias is in the first table."""
        weight, bias = self.query_proj.weight.float(), self.query_proj.bias.float()
        shares = [self._share(axis, coordinates, weight) for axis, coordinates in enumerate((x, y, z))]
        return AxisTables(shares[0] + bias, shares[1], shares[2])

    def _share(self, axis: int, coordinates: Tensor, weight: Tensor) -> Tensor:
        angles = coordinates[:, None] * self._frequencies(coordinates)
        first = 3 + axis * self.num_freqs
        sines = slice(first, first + self.num_freqs)
        cosines = slice(sines.start + 3 * self.num_freqs, sines.stop + 3 * self.num_freqs)
        return (
            coordinates[:, None] * weight[:, axis]
            + functional.linear(angles.sin(), weight[:, sines])
            + functional.linear(angles.cos(), weight[:, cosines])
        )

    def _frequencies(self, like: Tensor) -> Tensor:
        exponents = torch.arange(self.num_freqs, device=like.device, dtype=torch.float32)
        return torch.exp2(exponents) * (math.pi if self.include_pi else 1.0)
