"""Merging what belongs together: equal places, borders a hair apart, vertices on the edges of others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.geometry.manifoldness import Edges, parts
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot, face_cross, unit
from orfeas.geometry.repair.state import Indices, State, named
from orfeas.geometry.weld import by_position, collapsed, same_place

GAPS = (1e-6, 1e-5, 1e-4)  # of the diagonal: cracks closed, the narrow ones first
SHARE_OF_EDGE = 0.3  # and never more than this share of the shortest edge there, so that no feature collapses
JUNCTION_GAP = 2e-5  # of the diagonal: a vertex so near to an edge lies on it
ROUNDS = 6
MOST_NEAR = 2_000  # vertices along one edge

Floats = NDArray[np.float64]


def welded(state: State) -> State:
    """Vertices at the same place, in the single precision of files, merged; faces that collapse left out."""
    first, faces = by_position(state.vertices, state.faces)
    if len(first) == len(state.vertices):
        return state
    merged = State(state.vertices[first], faces, state.origin)
    return merged.kept(~collapsed(faces))


def border(faces: Faces) -> Indices:
    """Directed edges (3 f + k) that have no other face."""
    edges = Edges.of(faces)
    return np.asarray(edges.order[edges.start[edges.count == 1]])


def stitched(state: State) -> tuple[State, int]:
    """Borders a hair apart merged, and how many vertices that took."""
    merged = 0
    scale = state.diagonal
    for gap in GAPS:
        open_edges = border(state.faces)
        if len(open_edges) == 0:
            break
        name = _near_names(state, open_edges, gap * scale)
        changed = int((name != np.arange(len(name))).sum())
        if changed:
            merged += changed
            faces = name[state.faces]
            state = replace(state, faces=faces).kept(~collapsed(faces))
    return state, merged


def _near_names(state: State, open_edges: Indices, gap: float) -> Indices:
    """The vertex that each vertex becomes."""
    name = np.arange(len(state.vertices))
    vertex = named(np.concatenate([_tail(state.faces, open_edges), _head(state.faces, open_edges)]))
    reach = np.minimum(gap, SHARE_OF_EDGE * _shortest_edge(state)[vertex])
    places = state.vertices[vertex]
    pairs = cKDTree(places).query_pairs(float(reach.max()), output_type="ndarray")
    if len(pairs) == 0:
        return name
    arm = places[pairs[:, 0]] - places[pairs[:, 1]]
    near = dot(arm, arm) <= np.minimum(reach[pairs[:, 0]], reach[pairs[:, 1]]) ** 2
    _, group = parts(len(vertex), pairs[near, 0], pairs[near, 1])
    _, first = np.unique(group, return_index=True)
    name[vertex] = vertex[first[group]]
    return name


def _shortest_edge(state: State) -> Floats:
    corners = state.vertices[state.faces]
    side = corners - np.roll(corners, -1, axis=1)
    length = np.sqrt(dot(side, side)).ravel()
    shortest = np.full(len(state.vertices), np.inf)
    np.minimum.at(shortest, state.faces.ravel(), length)
    np.minimum.at(shortest, np.roll(state.faces, -1, axis=1).ravel(), length)
    return shortest


def _tail(faces: Faces, directed: Indices) -> Faces:
    return faces.ravel()[directed]


def _head(faces: Faces, directed: Indices) -> Faces:
    return np.roll(faces, -1, axis=1).ravel()[directed]


def without_junctions(state: State) -> tuple[State, int]:
    """Faces split where a vertex of another border lies on their open edge, and how many vertices that took."""
    total = 0
    gap = JUNCTION_GAP * state.diagonal
    for _ in range(ROUNDS):
        open_edges = border(state.faces)
        if len(open_edges) == 0:
            break
        edge, vertex, place = _on_edges(state, open_edges, gap)
        if len(edge) == 0:
            break
        edge, vertex = _one_edge_a_face(edge, vertex, place)
        state = _split(state, edge, vertex)
        total += len(vertex)
    return state, total


def _on_edges(state: State, open_edges: Indices, gap: float) -> tuple[Indices, Indices, Floats]:
    """Directed edges, the vertices that lie on them, and where, 0 to 1."""
    tail, head = _tail(state.faces, open_edges), _head(state.faces, open_edges)
    vertex = named(np.concatenate([tail, head]))
    places = state.vertices[vertex]
    tree = cKDTree(places)
    start, along = state.vertices[tail], state.vertices[head] - state.vertices[tail]
    length = np.sqrt(dot(along, along))
    middle, reach = start + along / 2.0, length / 2.0 + gap
    count = tree.query_ball_point(middle, reach, return_length=True)
    some = np.flatnonzero((count > 2) & (count <= MOST_NEAR) & (length > 4.0 * gap))
    if len(some) == 0:
        return some, some, np.zeros(0)
    found = tree.query_ball_point(middle[some], reach[some])
    which = np.repeat(some, [len(near) for near in found])
    near = np.concatenate([np.asarray(one, dtype=np.intp) for one in found])
    arm = places[near] - start[which]
    place = dot(arm, along[which]) / length[which] ** 2
    off = arm - place[:, None] * along[which]
    third = state.faces.ravel()[open_edges // 3 * 3 + (open_edges % 3 + 2) % 3][which]
    inner = gap / length[which]
    name = vertex[near]
    on = (dot(off, off) <= gap**2) & (place > inner) & (place < 1.0 - inner)
    on &= (name != tail[which]) & (name != head[which]) & (name != third)
    return open_edges[which[on]], name[on], place[on]


def _one_edge_a_face(edge: Indices, vertex: Indices, place: Floats) -> tuple[Indices, Indices]:
    """Of each face the edge with the most vertices, these in order along it."""
    names, inverse, count = np.unique(edge, return_inverse=True, return_counts=True)
    order = np.lexsort((-count, names // 3))
    _, first = np.unique(names[order] // 3, return_index=True)
    chosen = np.zeros(len(names), dtype=bool)
    chosen[order[first]] = True
    kept = np.flatnonzero(chosen[inverse])
    kept = kept[np.lexsort((place[kept], edge[kept]))]
    return edge[kept], vertex[kept]


def _split(state: State, edge: Indices, vertex: Indices) -> State:
    """Faces replaced by fans from the corner opposite to the edge; `edge` sorted, its vertices in order."""
    flat = state.faces.ravel()
    names, start, count = np.unique(edge, return_index=True, return_counts=True)
    face, side = names // 3, names % 3
    tail, head, tip = flat[names], flat[face * 3 + (side + 1) % 3], flat[face * 3 + (side + 2) % 3]
    rank = np.arange(len(edge)) - np.repeat(start, count)
    of = np.repeat(np.arange(len(names)), count)
    before = np.where(rank == 0, tail[of], np.roll(vertex, 1))
    pieces = np.stack([before, vertex, tip[of]], axis=1)
    last = np.stack([vertex[start + count - 1], head, tip], axis=1)
    keep = np.ones(len(state.faces), dtype=bool)
    keep[face] = False
    source = state.origin[face]
    return state.kept(keep).with_faces(np.concatenate([pieces, last]), np.concatenate([source[of], source]))


def spread(state: State, distance: float) -> State:
    """Vertices at the same place moved apart towards their inside, each a little further than the one before."""
    used = named(state.faces)
    _, place = same_place(state.vertices[used])
    crowd = np.bincount(place)[place] > 1
    if not crowd.any():
        return state
    moved = used[crowd]
    corner = np.repeat(face_cross(state.vertices, state.faces), 3, axis=0)
    flat, size = state.faces.ravel(), len(state.vertices)
    sums = [np.bincount(flat, corner[:, axis], size)[moved].astype(np.float64) for axis in range(3)]
    normal = unit(np.stack(sums, axis=1))
    order = np.argsort(place[crowd], kind="stable")
    ordered = place[crowd][order]
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order)) - np.repeat(start, np.diff(np.append(start, len(order))))
    vertices: Vertices = state.vertices.copy()
    vertices[moved] -= (distance * (1.0 + 0.5 * rank))[:, None] * normal
    return replace(state, vertices=vertices)
