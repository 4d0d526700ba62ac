"""Topology of triangle meshes from their indices: closed, manifold, oriented, bodies, genus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from orfeas.geometry.mesh import Faces

FACES_AT_TWINS = 2  # around each vertex of two faces that close each other; no other closed manifold has so few
LONGEST_WALK = 64  # steps around a vertex; beyond, steps that double are faster

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Topology:
    """What the indices of a mesh say about its surface.

    Attributes
    ----------
    vertex_count, edge_count, face_count : int
        Vertices that faces use, edges, faces.
    body_count : int
        Parts whose faces hang together by edges.
    boundary_edges, non_manifold_edges, inverted_edges : int
        Edges with one face, with more than two, and with two that run along it in the same direction.
    fan_count : int
        Fans of faces around vertices; a vertex that joins separate fans counts once for each.
    """

    vertex_count: int
    edge_count: int
    face_count: int
    body_count: int
    boundary_edges: int
    non_manifold_edges: int
    inverted_edges: int
    fan_count: int

    @property
    def is_oriented(self) -> bool:
        """Neighbouring faces wind the same way."""
        return self.inverted_edges == 0

    @property
    def is_watertight(self) -> bool:
        """Every edge has exactly two faces, wound oppositely."""
        return self.face_count > 0 and self.boundary_edges + self.non_manifold_edges + self.inverted_edges == 0

    @property
    def is_manifold(self) -> bool:
        """No edge has more than two faces and no vertex joins separate fans."""
        return self.face_count > 0 and self.non_manifold_edges == 0 and self.fan_count == self.vertex_count

    @property
    def euler_number(self) -> int:
        """Vertices - edges + faces."""
        return self.vertex_count - self.edge_count + self.face_count

    @property
    def genus(self) -> int | None:
        """Number of handles of all bodies together; None unless watertight."""
        if not self.is_watertight:
            return None
        # Separate fans are counted apart, so that bodies that touch in a vertex do not look like a handle.
        return self.body_count - (self.fan_count - self.edge_count + self.face_count) // 2


@dataclass(frozen=True, slots=True)
class Edges:
    """Directed edges 3 f + k, from corner k of face f to the next, grouped by the edge they run along.

    Attributes
    ----------
    order : (3 m,) int
        Directed edges, those of one edge together.
    start, count : (e,) int
        Where each edge's group begins in `order`, and its size.
    """

    order: Indices
    start: Indices
    count: Indices

    @classmethod
    def of(cls, faces: Faces) -> Edges:
        tail, head = faces.ravel(), faces[:, [1, 2, 0]].ravel()
        span = int(faces.max(initial=-1)) + 1
        key = np.minimum(tail, head) * span + np.maximum(tail, head)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(key) else order
        return cls(order, start, np.diff(np.append(start, len(key))))

    def pairs(self) -> tuple[Indices, Indices]:
        """The two directed edges of every edge with exactly two faces."""
        start = self.start[self.count == 2]
        return self.order[start], self.order[start + 1]


def topology(faces: Faces) -> Topology:
    """Counts that decide whether a surface is closed, manifold and oriented.

    Parameters
    ----------
    faces : (m, 3) int
        Indices of vertices merged by position; no face names a vertex twice.
    """
    if len(faces) == 0:
        return Topology(0, 0, 0, 0, 0, 0, 0, 0)
    return _of_closed(faces) or _of_any(faces)


def _of_closed(faces: Faces) -> Topology | None:
    """The topology where every edge has two faces wound oppositely and every vertex one fan; None elsewhere.

    Such a surface is its own mirror: the matrix of directed edges has the pattern of its transpose. Both come from
    counting, in two thirds of the time that sorting the edges takes.
    """
    small = faces.astype(np.int32)
    tail, head = small.ravel(), np.roll(small, -1, axis=1).ravel()
    size = int(faces.max()) + 1
    edges = coo_array((np.arange(len(tail), dtype=np.int32), (tail, head)), shape=(size, size)).tocsr()
    back = edges.T.tocsr()
    same = edges.nnz == len(tail) and np.array_equal(edges.indptr, back.indptr)
    if not same or not np.array_equal(edges.indices, back.indices):
        return None
    twin = np.empty(len(tail), dtype=np.int32)
    twin[edges.data] = back.data
    degree = np.diff(edges.indptr)
    used = degree > 0
    if not _single_fans(twin, edges.data[edges.indptr[:-1][used]], degree[used]):
        return None
    vertex_count = int(np.count_nonzero(used))
    # Edges go both ways, so that strong components are bodies; their search needs no transposed copy.
    bodies_and_unused = connected_components(edges, connection="strong", return_labels=False)
    return Topology(
        vertex_count=vertex_count,
        edge_count=len(tail) // 2,
        face_count=len(faces),
        body_count=int(bodies_and_unused) - (size - vertex_count),
        boundary_edges=0,
        non_manifold_edges=0,
        inverted_edges=0,
        fan_count=vertex_count,
    )


def _of_any(faces: Faces) -> Topology:
    """The topology of any surface."""
    edges = Edges.of(faces)
    one, two = edges.pairs()
    tail = faces.ravel()
    return Topology(
        vertex_count=int(np.count_nonzero(np.bincount(tail))),
        edge_count=len(edges.start),
        face_count=len(faces),
        body_count=parts(len(faces), *_neighbours(edges))[0],
        boundary_edges=int((edges.count == 1).sum()),
        non_manifold_edges=int((edges.count > 2).sum()),
        inverted_edges=int((tail[one] == tail[two]).sum()),
        fan_count=fans(faces, one, two)[0],
    )


def _twin(one: Indices, two: Indices) -> NDArray[np.int32]:
    """The directed edge on the other side of each, where all edges have two."""
    twin = np.empty(2 * len(one), dtype=np.int32)
    twin[one], twin[two] = two, one
    return twin


def bodies(faces: Faces) -> tuple[int, NDArray[np.int32]]:
    """Number of bodies and the body of every face; bodies hang together by edges."""
    return parts(len(faces), *_neighbours(Edges.of(faces)))


def torn(faces: Faces, count: int) -> NDArray[np.bool_]:
    """Vertices, of `count`, where a closed surface is glued to itself: edges with several sheets, joined fans, twins.

    A twin is a face with the vertices of another one: what is left of a body or a neck without volume.
    """
    if len(faces) and _of_closed(faces) is not None:
        return np.asarray(np.bincount(faces.ravel(), minlength=count) == FACES_AT_TWINS)
    edges = Edges.of(faces)
    mask = np.zeros(count, dtype=bool)
    tail = faces.ravel()
    odd = edges.order[np.repeat(edges.count, edges.count) > 2]
    mask[tail[odd]] = True
    number, corner_fan = fans(faces, *edges.pairs())
    corner = np.empty(number, dtype=np.intp)
    corner[corner_fan] = np.arange(len(tail))  # any one of each fan
    mask |= np.bincount(tail[corner], minlength=count) > 1
    mask[faces[twins(faces)]] = True
    return mask


def has_twins(faces: Faces, state: Topology) -> bool:
    """Whether there are twins, by the topology of the faces."""
    if state.is_watertight and state.is_manifold:
        return bool((np.bincount(faces.ravel()) == FACES_AT_TWINS).any())
    return bool(twins(faces).any())


def twins(faces: Faces) -> NDArray[np.bool_]:
    """Faces that have the same three vertices as another one."""
    low, high = faces.min(axis=1), faces.max(axis=1)
    span = int(faces.max(initial=-1)) + 1
    key = (low * span + high) * span + (faces.sum(axis=1) - low - high)
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(np.diff(key[order]) == 0)  # beyond two million vertices keys wrap: compare in full
    several = order[np.union1d(again, again + 1)]
    _, group, count = np.unique(np.sort(faces[several], axis=1), axis=0, return_inverse=True, return_counts=True)
    mask = np.zeros(len(faces), dtype=bool)
    mask[several] = count[group.ravel()] > 1
    return mask


def _neighbours(edges: Edges) -> tuple[Indices, Indices]:
    """Faces that share an edge, as pairs of one list after the other."""
    same = np.ones(len(edges.order), dtype=bool)
    same[edges.start] = False
    later = np.flatnonzero(same)
    return edges.order[later - 1] // 3, edges.order[later] // 3


def fans(faces: Faces, one: Indices, two: Indices) -> tuple[int, NDArray[np.int32]]:
    """Corners joined across the edges with two faces: number of fans and the fan of each corner."""
    tail = faces.ravel()
    if 2 * len(one) == len(tail) and (tail[one] != tail[two]).all():
        return _turns(_twin(one, two))
    after = np.arange(len(tail)).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    opposite = tail[one] != tail[two]
    at_tail = np.where(opposite, after[two], two)
    at_head = np.where(opposite, two, after[two])
    return parts(len(tail), np.concatenate([one, after[one]]), np.concatenate([at_tail, at_head]))


def _single_fans(twin: NDArray[np.int32], start: NDArray[np.int32], degree: NDArray[np.int32]) -> bool:
    """Whether walks around vertices come back after as many steps as there are corners; False if one is long.

    `start` has one directed edge away from each vertex, `degree` how many there are.
    """
    around = np.roll(twin.reshape(-1, 3), 1, axis=1).ravel()  # across the edge before, which ends at the vertex
    here = start
    for step in range(1, LONGEST_WALK):
        here = around[here]
        back = here == start
        if not np.array_equal(back, degree == step):
            return False
        if back.all():
            return True
        if back.any():
            here, start, degree = here[~back], start[~back], degree[~back]
    return False


def _turns(twin: NDArray[np.int32]) -> tuple[int, NDArray[np.int32]]:
    """Fans of a closed, oriented surface: the cycles of corners around vertices, by steps that double."""
    own = np.arange(len(twin), dtype=np.int32)
    step = twin[own.reshape(-1, 3)[:, [2, 0, 1]].ravel()]
    least = np.minimum(own, step)
    while True:
        further = np.minimum(least, least[step := step[step]])
        if np.array_equal(further, least):
            break
        least = further
    first = least == own
    return int(np.count_nonzero(first)), (np.cumsum(first, dtype=np.int32) - 1)[least]


def parts(count: int, one: Indices, two: Indices) -> tuple[int, NDArray[np.int32]]:
    """Connected components of `count` things with these links."""
    # In the types that scipy would otherwise convert to.
    links = np.ones(len(one)), (one.astype(np.int32), two.astype(np.int32))
    graph = coo_array(links, shape=(count, count)).tocsr()
    number, label = connected_components(graph, directed=False)
    return int(number), label
