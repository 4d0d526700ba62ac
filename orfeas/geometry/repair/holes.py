"""Holes: their borders, and which of them lie in one plane."""

from __future__ import annotations

from dataclasses import dataclass

import manifold3d
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges, fans
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot, face_cross, unit
from orfeas.geometry.repair import patches
from orfeas.geometry.repair.state import Indices, State
from orfeas.geometry.repair.welding import border

FLAT = 1e-4  # of the longest side of a hole's box: so near to a plane is in it
CREASE_COSINE = float(np.cos(np.radians(40.0)))
CURVED = 0.15  # radians that the surface turns over a hole's radius
FEWEST_CURVED = 8  # corners of a hole worth a smooth patch

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Hole:
    """A closed border.

    Attributes
    ----------
    loop : (n,) int
        Vertices in the order in which a patch has them, counter-clockwise seen from outside.
    area : (3,) float
        Area vector of the loop; its direction is the patch's mean normal.
    is_flat : bool
        All corners lie in a plane.
    turn : float
        Radians by which the surface around bends over the hole's radius.
    """

    loop: Indices
    area: Floats
    is_flat: bool
    turn: float

    @property
    def is_curved(self) -> bool:
        """Whether a flat cap would show."""
        return len(self.loop) >= FEWEST_CURVED and self.turn > CURVED


def filled(state: State) -> tuple[State, int, int]:
    """Patches over all holes; how many holes lay in a plane, and how many others there were."""
    found = _holes(state)
    if not found:
        return state, 0, 0
    known = _EdgeSet.of(state.faces)
    flat = [hole for hole in found if hole.is_flat and not hole.is_curved and len(hole.loop) > 3]
    rest = [hole for hole in found if not hole.is_flat or hole.is_curved or len(hole.loop) == 3]
    state, left = _flat_filled(state, flat, known)
    before = len(rest)
    fresh = [patches.over(state, hole.loop, known.has, smooth=hole.is_curved) for hole in rest + left]
    state = _added(state, fresh)
    return state, len(flat) - len(left), before + len(left)


def _added(state: State, fresh: list[patches.Patch]) -> State:
    """The state with patches; each counts its own vertices from the state's number on."""
    faces, places, count = [], [], len(state.vertices)
    base = count
    for patch in fresh:
        shifted = np.where(patch.faces >= base, patch.faces + (count - base), patch.faces)
        faces.append(shifted)
        places.append(patch.vertices)
        count += len(patch.vertices)
    if not faces:
        return state
    return state.with_faces(np.concatenate(faces).astype(np.int64), vertices=np.concatenate(places))


def _holes(state: State) -> list[Hole]:
    open_edges = border(state.faces)
    if len(open_edges) == 0:
        return []
    bend = _bends(state, open_edges)
    flat = state.faces.ravel()
    after = np.arange(len(flat)).reshape(-1, 3)[:, [1, 2, 0]].ravel()[open_edges]
    fan = fans(state.faces, *Edges.of(state.faces).pairs())[1]
    steps = _walked(fan[after], fan[open_edges], flat[after])
    found = [_hole(state.vertices, flat[after[loop]], bend[loop]) for loop in steps if len(loop) > 2]
    lone = set(flat[open_edges[_is_lone(open_edges)]].tolist())
    return [hole for hole in found if len(hole.loop) > 3 or not lone.issuperset(hole.loop.tolist())]


def _is_lone(open_edges: Indices) -> NDArray[np.bool_]:
    """Open edges of faces that have nothing else: a second face would close nothing."""
    face = open_edges // 3
    _, group, count = np.unique(face, return_inverse=True, return_counts=True)
    return np.asarray(count[group] == 3)


def _walked(start: NDArray[np.int32], end: NDArray[np.int32], vertex: Indices) -> list[Indices]:
    """Closed walks from fan to fan, as positions of the steps; where one meets a vertex again it closes there."""
    at = {fan: index for index, fan in enumerate(start.tolist())}
    after = [at.get(fan, -1) for fan in end.tolist()]
    names = vertex.tolist()
    seen = [False] * len(after)
    loops: list[Indices] = []
    for first in range(len(after)):
        walk, here = [], first
        while here >= 0 and not seen[here]:
            seen[here] = True
            walk.append(here)
            here = after[here]
        if here == first and walk:
            loops += _simple(walk, names)
    return loops


def _simple(walk: list[int], names: list[int]) -> list[Indices]:
    """A closed walk as loops that meet no vertex twice."""
    loops: list[Indices] = []
    stack: list[int] = []
    place: dict[int, int] = {}
    for step in walk:
        name = names[step]
        if name in place:
            low = place[name]
            loops.append(np.array(stack[low:]))
            for gone in stack[low:]:
                place.pop(names[gone], None)
            del stack[low:]
        place[name] = len(stack)
        stack.append(step)
    return [*loops, np.array(stack)]


def _hole(vertices: Vertices, loop: Indices, bend: Floats) -> Hole:
    places = vertices[loop]
    middle = places.mean(axis=0)
    arm = places - middle
    area = np.cross(arm, np.roll(arm, -1, axis=0)).sum(axis=0) / 2.0
    size = float(np.linalg.norm(area))
    around = float(np.linalg.norm(np.roll(arm, -1, axis=0) - arm, axis=1).sum())
    off = float(np.abs(arm @ (area / size)).max()) if size > 0.0 else np.inf
    known = bend[np.isfinite(bend)]
    radius = 2.0 * size / around if around > 0.0 else 0.0
    turn = abs(float(np.median(known))) * radius if len(known) * 2 >= len(bend) else 0.0
    return Hole(loop, area, off <= FLAT * float(np.ptp(arm, axis=0).max()), turn)


