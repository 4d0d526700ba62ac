"""Exact distances from points to a surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot

Floats = NDArray[np.float64]

MOST_SAMPLES = 4_000_000
PIECES_IN_SQUARE = 8.0  # at most, of a square whose side is the spacing
NEAREST = 4  # samples whose faces are looked at
CHUNK = 200_000  # points at a time, which bounds the memory


class Surface:
    """A triangle mesh that tells how far points are from it.

    Evenly spread samples lead to the faces near a point; the distance to those faces is exact. A face that is nearer
    than all that the samples lead to is so by less than a twentieth of the spacing at distances beyond it.
    """

    def __init__(self, vertices: Vertices, faces: Faces, spacing: float) -> None:
        """`spacing` is the longest side of the pieces whose middles are the samples, in the unit of the vertices."""
        self._corners = vertices[faces]
        self.samples, self.owner = spread(self._corners, spacing)
        # Half as dense leads to the same faces in a third of the time.
        places, self._faces = spread(self._corners, 2.0 * spacing)
        self._tree = cKDTree(places, leafsize=32)

    def distance(self, points: Floats) -> Floats:
        """Distance of each of the (n, 3) points, (n,)."""
        return self.nearest(points)[0]

    def to_faces(self, points: Floats, faces: NDArray[np.integer[Any]]) -> Floats:
        """Distance of each point from a face of its own, (n,)."""
        distance = np.empty(len(points))
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            distance[part] = np.linalg.norm(points[part] - closest(points[part], self._corners[faces[part]]), axis=1)
        return distance

    def nearest(self, points: Floats) -> tuple[Floats, Floats]:
        """Distance of each point and the place on the surface where it is reached, (n,) and (n, 3)."""
        distance, place = np.empty(len(points)), np.empty((len(points), 3))
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            distance[part], place[part] = self._nearest(points[part])
        return distance, place

    def _nearest(self, points: Floats) -> tuple[Floats, Floats]:
        count = min(NEAREST, self._tree.n)
        _, index = self._tree.query(points, k=count, workers=1)
        owners = self._faces[np.reshape(index, (len(points), count))]
        best = closest(points, self._corners[owners[:, 0]])
        least = np.linalg.norm(points - best, axis=1)
        for column in range(1, count):
            other = np.flatnonzero(owners[:, column] != owners[:, column - 1])
            place = closest(points[other], self._corners[owners[other, column]])
            found = np.linalg.norm(points[other] - place, axis=1)
            nearer = found < least[other]
            least[other[nearer]], best[other[nearer]] = found[nearer], place[nearer]
        return least, best


def spread(corners: Floats, spacing: float) -> tuple[Floats, NDArray[np.intp]]:
    """Middles of the pieces of triangles, (m, 3, 3), that halving their longest sides makes, and the triangle of each.

    No side of a piece is longer than the spacing, which is widened where that would make more than four million.
    """
    area = float(np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum())
    spacing = max(spacing, np.sqrt(PIECES_IN_SQUARE * area / 2.0 / MOST_SAMPLES))
    owners = np.arange(len(corners))
    done: list[tuple[Floats, NDArray[np.intp]]] = []
    while len(corners):
        sides = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
        small = sides.max(axis=1) <= spacing
        done.append((corners[small].mean(axis=1), owners[small]))
        corners, owners, longest = corners[~small], owners[~small], sides[~small].argmax(axis=1)
        turn = (longest[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(corners, turn[:, :, None], axis=1).transpose(1, 0, 2)
        middle = (a + b) / 2.0
        corners = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
        owners = np.concatenate([owners, owners])
    return np.concatenate([points for points, _ in done]), np.concatenate([owner for _, owner in done])


def closest(points: Floats, corners: Floats) -> Floats:
    """The place of each triangle, (n, 3, 3), that is nearest to each of the (n, 3) points.

    Source: C. Ericson, "Real-Time Collision Detection", 2005, section 5.1.5: the regions of a triangle's plane.
    """
    a, b, c = corners.transpose(1, 0, 2)
    ab, ac, ap = b - a, c - a, points - a
    d1, d2 = dot(ab, ap), dot(ac, ap)
    bp, cp = points - b, points - c
    d3, d4, d5, d6 = dot(ab, bp), dot(ac, bp), dot(ab, cp), dot(ac, cp)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = va + vb + vc
    safe = np.where(np.abs(total) > 0.0, total, 1.0)
    v, w = vb / safe, vc / safe  # inside the face
    on_bc = (va <= 0.0) & (d4 - d3 >= 0.0) & (d5 - d6 >= 0.0)
    v, w = _where(on_bc, 1.0 - _share(d4 - d3, d5 - d6), _share(d4 - d3, d5 - d6), v, w)
    on_ac = (vb <= 0.0) & (d2 >= 0.0) & (d6 <= 0.0)
    v, w = _where(on_ac, np.zeros_like(v), _share(d2, -d6), v, w)
    at_c = (d6 >= 0.0) & (d5 <= d6)
    v, w = _where(at_c, np.zeros_like(v), np.ones_like(w), v, w)
    on_ab = (vc <= 0.0) & (d1 >= 0.0) & (d3 <= 0.0)
    v, w = _where(on_ab, _share(d1, -d3), np.zeros_like(w), v, w)
    at_b = (d3 >= 0.0) & (d4 <= d3)
    v, w = _where(at_b, np.ones_like(v), np.zeros_like(w), v, w)
    at_a = (d1 <= 0.0) & (d2 <= 0.0)
    v, w = _where(at_a, np.zeros_like(v), np.zeros_like(w), v, w)
    return np.asarray(a + ab * v[:, None] + ac * w[:, None])


def _share(one: Floats, two: Floats) -> Floats:
    total = one + two
    return np.asarray(one / np.where(total != 0.0, total, 1.0))


def _where(mask: NDArray[np.bool_], v: Floats, w: Floats, old_v: Floats, old_w: Floats) -> tuple[Floats, Floats]:
    return np.where(mask, v, old_v), np.where(mask, w, old_w)
