"""Which samples of a finer level decide the surface, found from the coarser level and completed as values come in.

Two rules make the result equal to dense sampling wherever a surface is found:

* every cell whose corners lie on both sides of the surface has all its corners evaluated, so a surface that is found
  anywhere is followed to its end, as in continuation methods (J. Bloomenthal, "Polygonization of implicit surfaces",
  1988);
* a sample whose value says that the surface is less than a cell away, while no cell around it has a crossing, tells
  of something thinner than a cell, and all samples around it are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d.field import Evaluate, unravel

REACH = 0.9
"""Cells from a sample in which a surface is looked for; a point in the middle of a cell is 0.87 from its corners."""
SLAB = 1 << 24
"""Samples that a scan of the whole array looks at together, which bounds its temporaries."""
SCAN = 64
"""Below this ratio of array to list, a scan of the whole array is less work than sorting the list."""


@dataclass(frozen=True, slots=True)
class Level:
    """Values `[nx, ny, nz]` of one level, and which of them were evaluated; the others are interpolated."""

    values: Tensor
    known: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many samples each axis has."""
        nx, ny, nz = self.values.shape
        return nx, ny, nz


def upsample(coarse: Level, shape: tuple[int, int, int]) -> Level:
    """The samples of the level with half the spacing; those between two coarse ones get their mean, unknown.

    An axis of n coarse cells becomes one of 2n, or of 2n - 1 where the last coarse cell was a remainder.
    """
    values = coarse.values
    for axis in (2, 1, 0):
        values = _double(values, axis, shape[axis], blend=True)
    return Level(values, spread(coarse.known, shape))


