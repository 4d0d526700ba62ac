"""A sampled volume and the box that it spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Corner = tuple[float, float, float]
Bounds = float | Sequence[float]
"""Half the side of a cube around the origin, or xmin, ymin, zmin, xmax, ymax, zmax."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The sample positions of a grid's three axes, 1-D float32 each, in model coordinates."""

    x: Tensor
    y: Tensor
    z: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many samples each axis has."""
        return len(self.x), len(self.y), len(self.z)

    def points(self, indices: Tensor) -> Tensor:
        """Positions `[n, 3]` of the samples `indices` `[n, 3]`."""
        coordinates = (self.x[indices[:, 0]], self.y[indices[:, 1]], self.z[indices[:, 2]])
        return torch.stack(coordinates, dim=-1)

    def take(self, positions: Tensor) -> Axes:
        """The axes of the coarser grid that has only these samples."""
        return Axes(self.x[positions], self.y[positions], self.z[positions])


@dataclass(frozen=True, slots=True)
class Grid:
    """Field values at the corners of `resolution` cells along each axis."""

    values: Tensor
    """`[n, n, n]` float32 with n = resolution + 1, in order x, y, z; positive inside."""
    known: Tensor
    """`[n, n, n]` bool: evaluated; the other values are interpolated from a coarser level, sign included."""
    bounds: tuple[Corner, Corner]
    """The positions of the first and the last sample in model coordinates."""
    resolution: int


def corners(bounds: Bounds) -> tuple[Corner, Corner]:
    """The lowest and the highest corner of a box.

    Raises
    ------
    ValueError
        Neither one number nor six, or a box without extent.
    """
    if isinstance(bounds, (int, float)):
        bounds = [-bounds] * 3 + [bounds] * 3
    if len(bounds) != 6:
        raise ValueError(f"bounds has {len(bounds)} numbers; it is one number or xmin, ymin, zmin, xmax, ymax, zmax.")
    x0, y0, z0, x1, y1, z1 = (float(value) for value in bounds)
    if not (x0 < x1 and y0 < y1 and z0 < z1):
        raise ValueError(f"bounds {tuple(bounds)} has no extent along some axis.")
    return (x0, y0, z0), (x1, y1, z1)


def sample_axes(box: tuple[Corner, Corner], resolution: int, device: torch.device) -> Axes:
    """The positions of `resolution + 1` samples along each axis, both ends of the box included."""
    x, y, z = (
        torch.linspace(low, high, resolution + 1, dtype=torch.float32, device=device)
        for low, high in zip(*box, strict=True)
    )
    return Axes(x, y, z)
