"""Rays against triangles without Embree: the same answers, some hundred times slower."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Faces
from orfeas.geometry.raycast import Hits

Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]

LEAF = 8
TOGETHER = 8192  # rays that are followed at once: bounds the memory of their pairs
NEAR = 1e-7


class SlowScene:
    """A tree of boxes over triangles, halved by the median, that all rays descend together."""

    def __init__(self, vertices: Floats32, faces: Faces) -> None:
        corners = np.asarray(vertices, dtype=np.float64)[faces]
        self._start, self._edges = corners[:, 0], (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        depth = max(0, int(np.ceil(np.log2(max(1, len(faces)) / LEAF))))
        order = np.arange(len(faces))
        middle = corners.mean(axis=1)
        parts = [order]
        for _ in range(depth):
            parts = [half for part in parts for half in _halves(part, middle)]
        self._leaves = parts
        low = np.array([corners[part].min(axis=(0, 1)) if len(part) else np.full(3, np.inf) for part in parts])
        high = np.array([corners[part].max(axis=(0, 1)) if len(part) else np.full(3, -np.inf) for part in parts])
        self._boxes = [(low, high)]
        while len(low) > 1:
            low, high = np.minimum(low[0::2], low[1::2]), np.maximum(high[0::2], high[1::2])
            self._boxes.insert(0, (low, high))

    def first(self, origins: Floats32, directions: Floats32) -> Hits:
        """The first face on each of the (n, 3) rays."""
        count = len(origins)
        found = Hits(
            np.full(count, -1, np.int32), np.zeros(count, np.float32), np.zeros(count, np.float32),
            np.full(count, np.float32(1e30)),
        )  # fmt: skip
        for start in range(0, count, TOGETHER):
            self._follow(slice(start, min(start + TOGETHER, count)), origins, directions, found)
        return found

    def reach_sky(self, origins: Floats32, directions: Floats32) -> NDArray[np.bool_]:
        """Whether each of the (n, 3) rays meets nothing."""
        return self.first(origins, directions).face < 0

    def _follow(self, some: slice, origins: Floats32, directions: Floats32, found: Hits) -> None:
        origin, along = origins[some].astype(np.float64), directions[some].astype(np.float64)
        with np.errstate(divide="ignore"):
            inverse = 1.0 / np.where(along == 0.0, 1e-300, along)
        ray, node = np.arange(len(origin)), np.zeros(len(origin), dtype=np.intp)
        for level, (low, high) in enumerate(self._boxes):
            if level:
                ray, node = np.repeat(ray, 2), np.stack([2 * node, 2 * node + 1], axis=1).ravel()
            with np.errstate(invalid="ignore", over="ignore"):
                one, other = (low[node] - origin[ray]) * inverse[ray], (high[node] - origin[ray]) * inverse[ray]
            enter, leave = np.minimum(one, other).max(axis=1), np.maximum(one, other).min(axis=1)
            met = (leave >= np.maximum(enter, 0.0)) & np.isfinite(low[node, 0])
            ray, node = ray[met], node[met]
        sizes = np.array([len(part) for part in self._leaves])
        members = np.concatenate(self._leaves)
        first = np.cumsum(sizes) - sizes
        count = sizes[node]
        pair = np.repeat(ray, count)
        offset = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        face = members[np.repeat(first[node], count) + offset]
        distance, u, v = self._met(face, origin[pair], along[pair])
        hit = np.flatnonzero(np.isfinite(distance))
        hit = hit[np.lexsort((face[hit], distance[hit], pair[hit]))]
        _, nearest = np.unique(pair[hit], return_index=True)
        hit = hit[nearest]
        where = pair[hit] + some.start
        found.face[where], found.distance[where] = face[hit], distance[hit]
        found.u[where], found.v[where] = u[hit], v[hit]

    def _met(
        self, face: Indices, origin: NDArray[np.float64], along: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        """Distance (infinite where missed) and barycentric weights of ray and face pairs.

        Source: T. Möller, B. Trumbore, "Fast, minimum storage ray-triangle intersection", Journal of Graphics Tools
        2(1), 1997.
        """
        one, other = self._edges[0][face], self._edges[1][face]
        across = np.cross(along, other)
        area = np.einsum("ij,ij->i", one, across)
        inverse = 1.0 / np.where(np.abs(area) < 1e-14, np.inf, area)
        offset = origin - self._start[face]
        u = np.einsum("ij,ij->i", offset, across) * inverse
        turned = np.cross(offset, one)
        v = np.einsum("ij,ij->i", along, turned) * inverse
        distance = np.einsum("ij,ij->i", other, turned) * inverse
        inside = (u >= -NEAR) & (v >= -NEAR) & (u + v <= 1.0 + NEAR) & (distance > 0.0) & (inverse != 0.0)
        return np.where(inside, distance, np.inf), u, v


def _halves(part: Indices, middle: NDArray[np.float64]) -> tuple[Indices, Indices]:
    """Both halves of faces along the longest side of their box."""
    if len(part) < 2:
        return part, part[:0]
    axis = int(np.argmax(np.ptp(middle[part], axis=0)))
    ordered = part[np.argsort(middle[part, axis], kind="stable")]
    return ordered[: len(part) // 2], ordered[len(part) // 2 :]
