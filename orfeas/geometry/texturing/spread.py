"""Colours of a surface spread to where nobody saw it, smoothly through space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import dot, face_cross

Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]
CELLS = 64
ENOUGH = 2.0  # texels in a cell that speak for it alone
GREY = 0.5
MOST_BODIES = 11  # that are filled by themselves
LEAST_SHARE = 0.004  # of the surface


@dataclass(slots=True)
class Spread:
    """Sums of what was seen, in cells of a cube: `low` is its lowest corner and `side` its side."""

    low: NDArray[np.float64] = field(default_factory=lambda: np.full(3, -1.0))
    side: float = 2.0
    cells: int = CELLS
    sums: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((self.cells**3, 4))

    @classmethod
    def around(cls, points: NDArray[np.floating]) -> Spread:
        """The cube around (n, 3) points; a small one has fewer cells, which are no larger than those of a large one."""
        low, high = points.min(axis=0).astype(np.float64), points.max(axis=0)
        side = max(float((high - low).max()), 1e-6) * 1.02
        return cls(low - 0.005 * side, side, CELLS // 2 if side <= 1.0 else CELLS)

    def add(self, points: NDArray[np.floating], light: Floats32, weight: Floats32) -> None:
        """Take colours, (n, 3) linear light, at (n, 3) points in the cube."""
        cell = np.clip(self.places(points).astype(np.intp), 0, self.cells - 1)
        flat = (cell[:, 0] * self.cells + cell[:, 1]) * self.cells + cell[:, 2]
        for channel in range(3):
            self.sums[:, channel] += np.bincount(flat, light[:, channel] * weight, minlength=self.cells**3)
        self.sums[:, 3] += np.bincount(flat, weight, minlength=self.cells**3)

    def take(self, other: Spread) -> None:
        """All that another one has, where its cells are."""
        used = np.flatnonzero(other.sums[:, 3])
        cell = np.stack(np.unravel_index(used, (other.cells,) * 3), axis=1)
        weight = other.sums[used, 3:]
        light = (other.sums[used, :3] / weight).astype(np.float32)
        points = other.low + (cell + 0.5) * (other.side / other.cells)
        self.add(points, light, weight[:, 0].astype(np.float32))

    def filled(self) -> Filled:
        """The colours everywhere: a cell's own mean, or that of what lies around."""
        shape = (self.cells,) * 3
        return Filled(self, _pull_push(self.sums.reshape(*shape, 4)).astype(np.float32))

    def places(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Points in cells."""
        return (points - self.low) * (self.cells / self.side)


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """Linear light in every cell of a cube, (k, k, k, 3)."""

    spread: Spread
    light: Floats32

    def at(self, points: NDArray[np.floating]) -> Floats32:
        """Linear light at (n, 3) points, trilinear."""
        place = self.spread.places(points).T - 0.5
        channels = [ndimage.map_coordinates(self.light[..., k], place, order=1, mode="nearest") for k in range(3)]
        return np.stack(channels, axis=1).astype(np.float32)


class SpreadOfBodies:
    """A `Spread` for each body: what one shows says nothing of another that it touches.

    Bodies that nobody saw take the colours around them.
    """

    def __init__(self, mesh: Mesh, scale: Floats32) -> None:
        """`scale` is that of the points that are told later, (3,)."""
        self._body = bodies(mesh)
        self._spreads = [
            Spread.around(mesh.vertices[np.unique(mesh.faces[self._body == number])] * scale)
            for number in range(int(self._body.max(initial=0)) + 1)
        ]

    def add(self, face: Indices, points: NDArray[np.floating], light: Floats32, weight: Floats32) -> None:
        """As `Spread.add`; `face` is the one that each point lies on."""
        for number, index in self._each(face):
            self._spreads[number].add(points[index], light[index], weight[index])

    def fill(self) -> Callable[[Indices, NDArray[np.floating]], Floats32]:
        """What gives linear light, (n, 3), at points on faces."""
        seen = [spread.sums[:, 3].sum() >= ENOUGH for spread in self._spreads]
        everything = Spread()
        for spread in () if all(seen) else self._spreads:
            everything.take(spread)
        around = None if all(seen) else everything.filled()
        filled = [spread.filled() if enough else around for spread, enough in zip(self._spreads, seen, strict=True)]

        def at(face: Indices, points: NDArray[np.floating]) -> Floats32:
            found = np.zeros((len(points), 3), dtype=np.float32)
            for number, index in self._each(face):
                cells = filled[number]
                assert cells is not None
                found[index] = cells.at(points[index])
            return found

        return at

    def _each(self, face: Indices) -> Iterator[tuple[int, Indices]]:
        owner = self._body[face]
        for number in range(len(self._spreads)):
            index = np.flatnonzero(owner == number)
            if len(index):
                yield number, index


def bodies(mesh: Mesh) -> Indices:
    """The body of each face, (m,): the largest by themselves, all others together as the last one."""
    faces = mesh.faces
    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    links = coo_array((np.ones(len(ends), dtype=bool), ends.T), shape=(len(mesh.vertices),) * 2)
    label = connected_components(links, directed=False)[1][faces[:, 0]]
    cross = face_cross(mesh.vertices, faces)
    area = np.bincount(label, np.sqrt(dot(cross, cross)))
    large = np.argsort(-area, kind="stable")[:MOST_BODIES]
    large = large[area[large] > LEAST_SHARE * area.sum()]
    number = np.full(len(area), len(large))
    number[large] = np.arange(len(large))
    return np.asarray(number[label], dtype=np.intp)


def _pull_push(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of coarser and coarser cells where the finer ones hold nothing (S. Gortler et al., SIGGRAPH 1996, 3.4)."""
    around = sums if len(sums) <= 2 else 27.0 * ndimage.uniform_filter(sums, size=(3, 3, 3, 1), mode="constant")
    around = np.maximum(around, 0.0)  # the filter's running sums leave tiny negative rests
    weight = around[..., 3:]
    own = around[..., :3] / np.maximum(weight, 1e-12)
    if len(sums) == 1:
        return np.where(weight > 0.0, own, GREY)
    half = len(sums) // 2
    coarse = _pull_push(sums.reshape(half, 2, half, 2, half, 2, 4).sum(axis=(1, 3, 5)))
    behind = coarse.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    behind = ndimage.uniform_filter(behind, size=(3, 3, 3, 1), mode="nearest")
    share = np.clip(weight / ENOUGH, 0.0, 1.0)
    return np.asarray(own * share + behind * (1.0 - share))
