"""Sparse decoding on exactly the grid that was asked for, coarse to fine.

The samples of a coarser level are every second, fourth, ... of the grid's, and its last: each level's samples belong
to the next one, so any resolution can be decoded, and nothing is evaluated twice unless its value depends on the level.
"""

from __future__ import annotations

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d import narrow_band
from orfeas.gpu.hunyuan3d.field import Progress, Sampler
from orfeas.gpu.hunyuan3d.grid import Axes
from orfeas.gpu.hunyuan3d.narrow_band import Level, Steepness
from orfeas.gpu.hunyuan3d.published import dilate, published_band


def decode(sampler: Sampler, axes: Axes, *, min_resolution: int, narrow: bool, progress: Progress) -> Level:
    """Values of the whole grid; those that were not evaluated are interpolated and have the coarser level's sign.

    Parameters
    ----------
    sampler
        Evaluates the field.
    axes
        The samples of the grid.
    min_resolution
        The coarsest level has at least this many cells along an axis.
    narrow
        Refine what may hold the surface; otherwise all values below the published 0.95, dilated.
    progress
        Told what share is done.
    """
    positions = level_positions(len(axes.x) - 1, min_resolution, axes.x.device)
    shares = _shares([len(level) for level in positions])
    progress.span(0.0, shares[0])
    values = sampler.dense(axes.take(positions[0]))
    level = Level(values, torch.ones_like(values, dtype=torch.bool))
    steepness = narrow_band.steepness(level) if narrow else None
    for number, position in enumerate(positions[1:], start=1):
        progress.span(shares[number - 1], shares[number])
        finest = number == len(positions) - 1
        level = _refine(sampler, level, axes.take(position), steepness, finest=finest)
        steepness = steepness and steepness.halved()
    progress.finish()
    return level


def level_positions(resolution: int, min_resolution: int, device: torch.device) -> list[Tensor]:
    """For each level, coarsest first, which samples of the grid it has."""
    stride = 1
    while resolution // (2 * stride) >= min_resolution:
        stride *= 2
    levels = []
    while stride >= 1:
        cells = -(-resolution // stride)
        levels.append((torch.arange(cells + 1, device=device) * stride).clamp(max=resolution))
        stride //= 2
    return levels


def _shares(samples: list[int]) -> list[float]:
    """The share of the whole that is done after each level: a finer level evaluates about six layers."""
    costs = [samples[0] ** 3, *(6 * count**2 for count in samples[1:])]
    return [sum(costs[: number + 1]) / sum(costs) for number in range(len(costs))]


def _refine(sampler: Sampler, coarse: Level, axes: Axes, steepness: Steepness | None, *, finest: bool) -> Level:
    fine = narrow_band.upsample(coarse, axes.shape)
    if sampler.depends_on_level:
        fine.known.zero_()
    if steepness is None:
        seeds = _published_seeds(coarse, fine, finest=finest)
    else:
        seeds = narrow_band.around(narrow_band.thin_features(coarse, steepness), coarse.shape, fine.shape)
    narrow_band.complete(fine, seeds, sampler.level(axes))
    return fine


def _published_seeds(coarse: Level, fine: Level, *, finest: bool) -> Tensor:
    band = published_band(coarse.values, coarse.known, finest=finest)
    wanted = narrow_band.spread(band, fine.shape)
    return (dilate(wanted, 2 if finest else 1).view(-1) & ~fine.known.view(-1)).nonzero()[:, 0]