def spread(mask: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """A mask of coarse samples as one of the level with half the spacing, false between them."""
    for axis in (2, 1, 0):
        mask = _double(mask, axis, shape[axis], blend=False)
    return mask


def _double(coarse: Tensor, axis: int, samples: int, *, blend: bool) -> Tensor:
    size = list(coarse.shape)
    last, size[axis] = size[axis] - 1, samples
    fine = coarse.new_zeros(size) if not blend else coarse.new_empty(size)
    whole = (samples - 1) // 2
    fine.narrow(axis, samples - 1, 1).copy_(coarse.narrow(axis, last, 1))
    _strided(fine, axis, 0, last).copy_(coarse.narrow(axis, 0, last))
    if blend:
        between = _strided(fine, axis, 1, whole)
        torch.add(coarse.narrow(axis, 0, whole), coarse.narrow(axis, 1, whole), out=between)
        between.mul_(0.5)
    return fine


def _strided(array: Tensor, axis: int, start: int, count: int) -> Tensor:
    index = [slice(None)] * 3
    index[axis] = slice(start, start + 2 * count - 1, 2)
    return array[tuple(index)]


def complete(level: Level, seeds: Tensor, evaluate: Evaluate) -> None:
    """Evaluate the seeds and then, in rounds, all corners of every cell with a crossing, in place.

    Parameters
    ----------
    level
        Changed in place. When this returns, no crossing of `values` has an interpolated corner.
    seeds : (n,) int64
        Flat positions that are evaluated in any case, together with what the interpolated values ask for.
    evaluate
        Values of samples by their indices.
    """
    scratch = torch.zeros(level.values.numel(), dtype=torch.bool, device=level.values.device)
    points = _distinct(
        torch.cat([_unknown(level, seeds), *_open_corners(level, crossing_cells(level.values))]), scratch
    )
    while len(points):
        level.values.view(-1)[points] = evaluate(unravel(points, level.shape))
        level.known.view(-1)[points] = True
        points = _distinct(torch.cat(list(_open_corners(level, _crossings_at(level, points, scratch)))), scratch)


@dataclass(frozen=True, slots=True)
class Steepness:
    """How values of a level tell of the distance to the surface."""

    slope: Tensor
    """The typical change for one cell, a scalar."""
    saturated: Tensor
    """From this absolute value on a sample tells only that the surface is not near, a scalar."""

    def halved(self) -> Steepness:
        """The same field on the level with half the spacing."""
        return Steepness(self.slope / 2, self.saturated)


def steepness(level: Level) -> Steepness:
    """Of a level whose samples are all known.

    The slope is what three quarters of the unsaturated samples do not exceed; most of a volume is far from the
    surface, so the median of the absolute values is where a truncated field saturates.
    """
    values = level.values.view(-1)
    slopes = _local_slopes(level, torch.arange(len(values), device=values.device))
    slopes = slopes[slopes >= 0.05 * slopes.max()]
    return Steepness(slopes.kthvalue((3 * len(slopes) + 3) // 4).values, 0.9 * values.abs().median())


def thin_features(level: Level, steepness: Steepness) -> Tensor:
    """Flat positions of known samples that have the surface within a cell while no cell around them has a crossing.

    The change for one cell is the larger of the local and the typical one.
    """
    explained = torch.zeros(level.values.numel(), dtype=torch.bool, device=level.values.device)
    for cells in crossing_cells(level.values):
        explained[_corners(cells, level.shape)] = True
    candidates = (level.known.view(-1) & ~explained).nonzero()[:, 0]
    values = level.values.view(-1)
    candidates = candidates[values[candidates].abs() <= steepness.saturated]
    slopes = torch.maximum(_local_slopes(level, candidates), steepness.slope)
    return candidates[values[candidates].abs() <= REACH * slopes]


def around(coarse: Tensor, shape: tuple[int, int, int], fine: tuple[int, int, int]) -> Tensor:
    """Flat positions in the finer level of all samples of the coarse cells around some coarse samples."""
    ends = torch.tensor(fine, device=coarse.device) - 1
    centres = torch.minimum(2 * unravel(coarse, shape), ends)
    steps = torch.arange(-2, 3, device=coarse.device)
    offsets = torch.cartesian_prod(steps, steps, steps)
    indices = (centres[:, None] + offsets).clamp(min=0).minimum(ends)
    return ((indices[..., 0] * fine[1] + indices[..., 1]) * fine[2] + indices[..., 2]).flatten()


def crossing_cells(values: Tensor) -> Iterator[Tensor]:
    """Flat positions of the lowest corners of all cells with corners on both sides, a slab of the array at a time."""
    nx, ny, nz = values.shape
    rows = max(SLAB // (ny * nz), 1)
    for start in range(0, nx - 1, rows):
        inside = values[start : min(start + rows, nx - 1) + 1] > 0
        some, every = inside, inside
        for axis in range(3):
            length = some.shape[axis] - 1
            some = some.narrow(axis, 0, length) | some.narrow(axis, 1, length)
            every = every.narrow(axis, 0, length) & every.narrow(axis, 1, length)
        x, y, z = (some & ~every).nonzero().unbind(dim=1)
        yield ((x + start) * ny + y) * nz + z


def _crossings_at(level: Level, points: Tensor, scratch: Tensor) -> Iterator[Tensor]:
    """The cells with a crossing around some points; for many points a scan of the whole array is less work."""
    if len(points) * SCAN >= level.values.numel():
        yield from crossing_cells(level.values)
    else:
        cells = _distinct(_cells_around(points, level.shape), scratch)
        yield cells[_has_crossing(level, cells)]


def _open_corners(level: Level, groups: Iterator[Tensor]) -> Iterator[Tensor]:
    for cells in groups:
        yield _unknown(level, _corners(cells, level.shape).flatten())


def _unknown(level: Level, points: Tensor) -> Tensor:
    return points[~level.known.view(-1)[points]]


def _corners(cells: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return cells[:, None] + _corner_offsets(shape, cells.device)


def _has_crossing(level: Level, cells: Tensor) -> Tensor:
    inside = level.values.view(-1)[_corners(cells, level.shape)] > 0
    return inside.any(dim=1) & ~inside.all(dim=1)


def _corner_offsets(shape: tuple[int, int, int], device: torch.device) -> Tensor:
    _, ny, nz = shape
    return torch.tensor([(x * ny + y) * nz + z for x in (0, 1) for y in (0, 1) for z in (0, 1)], device=device)


def _cells_around(points: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The up to eight cells of which a point is a corner, as flat positions of their lowest corners."""
    steps = torch.tensor([0, 1], device=points.device)
    lowest = unravel(points, shape)[:, None] - torch.cartesian_prod(steps, steps, steps)
    ends = torch.tensor(shape, device=points.device) - 2
    valid = ((lowest >= 0) & (lowest <= ends)).all(dim=-1)
    return (points[:, None] - _corner_offsets(shape, points.device))[valid]


def _distinct(flat: Tensor, scratch: Tensor) -> Tensor:
    """Sorted without duplicates; `scratch` is a mask over the array that is all false before and after."""
    if len(flat) * SCAN < len(scratch):
        distinct: Tensor = torch.unique(flat)
        return distinct
    scratch[flat] = True
    distinct = scratch.nonzero()[:, 0]
    scratch[distinct] = False
    return distinct


def _local_slopes(level: Level, points: Tensor) -> Tensor:
    """The change of the value for one cell: for each axis the larger of both sides, then their norm."""
    values = level.values.view(-1)
    centre, indices = values[points], unravel(points, level.shape)
    strides = (level.shape[1] * level.shape[2], level.shape[2], 1)
    total = torch.zeros_like(centre)
    for axis, stride in enumerate(strides):
        below = values[points - stride * (indices[:, axis] > 0)]
        above = values[points + stride * (indices[:, axis] < level.shape[axis] - 1)]
        total += torch.maximum((below - centre).abs(), (above - centre).abs()).square_()
    return total.sqrt_()
