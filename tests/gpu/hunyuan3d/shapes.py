"""Analytic fields for volume tests, and samplers that evaluate them without a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d import hierarchical
from orfeas.gpu.hunyuan3d.field import Evaluate, Progress, unravel
from orfeas.gpu.hunyuan3d.grid import Axes, Grid, corners, sample_axes

Distance = Callable[[Tensor], Tensor]


def torus(points: Tensor) -> Tensor:
    """A ring of radius 0.6 and thickness 0.25."""
    return torch.hypot(torch.hypot(points[:, 0], points[:, 1]) - 0.6, points[:, 2]) - 0.25


def detailed(points: Tensor) -> Tensor:
    """The skin of a gyroid inside a ball: holes, edges and close sheets."""
    x, y, z = (9 * points).unbind(dim=1)
    gyroid = x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()
    return torch.maximum(gyroid.abs() / 9 - 0.03, points.norm(dim=1) - 0.85)


def plate(points: Tensor) -> Tensor:
    """A tilted plate, 0.016 thick: half of a cell at 64."""
    turn = torch.tensor([[2.0, 2, 1], [-2, 1, 2], [1, -2, 2]]) / 3
    return ((points @ turn.to(points)).abs() - torch.tensor([0.7, 0.008, 0.6])).amax(dim=1)


def shell(points: Tensor) -> Tensor:
    """A hollow ball with a wall of 0.024."""
    return (points.norm(dim=1) - 0.7).abs() - 0.012


def beads(points: Tensor) -> Tensor:
    """Forty balls of radius 0.015 to 0.03, apart from one another."""
    generator = torch.Generator().manual_seed(3)
    centres = torch.rand(40, 3, generator=generator) * 1.6 - 0.8
    return (torch.cdist(points, centres) - torch.linspace(0.015, 0.03, 40)).amin(dim=1)


SHAPES: dict[str, Distance] = {
    "torus": torus,
    "detailed": detailed,
    "plate": plate,
    "shell": shell,
    "beads": beads,
}


class Analytic:
    """A sampler of clamp(-steepness * distance, -1, 1) that counts its points, level by level."""

    def __init__(self, distance: Distance, steepness: float = 8.0) -> None:
        self._distance, self._steepness = distance, steepness
        self.points: list[int] = []
        self.depends_on_level = False

    def dense(self, axes: Axes) -> Tensor:
        """All samples."""
        nx, ny, nz = axes.shape
        order = torch.arange(nx * ny * nz)
        chunks = [self._values(axes, unravel(chunk, axes.shape)) for chunk in order.split(1 << 19)]
        self.points.append(len(order))
        return torch.cat(chunks).view(axes.shape)

    def level(self, axes: Axes) -> Evaluate:
        """Some samples."""
        self.points.append(0)

        def evaluate(indices: Tensor) -> Tensor:
            self.points[-1] += len(indices)
            return torch.cat([self._values(axes, chunk) for chunk in indices.split(1 << 19)])

        return evaluate

    def _values(self, axes: Axes, indices: Tensor) -> Tensor:
        return (-self._steepness * self._distance(axes.points(indices))).clamp(-1, 1)


def sparse(sampler: Analytic, resolution: int, *, narrow: bool = True, bounds: object = 1.01) -> Grid:
    """The grid that sparse decoding gives."""
    box = corners(bounds)  # type: ignore[arg-type]
    axes = sample_axes(box, resolution, torch.device("cpu"))
    smallest = 24 if narrow else 63
    level = hierarchical.decode(sampler, axes, min_resolution=smallest, narrow=narrow, progress=Progress())
    return Grid(level.values, level.known, box, resolution)


def dense(sampler: Analytic, resolution: int, *, bounds: object = 1.01) -> Grid:
    """The grid of all samples."""
    box = corners(bounds)  # type: ignore[arg-type]
    values = sampler.dense(sample_axes(box, resolution, torch.device("cpu")))
    return Grid(values, torch.ones_like(values, dtype=torch.bool), box, resolution)
