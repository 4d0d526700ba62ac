"""Triangles of a mesh that pass through each other.

Two triangles without a common vertex cross when what they share is more than a point and more than a stretch of
both their edges: one passes through the other, an edge of one lies in the other's inside, or both lie in one plane
and overlap. Touching corners and edges laid against each other do not cross. Positions count in single precision,
as files hold them, and every decision is exact.

Source: O. Devillers, P. Guigue, "Faster triangle-triangle intersection tests", INRIA RR-4488, 2002.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.analysis.boxes import Indices, Pairs, Tree
from orfeas.geometry.analysis.predicates import Signs, orient2d, orient3d
from orfeas.geometry.mesh import Faces, Vertices

Floats = NDArray[np.float64]
Triangles = NDArray[np.float64]
# Of the product of the lengths in a determinant: far above the rounding of its dozen operations.
SLACK = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """Pairs of crossing triangles, and which triangles (m,) are in such a pair."""

    pairs: int
    faces: NDArray[np.bool_]


def crossings(vertices: Vertices, faces: Faces, *, on_progress: Callable[[float], None] | None = None) -> Crossings:
    """Every pair of crossing triangles.

    Parameters
    ----------
    vertices, faces : (n, 3) float, (m, 3) int
        Vertices merged by position; faces with a common vertex never cross.
    on_progress : callable or None
        Told the share that is done.
    """
    found = np.zeros(len(faces), dtype=bool)
    if len(faces) < 2:
        return Crossings(0, found)
    search = _Search.of(vertices, faces)
    total = 0
    for one, two, share in search.tree.pairs():
        if len(one):
            one, two = search.crossing(one, two)
            found[one] = found[two] = True
            total += len(one)
        if on_progress is not None:
            on_progress(share)
    return Crossings(total, found)


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """A mesh made ready.

    `corners` (m, 3, 3) are in single precision held as double; `normals` (m, 3) are rounded, `sizes` (m,) bound
    the products of the edges that they come from.
    """

    corners: Triangles
    faces: Indices
    normals: Floats
    sizes: Floats
    tree: Tree

    @classmethod
    def of(cls, vertices: Vertices, faces: Faces) -> _Search:
        single = vertices.astype(np.float32)
        spots = single[faces]
        corners = spots.astype(np.float64)
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        sizes = np.abs(first).max(axis=1) * np.abs(second).max(axis=1)
        tree = Tree.of(spots.min(axis=1), spots.max(axis=1))
        return cls(corners, faces.astype(np.int32), np.cross(first, second), sizes, tree)

    def crossing(self, one: Indices, two: Indices) -> Pairs:
        """Those of the pairs that cross: cheap tests first, exact ones on what they leave."""
        one, two = self._strangers(one, two)
        one, two = self._cut(one, two)
        two, one = self._cut(two, one)
        if len(one) == 0:
            return one, two
        a, b = self.corners[one], self.corners[two]
        sides_a, sides_b = _sides(a, b), _sides(b, a)
        flat = ~sides_a.any(axis=1) & ~sides_b.any(axis=1)
        kept = np.zeros(len(one), dtype=bool)
        through = np.flatnonzero(_pass(sides_a) & _pass(sides_b) & ~(_edge(sides_a) & _edge(sides_b)))
        kept[through] = _overlap(a[through], b[through], sides_a[through], sides_b[through])
        level = np.flatnonzero(flat)
        kept[level] = _overlap_flat(a[level], b[level], self.normals[one[level]])
        return one[kept], two[kept]

    def _strangers(self, one: Indices, two: Indices) -> Pairs:
        """Pairs without a common vertex."""
        shared = np.zeros(len(one), dtype=bool)
        columns = [column[two] for column in self.faces.T]
        for mine in self.faces.T:
            mine = mine[one]
            for other in columns:
                shared |= mine == other
        return one[~shared], two[~shared]

    def _cut(self, one: Indices, two: Indices) -> Pairs:
        """Pairs whose first triangle does not clearly lie on one side of the second one's plane."""
        base, normal = self.corners[two, 0], self.normals[two]
        apart = self.corners[one] - base[:, None]
        heights = np.einsum("pki,pi->pk", apart, normal)
        doubt = (SLACK * self.sizes[two])[:, None] * np.abs(apart).max(axis=2)
        kept = ~((heights > doubt).all(axis=1) | (heights < -doubt).all(axis=1))
        return one[kept], two[kept]


