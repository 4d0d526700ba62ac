"""Patches over holes: least area where they are small, smooth where the surface around them bends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay

from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot
from orfeas.geometry.repair.state import Indices, State

LONGEST_LOOP = 160  # corners of a hole that is triangulated at once: the time grows with the third power
MOST_INNER = 20_000  # vertices of a smooth patch
FAIRINGS = 2

Floats = NDArray[np.float64]
HasEdge = Callable[[Indices, Indices], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Faces over a hole, and the vertices they bring, which count from the number of vertices on."""

    faces: Faces
    vertices: Vertices


def over(state: State, loop: Indices, has_edge: HasEdge, *, smooth: bool) -> Patch:
    """A patch with this border, wound along it; no inner edge is one that the surface has already."""
    if smooth:
        patch = _smooth(state, loop, has_edge)
        if patch is not None:
            return patch
    corners = _least_area(state.vertices, loop, has_edge)
    if corners is not None:
        return Patch(loop[corners].astype(np.int64), np.zeros((0, 3)))
    return _fan(state.vertices, loop)


def _fan(vertices: Vertices, loop: Indices) -> Patch:
    """A new vertex in the middle: the patch that is possible for every loop."""
    middle = np.full(len(loop), len(vertices))
    faces = np.stack([loop, np.roll(loop, -1), middle], axis=1)
    return Patch(faces.astype(np.int64), vertices[loop].mean(axis=0)[None])


def _least_area(vertices: Vertices, loop: Indices, has_edge: HasEdge) -> Faces | None:
    """Triangles of least total area, as positions in the loop; None where known edges leave no way.

    References
    ----------
    G. Barequet, M. Sharir, "Filling gaps in the boundary of a polyhedron", Computer Aided Geometric Design 12(2),
    1995. Long loops are first halved by their shortest chord.
    """
    todo = [np.arange(len(loop))]
    found: list[tuple[int, int, int]] = []
    while todo:
        part = todo.pop()
        if len(part) > LONGEST_LOOP:
            chord = _shortest_chord(vertices, loop, part, has_edge)
            if chord is None:
                return None
            low, high = chord
            todo += [part[low : high + 1], np.concatenate([part[high:], part[: low + 1]])]
            continue
        made = _optimal(vertices[loop[part]], _forbidden(loop, part, has_edge))
        if made is None:
            return None
        found += [(int(part[a]), int(part[b]), int(part[c])) for a, b, c in made]
    return np.array(found, dtype=np.int64)


def _forbidden(loop: Indices, part: Indices, has_edge: HasEdge) -> NDArray[np.bool_]:
    """Chords that the surface has as edges; the part's own sides are allowed."""
    count = len(part)
    one, two = np.meshgrid(loop[part], loop[part], indexing="ij")
    forbidden = has_edge(one.ravel(), two.ravel()).reshape(count, count)
    step = np.arange(count)
    forbidden[step, (step + 1) % count] = forbidden[(step + 1) % count, step] = False
    return np.asarray(forbidden)


