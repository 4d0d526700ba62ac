"""DINOv2, the vision transformer that turns a picture into tokens.

M. Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024 (arXiv 2304.07193), with
layer scale of H. Touvron et al. (arXiv 2103.17239) and, in the giant size, SwiGLU of N. Shazeer (arXiv 2002.05202).
Attributes are named as the parameters of the released checkpoints are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from orfeas.gpu.hunyuan3d.settings import DinoSettings


class Dinov2Model(nn.Module):
    """Pixels [B, 3, H, W], normalised, to tokens [B, 1 + (H // patch) * (W // patch), D] after the last norm."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        self.embeddings = Embeddings(settings)
        self.encoder = Encoder(settings)
        self.layernorm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.layernorm(self.encoder(self.embeddings(pixels)))
        return tokens


class Embeddings(nn.Module):
    """Patches in rows from the top left, after a class token, each with its position added."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        self.side = settings.table_size // settings.patch_size
        self.patch_size = settings.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, settings.hidden_size))
        # Used in training only, but part of every checkpoint.
        self.mask_token = nn.Parameter(torch.zeros(1, settings.hidden_size))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + self.side**2, settings.hidden_size))
        self.patch_embeddings = PatchEmbeddings(settings)

    def forward(self, pixels: Tensor) -> Tensor:
        rows, columns = (size // self.patch_size for size in pixels.shape[-2:])
        patches = self.patch_embeddings(pixels)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.positions(rows, columns)

    def positions(self, rows: int, columns: int) -> Tensor:
        """The position table for a grid of patches, resampled (bicubic, in float32) if it was stored for another."""
        if rows == columns == self.side:
            return self.position_embeddings
        table = self.position_embeddings[:, 1:].float().transpose(1, 2).reshape(1, -1, self.side, self.side)
        table = F.interpolate(table, size=(rows, columns), mode="bicubic", align_corners=False)
        grid = table.flatten(2).transpose(1, 2).to(self.position_embeddings.dtype)
        return torch.cat([self.position_embeddings[:, :1], grid], dim=1)


class PatchEmbeddings(nn.Module):
    """One linear map for each patch."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        patch = settings.patch_size
        self.projection = nn.Conv2d(3, settings.hidden_size, kernel_size=patch, stride=patch)

    def forward(self, pixels: Tensor) -> Tensor:
        patches: Tensor = self.projection(pixels)
        return patches.flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    """The blocks, one after the other."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(settings) for _ in range(settings.num_hidden_layers))

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in self.layer:
            tokens = layer(tokens)
        return tokens


class Layer(nn.Module):
    """Attention and a feed-forward network, each normalised before, scaled by channel and added."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.norm1 = nn.LayerNorm(width, eps=settings.layer_norm_eps)
        self.attention = Attention(settings)
        self.layer_scale1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=settings.layer_norm_eps)
        self.mlp = SwiGLU(width, settings.mlp_ratio) if settings.use_swiglu_ffn else MLP(width, settings.mlp_ratio)
        self.layer_scale2 = LayerScale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.layer_scale1(self.attention(self.norm1(tokens)))
        scaled: Tensor = self.layer_scale2(self.mlp(self.norm2(tokens)))
        return tokens + scaled


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.lambda1


class Attention(nn.Module):
    """Self attention and its projection."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        self.attention = Heads(settings)
        self.output = Output(settings.hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.output(self.attention(tokens))
        return projected


class Heads(nn.Module):
    """Queries, keys and values [B, S, D], and what the heads make of them."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.num_heads = settings.num_attention_heads
        self.query = nn.Linear(width, width, bias=settings.qkv_bias)
        self.key = nn.Linear(width, width, bias=settings.qkv_bias)
        self.value = nn.Linear(width, width, bias=settings.qkv_bias)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            project(tokens).view(*tokens.shape[:2], self.num_heads, -1).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class Output(nn.Module):
    """The projection after the heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.dense(tokens)
        return projected


class MLP(nn.Module):
    """Two layers with the exact GELU between them."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width * ratio)
        self.fc2 = nn.Linear(width * ratio, width)

    def forward(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return projected


class SwiGLU(nn.Module):
    """A gated layer; its inner width is two thirds of the plain one's, rounded up to a multiple of eight."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        inner = (int(width * ratio * 2 / 3) + 7) // 8 * 8
        self.weights_in = nn.Linear(width, 2 * inner)
        self.weights_out = nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        gate, value = self.weights_in(tokens).chunk(2, dim=-1)
        projected: Tensor = self.weights_out(F.silu(gate) * value)
        return projected
