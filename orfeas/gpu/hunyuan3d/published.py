"""Sparse decoding as it was published, with its own levels, band and coordinates: for comparison only.

It refines all values below 0.95, evaluates every level anew, and with FlashVDM's level rule returns another grid than
the one that was asked for. Samples that were not evaluated are NaN.

Source: Hunyuan3D 2.0 (arXiv 2501.12202) and FlashVDM (arXiv 2503.16302).
"""

from __future__ import annotations

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d.field import Progress, Sampler
from orfeas.gpu.hunyuan3d.grid import Axes, Corner, sample_axes

BAND = 0.95
"""Values below this are refined."""


def decode(
    sampler: Sampler, box: tuple[Corner, Corner], levels: list[int], progress: Progress, device: torch.device
) -> Tensor:
    """Values `[R + 1] * 3` of the finest of `levels`, NaN where nothing was evaluated."""
    progress.span(0.0, 1.0 / len(levels))
    values = sampler.dense(sample_axes(box, levels[0], device))
    for number, finer in enumerate(levels[1:], start=1):
        progress.span(number / len(levels), (number + 1) / len(levels))
        finest = number == len(levels) - 1
        indices = _fine_samples(values, finer, finest=finest)
        evaluated = sampler.level(_stepped_axes(box, finer, device))(indices)
        values = torch.full((finer + 1,) * 3, torch.nan, device=device)
        values[indices.unbind(dim=1)] = evaluated
    progress.finish()
    return values


def halved_levels(resolution: int, min_resolution: int) -> list[int]:
    """The resolution and its halves down to `min_resolution`, coarsest first."""
    levels = [resolution]
    while levels[0] // 2 >= min_resolution:
        levels.insert(0, levels[0] // 2)
    return levels


def flash_levels(resolution: int, min_resolution: int) -> list[int]:
    """The coarsest level cut into bricks of whole fours, and its doubles: not the resolution that was asked for."""
    halved = halved_levels(resolution, min_resolution)
    coarsest = round(halved[0] / 4) * 4 - 1
    return [coarsest * 2**number for number in range(len(halved))]


def published_band(values: Tensor, known: Tensor, *, finest: bool) -> Tensor:
    """The samples `[nx, ny, nz]` whose surroundings are refined; `finest`: the next level is the last."""
    band = near_surface(values, known) | (known & (values.abs() < BAND))
    return band if finest else dilate(band, 1)


def near_surface(values: Tensor, known: Tensor) -> Tensor:
    """The known samples with a known neighbour across a face whose sign differs; zero has a sign of its own."""
    signs = values.nan_to_num(0.0).sign().to(torch.int8)
    marked = torch.zeros_like(known)
    for axis in range(3):
        length = signs.shape[axis] - 1
        below, above = slice(0, length), slice(1, length + 1)
        index_below = (slice(None),) * axis + (below,)
        index_above = (slice(None),) * axis + (above,)
        differ = (signs[index_below] != signs[index_above]) & known[index_below] & known[index_above]
        marked[index_below] |= differ
        marked[index_above] |= differ
    return marked


def dilate(mask: Tensor, times: int) -> Tensor:
    """Grow a mask by boxes of 3 x 3 x 3."""
    for axis in [0, 1, 2] * times:
        length = mask.shape[axis] - 1
        grown = mask.clone()
        grown.narrow(axis, 0, length).logical_or_(mask.narrow(axis, 1, length))
        grown.narrow(axis, 1, length).logical_or_(mask.narrow(axis, 0, length))
        mask = grown
    return mask


def _fine_samples(values: Tensor, finer: int, *, finest: bool) -> Tensor:
    band = published_band(values, ~values.isnan(), finest=finest)
    fine = torch.zeros((finer + 1,) * 3, dtype=torch.bool, device=values.device)
    fine[: 2 * len(band) : 2, : 2 * len(band) : 2, : 2 * len(band) : 2] = band
    return dilate(fine, 2 if finest else 1).nonzero()


def _stepped_axes(box: tuple[Corner, Corner], resolution: int, device: torch.device) -> Axes:
    """Positions by whole steps from the lowest corner, which round otherwise than interpolated ones."""
    steps = torch.arange(resolution + 1, dtype=torch.float32, device=device)
    x, y, z = (steps * ((high - low) / resolution) + low for low, high in zip(*box, strict=True))
    return Axes(x, y, z)
