"""Times of the Euler steps along a flow, from noise at 0 to data at 1. No state: a plan is made for each call.

Source: X. Liu, C. Gong, Q. Liu, "Flow straight and fast", arXiv 2209.03003 (rectified flow); F.-Y. Wang et al.,
"Phased consistency models", arXiv 2405.18407 (the grid of the "turbo" models).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d.settings import SchedulerSettings


@dataclass(frozen=True, slots=True)
class Schedule:
    """The plan of one sampling run: n steps between n + 1 times."""

    sigmas: Tensor
    """Times [n + 1] in float32 on the CPU, never falling, the last one 1."""
    num_train_timesteps: int = 1000

    @property
    def num_inference_steps(self) -> int:
        """The steps that were asked for, those of width zero included."""
        return len(self.sigmas) - 1

    @property
    def timesteps(self) -> Tensor:
        """Times [n] at which the steps begin, in training steps."""
        return self.sigmas[:-1] * self.num_train_timesteps

    @property
    def widths(self) -> tuple[float, ...]:
        """How far each step goes; a step of width zero changes nothing and needs no velocity."""
        return tuple(self.sigmas.diff().tolist())

    @property
    def num_evaluations(self) -> int:
        """The steps of non-zero width."""
        return sum(width != 0 for width in self.widths)

    def step(self, latents: Tensor, velocity: Tensor, i: int) -> Tensor:
        """Latents [B, L, C] after step `i` in float32, by Euler's rule."""
        return torch.add(latents.float(), velocity.float(), alpha=self.widths[i])


def schedule(settings: SchedulerSettings, num_inference_steps: int) -> Schedule:
    """The times that the released models were trained to be sampled at.

    Parameters
    ----------
    num_inference_steps
        At least 1. The grid of a consistency model has `pcm_timesteps` entries, more steps repeat some of them.

    Raises
    ------
    ValueError
        There is no step, or the settings belong to no released model.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps is {num_inference_steps}; at least 1 is needed")
    if settings.pcm_timesteps is None:
        sigmas = _euler_sigmas(settings.shift, num_inference_steps)
    else:
        sigmas = _consistency_sigmas(settings, settings.pcm_timesteps, num_inference_steps)
    return Schedule(torch.cat((sigmas.float(), torch.ones(1))), settings.num_train_timesteps)


def _euler_sigmas(shift: float, steps: int) -> Tensor:
    """Equal steps from 0 to 1 inclusive, so the step that begins at 1 has width zero."""
    sigmas = torch.linspace(0, 1, steps, dtype=torch.float64)
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def _consistency_sigmas(settings: SchedulerSettings, pcm_timesteps: int, steps: int) -> Tensor:
    """Entries, at equal distances, of the coarse grid on which the model was distilled."""
    total = settings.num_train_timesteps
    if settings.shift != 1 or not 1 <= pcm_timesteps <= total:
        raise ValueError(f"a consistency schedule needs shift 1 and 1 to {total} pcm_timesteps, not {settings}")
    ratio = total // pcm_timesteps
    grid = torch.tensor([0] + [k * ratio - 1 for k in range(1, pcm_timesteps)])
    entries = grid[torch.arange(steps) * pcm_timesteps // steps]
    return entries.double() / (total - 1)