def _bends(state: State, open_edges: Indices) -> Floats:
    """Curvature of the surface across the border, 1 / length, at each open edge; nan beside creases."""
    edges = Edges.of(state.faces)
    one, two = edges.pairs()
    other = np.full(state.faces.size, -1, dtype=np.intp)
    other[one], other[two] = two // 3, one // 3
    face, side = open_edges // 3, open_edges % 3
    flat = state.faces.ravel()
    along = unit(state.vertices[flat[face * 3 + (side + 1) % 3]] - state.vertices[flat[open_edges]])
    normal = unit(face_cross(state.vertices, state.faces))
    middle = state.vertices[state.faces].mean(axis=1)
    across = np.cross(normal[face], along)
    sums = np.zeros((2, len(face)))
    for step in (1, 2):
        near = other[face * 3 + (side + step) % 3]
        good = (near >= 0) & (dot(normal[near], normal[face]) > CREASE_COSINE)
        reach = dot(middle[near] - middle[face], across)
        good &= np.abs(reach) > 0.0
        sums += np.where(good, [dot(normal[near] - normal[face], across) * reach, reach**2], 0.0)
    return np.asarray(np.where(sums[1] > 0.0, sums[0] / np.where(sums[1] > 0.0, sums[1], 1.0), np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class _EdgeSet:
    """Edges of the surface, which no patch may use a third time."""

    keys: Indices
    span: int

    @classmethod
    def of(cls, faces: Faces) -> _EdgeSet:
        span = int(faces.max(initial=-1)) + 1
        tail, head = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
        return cls(np.sort(np.minimum(tail, head) * span + np.maximum(tail, head)), span)

    def has(self, one: Indices, two: Indices) -> NDArray[np.bool_]:
        """Whether there is an edge between vertices."""
        key = np.minimum(one, two) * self.span + np.maximum(one, two)
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.asarray((self.keys[at] == key) & (np.maximum(one, two) < self.span))


def _flat_filled(state: State, holes: list[Hole], known: _EdgeSet) -> tuple[State, list[Hole]]:
    """Polygons with their inner borders filled; the holes that could not be."""
    left, faces = [], []
    for group in _polygons(state.vertices, holes):
        made = _triangulated(state.vertices, group)
        if made is None or _uses_known(made, group, known):
            left += group
        else:
            faces.append(made)
    return (state.with_faces(np.concatenate(faces)) if faces else state), left


def _uses_known(faces: Faces, group: list[Hole], known: _EdgeSet) -> bool:
    """Whether an inner edge is one that the surface has already."""
    edges = Edges.of(faces)
    inner = edges.order[edges.start[edges.count != 1]]
    flat = faces.ravel()
    if len(edges.order) - 2 * len(inner) != sum(len(hole.loop) for hole in group):
        return True
    return bool(known.has(flat[inner], flat[inner // 3 * 3 + (inner % 3 + 1) % 3]).any())


def _polygons(vertices: Vertices, holes: list[Hole]) -> list[list[Hole]]:
    """Outer borders, each with the borders inside it that run the other way in the same plane."""
    groups = [[hole] for hole in sorted(holes, key=lambda hole: -float(np.linalg.norm(hole.area)))]
    result: list[list[Hole]] = []
    for group in groups:
        host = next((outer for outer in result if _is_inside(vertices, group[0], outer[0])), None)
        if host is None:
            result.append(group)
        else:
            host.append(group[0])
    return result


def _is_inside(vertices: Vertices, inner: Hole, outer: Hole) -> bool:
    normal = unit(outer.area)
    if float(unit(inner.area) @ normal) > -0.999:
        return False
    border_places = vertices[outer.loop]
    point = vertices[inner.loop[0]]
    size = float(np.ptp(border_places, axis=0).max())
    if abs(float((point - border_places.mean(axis=0)) @ normal)) > 2.0 * FLAT * size:
        return False
    plane = _plane(normal)
    return _winds(border_places @ plane.T, point @ plane.T)


def _winds(polygon: Floats, point: Floats) -> bool:
    """Whether a polygon goes round a point."""
    x, y = (polygon - point).T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    crosses = (y > 0.0) != (y2 > 0.0)
    at = x + (x2 - x) * y / np.where(crosses, y - y2, 1.0)
    return bool((crosses & (at > 0.0)).sum() % 2)


def _plane(normal: Floats) -> Floats:
    """Two axes in the plane, (2, 3), so that the normal points at who sees them counter-clockwise."""
    one = unit(np.cross(normal, np.eye(3)[np.abs(normal).argmin()]))
    return np.stack([one, np.cross(normal, one)])


def _triangulated(vertices: Vertices, group: list[Hole]) -> Faces | None:
    plane = _plane(unit(group[0].area))
    names = np.concatenate([hole.loop for hole in group])
    polygons = [np.ascontiguousarray(vertices[hole.loop] @ plane.T) for hole in group]
    found = np.asarray(manifold3d.triangulate(polygons, allow_convex=False), dtype=np.intp)
    return names[found].astype(np.int64) if len(found) else None
