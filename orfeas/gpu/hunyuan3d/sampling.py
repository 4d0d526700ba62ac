"""The sampling loop of one batch with one schedule."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d.denoiser import Denoiser, Times
from orfeas.gpu.hunyuan3d.guidance import Prepared, Scales, embedded_scales, guided_velocity, prepare_guidance
from orfeas.gpu.hunyuan3d.savings import Savings
from orfeas.gpu.hunyuan3d.schedulers import Schedule

OnStep = Callable[[int, int, Tensor], None]
"""Called after each step with its number from 1, the number of steps, and the latents. May raise to cancel."""


def sample(
    denoiser: Denoiser,
    latents: Tensor,
    condition: Tensor | Prepared,
    plan: Schedule,
    scales: Scales,
    savings: Savings,
    on_step: OnStep | None = None,
) -> Tensor:
    """Latents [B, L, C] in float32 after all steps of `plan`, from initial latents of the same shape."""
    prepared = condition if isinstance(condition, Prepared) else prepare_guidance(denoiser, condition, savings)
    modulations = Modulations(denoiser, plan, scales, latents.device, savings)
    total = plan.num_inference_steps
    for i, width in enumerate(plan.widths):
        if not savings.prepare_condition and isinstance(condition, Tensor):
            prepared = prepare_guidance(denoiser, condition, savings)
        if width or not savings.skip_zero_steps:
            velocity = guided_velocity(denoiser, latents, prepared, modulations.at(i), scales, savings)
            latents = plan.step(latents, velocity, i)
        if on_step is not None:
            on_step(i + 1, total, latents)
    return latents


class Modulations:
    """What the denoiser makes of every step's time: all at once before the loop, or step by step."""

    def __init__(
        self, denoiser: Denoiser, plan: Schedule, scales: Scales, device: torch.device, savings: Savings
    ) -> None:
        self._denoiser = denoiser
        self._batch = len(scales)
        self._times = plan.sigmas[:-1].to(device)
        self._scales = embedded_scales(denoiser, scales, device)
        self._all = self._every_step() if savings.prepare_times else None

    def _every_step(self) -> Times:
        if self._scales is None:
            return self._denoiser.prepare_times(self._times, None)
        steps = len(self._times)
        return self._denoiser.prepare_times(self._times.repeat_interleave(self._batch), self._scales.repeat(steps))

    def at(self, step: int) -> Times:
        """The rows [B] of one step, or one row for all items."""
        if self._all is None:
            return self._denoiser.prepare_times(self._times[step].expand(self._batch), self._scales)
        if self._scales is None:
            return self._all.select(slice(step, step + 1))
        return self._all.select(slice(step * self._batch, (step + 1) * self._batch))