def _shortest_chord(vertices: Vertices, loop: Indices, part: Indices, has_edge: HasEdge) -> tuple[int, int] | None:
    count = len(part)
    stride = max(1, count // 512)
    low = np.arange(0, count, stride)
    a, b = np.meshgrid(low, low, indexing="ij")
    gap = b - a
    good = (gap >= count // 4) & (gap <= count - count // 4)
    a, b = a[good], b[good]
    arm = vertices[loop[part[a]]] - vertices[loop[part[b]]]
    for k in np.argsort(dot(arm, arm), kind="stable")[:32].tolist():
        if not has_edge(loop[part[a[k : k + 1]]], loop[part[b[k : k + 1]]])[0]:
            return int(a[k]), int(b[k])
    return None


def _optimal(places: Vertices, forbidden: NDArray[np.bool_]) -> list[tuple[int, int, int]] | None:
    count = len(places)
    if count == 3:
        return [(0, 1, 2)]
    cost = np.full((count, count), np.inf)
    split = np.zeros((count, count), dtype=np.intp)
    step = np.arange(count - 1)
    cost[step, step + 1] = 0.0
    for gap in range(2, count):
        low = np.arange(count - gap)
        middle = low[:, None] + np.arange(1, gap)[None, :]
        high = low + gap
        edge, arm = places[high] - places[low], places[middle] - places[low][:, None]
        area = np.linalg.norm(np.cross(np.broadcast_to(edge[:, None], arm.shape), arm), axis=2)
        total = cost[low[:, None], middle] + cost[middle, high[:, None]] + area
        best = total.argmin(axis=1)
        cost[low, high] = np.where(forbidden[low, high] & (gap < count - 1), np.inf, total[low, best])
        split[low, high] = middle[low, best]
    if not np.isfinite(cost[0, -1]):
        return None
    found, todo = [], [(0, count - 1)]
    while todo:
        first, last = todo.pop()
        if last - first > 1:
            between = int(split[first, last])
            found.append((first, between, last))
            todo += [(first, between), (between, last)]
    return found


def _smooth(state: State, loop: Indices, has_edge: HasEdge) -> Patch | None:
    """A patch of faces as large as those around it that continues their curvature; None where the loop forbids it.

    The loop is laid on a circle and filled with an even grid, which gives the faces; places follow from the least
    change of curvature.

    References
    ----------
    P. Liepa, "Filling holes in meshes", Symposium on Geometry Processing 2003.
    """
    places = state.vertices[loop]
    side = np.linalg.norm(np.roll(places, -1, axis=0) - places, axis=1)
    angle = 2.0 * np.pi * (np.cumsum(side) - side) / side.sum()
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = _grid(max(2.0 * np.pi / len(loop), (np.pi / MOST_INNER) ** 0.5))
    if len(inner) == 0 or side.min() < 1e-3 * side.mean():
        return None
    triangles = _wound(np.concatenate([rim, inner]), len(loop))
    if triangles is None or _cuts_known(triangles, loop, has_edge):
        return None
    names = np.concatenate([loop, len(state.vertices) + np.arange(len(inner))])
    faces = names[triangles]
    return Patch(faces.astype(np.int64), _faired(state, loop, faces, len(inner)))


def _grid(step: float) -> Floats:
    """Points of an even triangular grid within the unit circle, clear of its rim."""
    count = int(1.0 / step) + 2
    row, column = np.mgrid[-count : count + 1, -count : count + 1]
    grid = np.stack([(column + 0.5 * (row % 2)) * step, row * step * np.sqrt(0.75)], axis=-1).reshape(-1, 2)
    return np.asarray(grid[np.linalg.norm(grid, axis=1) < 1.0 - 0.6 * step])


def _wound(points: Floats, rim: int) -> Faces | None:
    """Delaunay triangles, counter-clockwise; None unless the rim is their border."""
    triangles = np.asarray(Delaunay(points).simplices, dtype=np.int64)
    a, b, c = points[triangles].transpose(1, 0, 2)
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles = np.where(turn[:, None] > 0.0, triangles, triangles[:, ::-1])
    is_whole = len(triangles) == 2 * len(points) - 2 - rim and len(np.unique(triangles)) == len(points)
    return np.ascontiguousarray(triangles) if is_whole else None


def _cuts_known(triangles: Faces, loop: Indices, has_edge: HasEdge) -> bool:
    """Whether an edge between corners of the loop that are no neighbours is one that the surface has."""
    tail, head = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    gap = (head - tail) % len(loop)
    chord = (tail < len(loop)) & (head < len(loop)) & (gap != 1) & (gap != len(loop) - 1)
    return bool(has_edge(loop[tail[chord]], loop[head[chord]]).any())


def _faired(state: State, loop: Indices, faces: Faces, inner: int) -> Vertices:
    """Places of the inner vertices: first a membrane, then a thin plate clamped to the faces around."""
    count = len(state.vertices)
    on_rim = np.zeros(count, dtype=bool)
    on_rim[loop] = True
    near = state.faces[on_rim[state.faces].any(axis=1)]
    names, local = np.unique(np.concatenate([faces, near]), return_inverse=True)
    local = local.reshape(-1, 3)
    free = names >= count
    places = np.zeros((len(names), 3))
    places[~free] = state.vertices[names[~free]]
    rim = np.flatnonzero(on_rim[np.where(free, 0, names)] & ~free)
    places[free] = places[rim].mean(axis=0)
    weights = _umbrella(local, len(names), None)
    places[free] = _solved(weights, np.flatnonzero(free), free, places)
    rows = np.concatenate([np.flatnonzero(free), rim])
    for _ in range(FAIRINGS):
        places[free] = _solved(_umbrella(local, len(names), places), rows, free, places)
    return places[free] if np.isfinite(places).all() else np.tile(places[rim].mean(axis=0), (inner, 1))


def _umbrella(faces: Faces, count: int, places: Vertices | None) -> csr_array:
    """The mean of the neighbours less the vertex, neighbours weighted by the inverse of their distance."""
    tail, head = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    one, two = np.concatenate([tail, head]), np.concatenate([head, tail])
    if places is None:
        weight = np.ones(len(one))
    else:
        arm = places[one] - places[two]
        length = np.sqrt(dot(arm, arm))
        weight = 1.0 / np.maximum(length, 1e-6 * float(length.max()) + 1e-300)
    graph = coo_array((weight, (one, two)), shape=(count, count)).tocsr()
    total = np.asarray(graph.sum(axis=1)).ravel()
    return csr_array(diags_array(1.0 / np.where(total > 0.0, total, 1.0)) @ graph - diags_array(np.ones(count)))


def _solved(laplacian: csr_array, rows: Indices, free: NDArray[np.bool_], places: Vertices) -> Vertices:
    """Places of the free vertices that make the rows of the Laplacian least, in the sense of squares."""
    part = laplacian[rows]
    unknown, known = part[:, np.flatnonzero(free)], part[:, np.flatnonzero(~free)]
    right = -(known @ places[~free])
    matrix = (unknown.T @ unknown).tocsc()
    return np.asarray(splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(np.asarray(unknown.T @ right)))
