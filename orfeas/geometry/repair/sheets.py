"""Sheets: a surface cut where too many faces meet, and wound one way."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from orfeas.geometry.manifoldness import Edges, fans, parts
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot, face_cross, unit
from orfeas.geometry.repair.state import Indices, Mask, State

MOST_CROWDED = 20_000  # edges with more than two faces that are looked at one by one


def split(state: State) -> tuple[State, int, int]:
    """Crowded edges and vertices given a copy for each sheet; how many edges and vertices that took."""
    edges = Edges.of(state.faces)
    one, two = edges.pairs()
    crowded = np.flatnonzero(edges.count > 2)
    if 0 < len(crowded) <= MOST_CROWDED:
        groups = (edges.order[edges.start[k] : edges.start[k] + edges.count[k]] for k in crowded)
        more = np.concatenate([_paired(state.vertices, state.faces, group) for group in groups])
        one, two = np.concatenate([one, more[:, 0]]), np.concatenate([two, more[:, 1]])
    before = len(state.vertices)
    state = _cut(state, one, two, _at(state, edges.order[np.repeat(edges.count, edges.count) > 2]))
    return state, len(crowded), len(state.vertices) - before


def _cut(state: State, one: Indices, two: Indices, apart: Mask) -> State:
    """A vertex for every fan of faces that hang together across these pairs of directed edges.

    Open fans share their vertex, which patches over the gaps between them make whole; but not where `apart`.
    """
    flat = state.faces.ravel()
    count, fan = fans(state.faces, one, two)
    _, first = np.unique(fan, return_index=True)
    vertex = flat[first]
    if count == np.count_nonzero(np.bincount(vertex)):
        return state
    loose = np.ones(len(flat), dtype=bool)
    loose[one], loose[two] = False, False
    after = np.arange(len(flat)).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    is_open = np.zeros(count, dtype=bool)
    is_open[fan[loose]], is_open[fan[after[loose]]] = True, True
    key = vertex * (count + 1) + np.where(is_open & ~apart[vertex], 0, np.arange(count) + 1)
    _, lead, group = np.unique(key, return_index=True, return_inverse=True)
    owner = vertex[lead]
    again = np.concatenate([[False], owner[1:] == owner[:-1]])
    name = owner.copy()
    name[again] = len(state.vertices) + np.arange(int(again.sum()))
    vertices = np.concatenate([state.vertices, state.vertices[owner[again]]])
    return State(vertices, name[group][fan].reshape(-1, 3), state.origin)


def _paired(vertices: Vertices, faces: Faces, group: Indices) -> Indices:
    """Directed edges along one edge, paired with a neighbour in the order of angles, (k, 2).

    Faces that wind oppositely and have solid between them come first; the way round with more such pairs is taken. An
    odd number has no pairs: faces that also hang together around the ends stay together, a fin comes off.
    """
    if len(group) % 2:
        return np.zeros((0, 2), dtype=np.intp)
    flat, face, side = faces.ravel(), group // 3, group % 3
    tail, head, tip = flat[group], flat[face * 3 + (side + 1) % 3], flat[face * 3 + (side + 2) % 3]
    low, high = vertices[min(tail[0], head[0])], vertices[max(tail[0], head[0])]
    axis = unit(high - low)
    arm = vertices[tip] - low
    arm = arm - (arm @ axis)[:, None] * axis
    zero = unit(arm[0])
    angle = np.arctan2(arm @ np.cross(axis, zero), arm @ zero)
    order = np.argsort(angle, kind="stable")
    begins = (tail > head)[order]
    ordered = group[order]
    ways = []
    for shift in (0, 1):
        here, sign = np.roll(ordered, -shift), np.roll(begins, -shift)
        fit = 2 * int((sign[::2] & ~sign[1::2]).sum()) + int((~sign[::2] & sign[1::2]).sum())
        ways.append((fit, here.reshape(-1, 2)))
    return max(ways, key=lambda way: way[0])[1]


def wound(state: State) -> tuple[State, int, int]:
    """Neighbours wound alike, most of the area of a part as it was; how many faces turned and edges were cut.

    The parity of a face follows from a double cover: two copies of every face, each joined to the copies of its
    neighbours that wind like it. A part whose two copies hang together has one side; it is cut open.
    """
    if len(state.faces) == 0:
        return state, 0, 0
    one, two = Edges.of(state.faces).pairs()
    flat, count = state.faces.ravel(), len(state.faces)
    alike = flat[one] != flat[two]
    if alike.all():
        return state, 0, 0
    a, b = one // 3, two // 3
    turned, conflict = _parity(a, b, alike, count)
    state = state.flipped(_minority(state, turned, a, b))
    if conflict.any():
        state = _cut(state, *_glue(state.faces), _at(state, np.concatenate([one[conflict], two[conflict]])))
    return state, int(turned.sum()), int(conflict.sum())


def _at(state: State, directed: Indices) -> Mask:
    """Vertices at the ends of directed edges."""
    mask = np.zeros(len(state.vertices), dtype=bool)
    flat = state.faces.ravel()
    mask[flat[directed]] = mask[flat[directed // 3 * 3 + (directed % 3 + 1) % 3]] = True
    return mask


def _glue(faces: Faces) -> tuple[Indices, Indices]:
    one, two = Edges.of(faces).pairs()
    flat = faces.ravel()
    good = flat[one] != flat[two]
    return one[good], two[good]


def _parity(a: Indices, b: Indices, alike: Mask, count: int) -> tuple[Mask, Mask]:
    """Faces to turn, and the pairs that still disagree then."""
    there = np.where(alike, b, b + count)
    back = np.where(alike, b + count, b)
    _, label = parts(2 * count, np.concatenate([a, a + count]), np.concatenate([there, back]))
    turned = np.asarray(label[:count] > label[count:])
    one_sided = label[:count] == label[count:]
    if one_sided.any():
        turned |= _walked(a, b, alike, one_sided)
    return turned, np.asarray((turned[a] == turned[b]) != alike)


def _walked(a: Indices, b: Indices, alike: Mask, which: Mask) -> Mask:
    """Parity along a tree through the faces of one-sided parts."""
    count = len(which)
    weight = np.where(alike, 1.0, 2.0)
    graph = coo_array((np.concatenate([weight, weight]), (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    known: dict[int, bool] = {}
    for seed in np.flatnonzero(which).tolist():
        if seed in known:
            continue
        order, before = breadth_first_order(graph, seed, directed=False)
        known[seed] = False
        parent = before[order[1:]]
        against = np.asarray(graph[parent, order[1:]]).ravel() > 1.5
        for face, source, other in zip(order[1:].tolist(), parent.tolist(), against.tolist(), strict=True):
            known[face] = known[source] != other
    turned = np.zeros(count, dtype=bool)
    turned[[face for face, against in known.items() if against]] = True
    return turned


def _minority(state: State, turned: Mask, a: Indices, b: Indices) -> Mask:
    """The same turns, or those of all other faces of a part, whichever moves less area."""
    number, part = parts(len(turned), a, b)
    cross = face_cross(state.vertices, state.faces)
    area = np.sqrt(dot(cross, cross))
    share = np.bincount(part, weights=area * turned, minlength=number)
    more = share > np.bincount(part, weights=area, minlength=number) / 2.0
    turned ^= more[part]
    return turned
