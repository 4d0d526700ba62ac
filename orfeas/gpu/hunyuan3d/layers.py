"""Functions and modules that both denoisers use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

M = TypeVar("M", bound=nn.Module)

EPS = 1e-6
"""Added to the variance by every norm of the released denoisers."""


def sinusoid_phases(t: Tensor, count: int, base: float) -> Tensor:
    """Phases [n, count] of scalars t [n] in float32: t times base^(-i / count).

    Source: A. Vaswani et al., "Attention is all you need", arXiv 1706.03762, section 3.5.
    """
    exponents = torch.arange(count, dtype=torch.float32, device=t.device) / count
    return t.float()[:, None] * torch.exp(-math.log(base) * exponents)


def rms_norm(x: Tensor, scale: Tensor) -> Tensor:
    """Root mean square norm over the last axis (B. Zhang, R. Sennrich, arXiv 1910.07467), inside in float32."""
    return functional.rms_norm(x, scale.shape, scale, EPS)


def attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention of [B, S, H, d] to [B, S, H * d]; `bias` is added to the logits of the first key alone.

    Parameters
    ----------
    bias : [B] or None
        As an additive mask that is the same for all queries and heads, which keeps the fused kernels. On a CPU it
        costs up to 5 %, a further channel of queries and keys up to 20 %, and a merge by log-sum-exp as much as the
        mask (measured at S = 513, 1882 and 3073, H = 16, d = 64, two threads).
    """
    mask = None
    if bias is not None:
        mask = functional.pad(bias.to(queries.dtype).view(-1, 1, 1, 1), (0, keys.shape[1] - 1))
    attended = functional.scaled_dot_product_attention(
        queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), attn_mask=mask
    )
    return attended.transpose(1, 2).flatten(2)


def linear_of_pair(layer: nn.Linear, first: Tensor, second: Tensor) -> Tensor:
    """`layer` of the channels of two tensors [B, S, .] one after the other, without joining them in memory.

    The joined copy is the largest tensor of a single-stream block; two products were 8 % faster on a CPU
    (S = 1882, h = 1024).
    """
    split = first.shape[-1]
    begun = functional.linear(first, layer.weight[:, :split], layer.bias).flatten(0, 1)
    whole = torch.addmm(begun, second.flatten(0, 1), layer.weight[:, split:].t())
    return whole.view(*first.shape[:2], -1)


def linear_in_float32(layer: nn.Linear, x: Tensor) -> Tensor:
    """`layer` in float32 whatever its weights are: half precision would round times to a step or more of a schedule."""
    return functional.linear(x.float(), layer.weight.float(), layer.bias.float())


def stacked(*layers: nn.Linear) -> nn.Linear:
    """One layer whose output is the outputs of several, in this order: one product instead of several."""
    with torch.device("meta"):
        joined = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers), bias=False)
    joined.weight = frozen(torch.cat([layer.weight.detach() for layer in layers]))
    if layers[0].bias is not None:
        joined.bias = frozen(torch.cat([layer.bias.detach() for layer in layers]))
    return joined


def module_list(modules: Iterable[M]) -> Sequence[M]:
    """A ModuleList whose items keep their type for the type checker."""
    return cast(Sequence[M], nn.ModuleList(modules))


def split_heads(x: Tensor, *sizes: int) -> Tensor:
    """`[B, S, n]` to `[B, S, *sizes, d]`."""
    return x.view(*x.shape[:2], *sizes, x.shape[-1] // math.prod(sizes))


def frozen(values: Tensor) -> nn.Parameter:
    """A parameter that is not trained."""
    return nn.Parameter(values, requires_grad=False)
