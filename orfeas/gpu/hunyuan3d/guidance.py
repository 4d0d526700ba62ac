"""Velocity with classifier-free guidance for a batch whose items differ in time and scale.

Source: J. Ho, T. Salimans, "Classifier-free diffusion guidance", arXiv 2207.12598.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d.denoiser import Condition, Denoiser, Times
from orfeas.gpu.hunyuan3d.savings import Savings

Scales = Sequence[float | None]
"""One guidance scale for each item; None is the conditional velocity alone."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The condition of a batch, projected once, and what stands for its absence."""

    conditional: Condition
    unconditional: Condition | None
    """None for models that take the scale as an embedding."""

    @property
    def batch(self) -> int:
        return self.conditional.batch

    def select(self, index: Tensor | Sequence[int] | slice) -> Prepared:
        """These items, in this order."""
        unconditional = None if self.unconditional is None else self.unconditional.select(index)
        return Prepared(self.conditional.select(index), unconditional)

    @staticmethod
    def cat(items: Sequence[Prepared]) -> Prepared:
        """One batch of several; all need the same number of condition tokens."""
        unconditional = [item.unconditional for item in items if item.unconditional is not None]
        conditional = items[0].conditional.cat([item.conditional for item in items])
        return Prepared(conditional, unconditional[0].cat(unconditional) if unconditional else None)


def prepare_guidance(denoiser: Denoiser, tokens: Tensor, savings: Savings) -> Prepared:
    """Project condition tokens [B, T, D] once for all steps."""
    conditional = denoiser.prepare_condition(tokens)
    if denoiser.guidance_embed:
        return Prepared(conditional, None)
    batch, count = tokens.shape[:2]
    compressed = savings.compress_unconditional
    return Prepared(conditional, denoiser.prepare_unconditional(batch, count, compressed=compressed))


def as_scales(guidance: float | Tensor | Scales | None, batch: int) -> list[float | None]:
    """One scale for each item; a scale below 0 is a ValueError."""
    if guidance is None or isinstance(guidance, (int, float)):
        scales: list[float | None] = [guidance] * batch
    else:
        scales = guidance.flatten().tolist() if isinstance(guidance, Tensor) else list(guidance)
    if len(scales) != batch:
        raise ValueError(f"guidance holds {len(scales)} scales for a batch of {batch}")
    if any(scale is not None and not scale >= 0 for scale in scales):
        raise ValueError("guidance_scale must be 0 or more; None or 1 uses the conditional velocity alone")
    return scales


def embedded_scales(denoiser: Denoiser, scales: Scales, device: torch.device) -> Tensor | None:
    """The scales [B] as a model with a guidance embedding takes them, None for other models."""
    if not denoiser.guidance_embed:
        return None
    values = [1.0 if scale is None else float(scale) for scale in scales]
    return torch.tensor(values, dtype=torch.float32).to(device, non_blocking=True)


def guided_velocity(
    denoiser: Denoiser, latents: Tensor, prepared: Prepared, times: Times, scales: Scales, savings: Savings
) -> Tensor:
    """Guided velocity [B, L, C] in float32.

    Only the items whose scale asks for it are evaluated a second time, without their condition.
    """
    if prepared.unconditional is None:
        return denoiser(latents, prepared.conditional, times)
    guided = [i for i, scale in enumerate(scales) if scale is not None and not _skips(scale, savings)]
    if not guided:
        return denoiser(latents, prepared.conditional, times)
    if not savings.compress_unconditional and len(guided) == len(scales):
        with_condition, without = _in_one_batch(denoiser, latents, prepared, times)
    else:
        everything = len(guided) == len(scales)
        with_condition = denoiser(latents, prepared.conditional, times)
        without = denoiser(
            latents if everything else latents[guided],
            prepared.unconditional if everything else prepared.unconditional.select(guided),
            times if everything or times.batch == 1 else times.select(guided),
        )
    factor = torch.tensor([scales[i] for i in guided], dtype=torch.float32).to(latents.device, non_blocking=True)
    chosen = without + factor.view(-1, 1, 1) * (with_condition[guided] - without)
    if len(guided) == len(scales):
        return chosen
    with_condition[guided] = chosen
    return with_condition


def _skips(scale: float, savings: Savings) -> bool:
    return scale == 1 and savings.skip_unit_guidance


def _in_one_batch(denoiser: Denoiser, latents: Tensor, prepared: Prepared, times: Times) -> tuple[Tensor, Tensor]:
    """Both halves as one batch of twice the size: possible when they have equally many tokens."""
    assert prepared.unconditional is not None
    condition = prepared.conditional.cat([prepared.conditional, prepared.unconditional])
    both = denoiser(torch.cat([latents, latents]), condition, times if times.batch == 1 else times.cat([times, times]))
    with_condition, without = both.chunk(2)
    return with_condition, without
