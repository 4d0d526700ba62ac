"""What both denoisers offer, and what they prepare once for all steps of all requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Index = Tensor | Sequence[int] | slice
"""Rows of a batch: their numbers as a tensor or list, or a slice (which makes views instead of copies)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The projected condition of a batch."""

    tokens: tuple[Tensor, ...]
    """Each [B, T, ...]: one entry, or the keys and values of every block. With T = 0 nothing is attended to."""
    first_key_bias: Tensor | None = None
    """[B] float32: ln of the number of equal tokens for which each item's first one stands; None where that is 1."""

    @property
    def batch(self) -> int:
        return self.tokens[0].shape[0]

    @property
    def num_tokens(self) -> int:
        return self.tokens[0].shape[1]

    def select(self, index: Index) -> Condition:
        """These items, in this order."""
        bias = None if self.first_key_bias is None else _rows(self.first_key_bias, index)
        return Condition(tuple(_rows(tokens, index) for tokens in self.tokens), bias)

    @staticmethod
    def cat(items: Sequence[Condition]) -> Condition:
        """One batch of several; a ValueError if they differ in their numbers of tokens."""
        counts = {item.num_tokens for item in items}
        if len(counts) != 1:
            raise ValueError(f"conditions of {sorted(counts)} tokens cannot be one batch")
        if len(items) == 1:
            return items[0]
        tokens = tuple(torch.cat(parts) for parts in zip(*(item.tokens for item in items), strict=True))
        if all(item.first_key_bias is None for item in items):
            return Condition(tokens)
        return Condition(tokens, torch.cat([_bias_of(item) for item in items]))


@dataclass(frozen=True, slots=True)
class Times:
    """All that a denoiser computes from the time and the guidance scale of a batch."""

    rows: Tensor
    """[n, R, h]: R modulation vectors, or the one time token."""

    @property
    def batch(self) -> int:
        return self.rows.shape[0]

    def select(self, index: Index) -> Times:
        """These items, in this order."""
        return Times(_rows(self.rows, index))

    @staticmethod
    def cat(items: Sequence[Times]) -> Times:
        """One batch of several."""
        return items[0] if len(items) == 1 else Times(torch.cat([item.rows for item in items]))


class Denoiser(Protocol):
    """Velocity of the flow from noise to shape latents. No method keeps anything, so threads may share a denoiser."""

    @property
    def guidance_embed(self) -> bool:
        """Whether the guidance scale is an input, and one evaluation is the guided velocity."""
        ...

    def prepare_condition(self, tokens: Tensor) -> Condition:
        """Project condition tokens [B, T, X]."""
        ...

    def prepare_unconditional(self, batch: int, num_tokens: int, *, compressed: bool = True) -> Condition:
        """What stands for `num_tokens` zero tokens, the absence of a condition.

        Without positions in the model equal tokens stay equal, so `compressed` takes one of them and counts it
        `num_tokens` times in every softmax. That is exact.
        """
        ...

    def prepare_times(self, t: Tensor, guidance: Tensor | None) -> Times:
        """All that depends only on the time t [n] from 0 to 1 and the scale [n]; both are taken in float32.

        Models without a guidance embedding ignore the scale, the others need it.
        """
        ...

    def __call__(self, latents: Tensor, condition: Condition, times: Times) -> Tensor:
        """Velocity [B, L, C] in float32 of latents [B, L, C]; `times` has B rows, or one for all."""
        ...


def _bias_of(item: Condition) -> Tensor:
    if item.first_key_bias is None:
        return torch.zeros(item.batch, device=item.tokens[0].device)
    return item.first_key_bias


def _rows(tensor: Tensor, index: Index) -> Tensor:
    return tensor[index if isinstance(index, (Tensor, slice)) else list(index)]