def _sides(a: Triangles, b: Triangles) -> Signs:
    """On which side of b's plane the corners of a lie, (p, 3): 1 in front."""
    return np.stack([-orient3d(b[:, 0], b[:, 1], b[:, 2], a[:, corner]) for corner in range(3)], axis=1)


def _pass(sides: Signs) -> NDArray[np.bool_]:
    """Triangles that meet the plane in more than a corner, and do not lie in it."""
    low, high = sides.min(axis=1), sides.max(axis=1)
    return np.asarray((low < high) & ((low * high < 0) | _edge(sides)))


def _edge(sides: Signs) -> NDArray[np.bool_]:
    """Triangles with exactly one edge in the plane."""
    return np.asarray((sides == 0).sum(axis=1) == 2)


def _overlap(a: Triangles, b: Triangles, sides_a: Signs, sides_b: Signs) -> NDArray[np.bool_]:
    """Whether the stretches that both cut out of the line of their planes overlap, pairs that pass each other."""
    if len(a) == 0:
        return np.zeros(0, dtype=bool)
    a, front_a = _turned(a, sides_a)
    b, front_b = _turned(b, sides_b)
    # Seen with the lone corner in front of the other plane, both stretches run the same way.
    a = np.where(front_b[:, None, None], a, a[:, [0, 2, 1]])
    b = np.where(front_a[:, None, None], b, b[:, [0, 2, 1]])
    before = orient3d(a[:, 0], a[:, 1], b[:, 0], b[:, 1])
    after = orient3d(a[:, 0], a[:, 2], b[:, 2], b[:, 0])
    return np.asarray((before > 0) & (after > 0))


def _turned(triangles: Triangles, sides: Signs) -> tuple[Triangles, NDArray[np.bool_]]:
    """The triangles begun at the corner that is alone on its side, and whether that is in front."""
    in_front = (sides > 0).sum(axis=1) == 1
    lone = np.where(in_front[:, None], sides > 0, sides < 0).argmax(axis=1)
    order = (lone[:, None] + np.arange(3)) % 3
    return np.take_along_axis(triangles, order[:, :, None], axis=1), in_front


def _overlap_flat(a: Triangles, b: Triangles, normals: Floats) -> NDArray[np.bool_]:
    """Whether the insides of triangles in one plane overlap: no edge of either has the other one outside it."""
    drop = np.abs(normals).argmax(axis=1)
    axes = np.array([[1, 2], [2, 0], [0, 1]])[drop]
    a, b = (np.take_along_axis(corners, axes[:, None, :], axis=2) for corners in (a, b))
    turn_a, turn_b = (orient2d(flat[:, 0], flat[:, 1], flat[:, 2]) for flat in (a, b))
    a, b = _wound(a, turn_a), _wound(b, turn_b)
    meets: NDArray[np.bool_] = (turn_a != 0) & (turn_b != 0)  # triangles without area overlap nothing
    for mine, other in ((a, b), (b, a)):
        for corner in range(3):
            tail, head = mine[:, corner], mine[:, (corner + 1) % 3]
            inside = [orient2d(tail, head, other[:, far]) > 0 for far in range(3)]
            meets &= inside[0] | inside[1] | inside[2]
    return meets


def _wound(flat: Triangles, turn: Signs) -> Triangles:
    """Triangles of the plane, counter-clockwise."""
    return np.where((turn < 0)[:, None, None], flat[:, ::-1], flat)
