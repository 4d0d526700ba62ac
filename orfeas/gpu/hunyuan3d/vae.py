"""The decoder half of the shape autoencoder: sampled latents to the tokens that the point decoder reads.

Source: Hunyuan3D 2.0 (arXiv 2501.12202), section 3. Module names are the keys of the released files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from orfeas.gpu.hunyuan3d.point_decoder import BLOCK_EPS, MLP, HeadNorms, PointDecoder
from orfeas.gpu.hunyuan3d.settings import VAESettings


class SelfAttention(nn.Module):
    """Self attention whose one projection holds query, key and value side by side inside each head."""

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.c_qkv = nn.Linear(width, 3 * width, bias=settings.qkv_bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorms(width // settings.heads, enabled=settings.qk_norm)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, w]` to `[B, L, w]`."""
        queries, keys, values = self.c_qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2).chunk(3, dim=-1)
        queries, keys = self.attention(queries, keys)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.c_proj(attended.transpose(1, 2).flatten(2))
        return out


class SelfAttentionBlock(nn.Module):
    """Self attention and an MLP, each with a residual."""

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(settings.width, eps=BLOCK_EPS)
        self.attn = SelfAttention(settings)
        self.ln_2 = nn.LayerNorm(settings.width, eps=BLOCK_EPS)
        self.mlp = MLP(settings.width, expand_ratio=4)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, w]` to `[B, L, w]`."""
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Transformer(nn.Module):
    """A stack of self attention blocks."""

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(SelfAttentionBlock(settings) for _ in range(settings.num_decoder_layers))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, w]` to `[B, L, w]`."""
        for block in self.resblocks:
            x = block(x)
        return x


class ShapeVAE(nn.Module):
    """Latents to tokens (`decode`), and tokens to field values (`geo_decoder`)."""

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        self.scale_factor = settings.scale_factor
        self.post_kl = nn.Linear(settings.embed_dim, settings.width)
        self.transformer = Transformer(settings)
        self.geo_decoder = PointDecoder(settings)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return self.post_kl.weight.dtype

    def decode(self, latents: Tensor) -> Tensor:
        """Tokens `[B, L, w]` of the denoised latents `[B, L, C]` float32."""
        scaled = (latents.float() / self.scale_factor).to(self.dtype)
        tokens: Tensor = self.transformer(self.post_kl(scaled))
        return tokens
