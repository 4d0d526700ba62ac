"""Edge collapses that never change the topology, one at a time.

Slow beside a compiled simplifier, but exact: it takes the last few faces off where that one would tear the surface.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot, face_cross, unit

Vector = tuple[float, float, float]
FLIP_COSINE = 0.2  # a face may turn by less than 78 degrees


class Collapser:
    """A mesh whose edges can be collapsed while its surface stays what it is, topologically."""

    def __init__(self, vertices: Vertices, faces: Faces, frozen: NDArray[np.bool_] | None = None) -> None:
        self._frozen: list[bool] = [False] * len(vertices) if frozen is None else frozen.tolist()
        self._place: list[Vector] = [(x, y, z) for x, y, z in vertices.tolist()]
        self._face: list[tuple[int, int, int] | None] = [(a, b, c) for a, b, c in faces.tolist()]
        self._around: list[set[int]] = [set() for _ in self._place]
        for index, corners in enumerate(faces.tolist()):
            for vertex in corners:
                self._around[vertex].add(index)
        self._quadric = _quadrics(vertices, faces)
        self._changed = [0] * len(self._place)
        self.face_count = len(faces)
        self._edges = _edge_list(faces)

    def reduce(self, target: int, *, allow_flips: bool = False) -> bool:
        """Collapse the cheapest edges until `target` faces are left; whether that was reached.

        References
        ----------
        M. Garland, P. Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH 1997.
        """
        heap = [self._candidate(one, two) for one, two in self._edges]
        heapq.heapify(heap)
        while heap and self.face_count > target:
            _, one, two, stamp_one, stamp_two, place = heapq.heappop(heap)
            if (stamp_one, stamp_two) != (self._changed[one], self._changed[two]):
                continue
            if self._collapse(one, two, place, budget=self.face_count - target, allow_flips=allow_flips):
                for other in self._neighbours(one):
                    heapq.heappush(heap, self._candidate(one, other))
        self._edges = [(a, b) for a, b in self._edges if self._around[a] and self._around[b] and self._adjacent(a, b)]
        return self.face_count <= target

    def join(self, pairs: Iterable[tuple[int, int]]) -> int:
        """Collapse these edges onto their first vertex where the topology allows; how many were."""
        done = 0
        for one, two in pairs:
            if self._around[one] and self._around[two] and self._adjacent(one, two):
                done += self._collapse(one, two, self._place[one], budget=2, allow_flips=True)
        return done

    def result(self) -> tuple[Vertices, Faces, NDArray[np.intp]]:
        """All places, the faces that are left, and which of the first faces those were."""
        kept = [index for index, corners in enumerate(self._face) if corners is not None]
        faces = np.array([self._face[index] for index in kept], dtype=np.int64).reshape(-1, 3)
        return np.array(self._place), faces, np.array(kept, dtype=np.intp)

    def _neighbours(self, vertex: int) -> set[int]:
        return {corner for index in self._around[vertex] for corner in self._face[index] or ()} - {vertex}

    def _adjacent(self, one: int, two: int) -> bool:
        return not self._around[one].isdisjoint(self._around[two])

    def _on_boundary(self, vertex: int) -> bool:
        return len(self._neighbours(vertex)) != len(self._around[vertex])

    def _candidate(self, one: int, two: int) -> tuple[float, int, int, int, int, Vector]:
        """Cost of the edge, what it needs to notice that it is out of date, and where its vertex would go."""
        a, b = self._place[one], self._place[two]
        quadric = [p + q for p, q in zip(self._quadric[one], self._quadric[two], strict=True)]
        middle = ((a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0, (a[2] + b[2]) / 2.0)
        cost, place = min((_error(quadric, point), point) for point in (middle, a, b))
        # The length breaks ties on flat parts, where every collapse is free.
        length = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2
        return cost + 1e-9 * length, one, two, self._changed[one], self._changed[two], place

    def _collapse(self, one: int, two: int, place: Vector, *, budget: int, allow_flips: bool) -> bool:
        """Replace an edge by its first vertex, moved to a place; False where that would change the topology."""
        if self._frozen[one] or self._frozen[two]:
            return False
        gone = self._around[one] & self._around[two]
        if len(gone) > budget or not self._keeps_topology(one, two, gone):
            return False
        moved = (self._around[one] | self._around[two]) - gone
        if not allow_flips and any(self._flips(index, one, two, place) for index in moved):
            return False
        for index in gone:
            for vertex in self._face[index] or ():
                self._around[vertex].discard(index)
            self._face[index] = None
        for index in self._around[two]:
            a, b, c = self._face[index] or (0, 0, 0)
            self._face[index] = (one if a == two else a, one if b == two else b, one if c == two else c)
        self._around[one] |= self._around[two]
        self._around[two] = set()
        self._place[one] = place
        self._quadric[one] = [p + q for p, q in zip(self._quadric[one], self._quadric[two], strict=True)]
        self._changed[one] += 1
        self._changed[two] += 1
        self.face_count -= len(gone)
        return True

    def _keeps_topology(self, one: int, two: int, gone: set[int]) -> bool:
        """The link condition (Dey et al. 1999), which also keeps the last four faces of a body."""
        near_one, near_two = self._neighbours(one), self._neighbours(two)
        if len(near_one & near_two) != len(gone) or len(gone) not in (1, 2):
            return False
        if len(gone) == 1:
            return len(near_one | near_two) > 3 and len(self._around[one] | self._around[two]) > 1
        if len(near_one) == len(near_two) == 3 and len(self._around[one]) == len(self._around[two]) == 3:
            return False
        return not (self._on_boundary(one) and self._on_boundary(two))

    def _flips(self, index: int, one: int, two: int, place: Vector) -> bool:
        """Whether a face would turn over or lose its area if both vertices moved to a place."""
        corners = self._face[index] or (0, 0, 0)
        before = [self._place[vertex] for vertex in corners]
        after = [place if vertex in (one, two) else self._place[vertex] for vertex in corners]
        old, new = _cross(before), _cross(after)
        along = old[0] * new[0] + old[1] * new[1] + old[2] * new[2]
        size_old = old[0] ** 2 + old[1] ** 2 + old[2] ** 2
        size_new = new[0] ** 2 + new[1] ** 2 + new[2] ** 2
        return along < FLIP_COSINE * (size_old * size_new) ** 0.5 or size_new < 1e-8 * size_old


def _edge_list(faces: Faces) -> list[tuple[int, int]]:
    edges = Edges.of(faces)
    first = edges.order[edges.start]
    tail, head = faces.ravel()[first], np.roll(faces, -1, axis=1).ravel()[first]
    return [(a, b) for a, b in np.stack([tail, head], axis=1).tolist()]


def _quadrics(vertices: Vertices, faces: Faces) -> list[list[float]]:
    """Squared distances to the planes around each vertex, weighted by area, as upper triangles (n, 10)."""
    cross = face_cross(vertices, faces)
    normal = unit(cross)
    plane = np.concatenate([normal, -dot(normal, vertices[faces[:, 0]])[:, None]], axis=1)
    row, column = np.triu_indices(4)
    product = plane[:, row] * plane[:, column] * np.linalg.norm(cross, axis=1)[:, None]
    corner = faces.ravel()
    sums = [np.bincount(corner, np.repeat(product[:, k], 3), minlength=len(vertices)) for k in range(10)]
    return np.stack(sums, axis=1).tolist()  # type: ignore[no-any-return]


def _error(q: list[float], point: Vector) -> float:
    x, y, z = point
    return (
        q[0] * x * x + q[4] * y * y + q[7] * z * z + q[9]
        + 2.0 * (q[1] * x * y + q[2] * x * z + q[3] * x + q[5] * y * z + q[6] * y + q[8] * z)
    )  # fmt: skip


def _cross(corners: list[Vector]) -> Vector:
    a, b, c = corners
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
