"""Bodies of a repaired surface: floaters, which way they face, which of them overlap."""

from __future__ import annotations

from dataclasses import dataclass

import manifold3d
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges, bodies
from orfeas.geometry.measures import face_volumes, winding_number
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import dot, face_cross
from orfeas.geometry.repair.state import NEW, Mask, State

FLOATER_SHARE = 0.005
BALL = 6.0 * np.pi**0.5  # area^1.5 / volume of a ball: the size of what has no volume yet
MOST_BODIES = 200  # that are told from cavities, and united, one by one
FLAT = 1e-6  # of the volume of a ball with the same area: less is none
POINTS = 5  # of a body, by which it is found inside another one
OVERLAP = 1e-6  # of the volume: bodies that share less only touch

Floats = NDArray[np.float64]


def without_floaters(state: State) -> tuple[State, int]:
    """Bodies left out that are smaller than a share of the largest; cavities are none.

    A closed body is as large as its volume, an open one as a ball of its area.
    """
    count, body = bodies(state.faces)
    if count < 2:
        return state, 0
    volume = np.bincount(body, weights=face_volumes(state.vertices, state.faces), minlength=count)
    cross = face_cross(state.vertices, state.faces)
    area = np.bincount(body, weights=np.sqrt(dot(cross, cross)) / 2.0, minlength=count)
    is_open = _open_bodies(state.faces, body, count)
    size = np.where(is_open, area**1.5 / BALL, np.abs(volume))
    largest = size.max()
    outward = volume[int(size.argmax())] > 0.0
    small = (size < FLOATER_SHARE * largest) & (is_open | ((volume > 0.0) == outward) | (size <= 1e-9 * largest))
    return (state.kept(~small[body]), int(small.sum())) if small.any() else (state, 0)


def without_flat_patches(state: State) -> State:
    """New faces left out of bodies without volume: a sheet and its copy are no solid."""
    if not (state.origin == NEW).any():
        return state
    count, body = bodies(state.faces)
    volume = np.abs(np.bincount(body, weights=face_volumes(state.vertices, state.faces), minlength=count))
    cross = face_cross(state.vertices, state.faces)
    area = np.bincount(body, weights=np.sqrt(dot(cross, cross)) / 2.0, minlength=count)
    flat = volume < FLAT * area**1.5 / BALL
    return state.kept(~(flat[body] & (state.origin == NEW))) if flat.any() else state


def _open_bodies(faces: Faces, body: NDArray[np.int32], count: int) -> Mask:
    edges = Edges.of(faces)
    odd = np.repeat(edges.count != 2, edges.count)
    return np.asarray(np.bincount(body[edges.order[odd] // 3], minlength=count) > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Nesting:
    """Closed bodies, and what holds them.

    Attributes
    ----------
    body : (m,) int
        Body of every face.
    volume : (k,) float
        Signed, of each body.
    holder : (k,) int
        The smallest body that encloses each one, -1 for none.
    """

    body: NDArray[np.int32]
    volume: Floats
    holder: NDArray[np.intp]
    low: Vertices
    high: Vertices

    @classmethod
    def of(cls, state: State) -> Nesting:
        count, body = bodies(state.faces)
        volume: Floats = np.bincount(body, face_volumes(state.vertices, state.faces), count).astype(np.float64)
        corners = state.vertices[state.faces]
        low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
        np.minimum.at(low, body, corners.min(axis=1))
        np.maximum.at(high, body, corners.max(axis=1))
        holder = np.full(count, -1)
        if 1 < count <= MOST_BODIES:
            for index in range(count):
                holder[index] = _holder(state, body, volume, index, low, high)
        return cls(body, volume, holder, low, high)

    def overlapping(self) -> bool:
        """Whether the boxes of two bodies meet of which none holds the other."""
        count = len(self.volume)
        if not 1 < count <= MOST_BODIES:
            return False
        meet = ((self.low[:, None] <= self.high[None]) & (self.high[:, None] >= self.low[None])).all(axis=2)
        held = np.zeros((count, count), dtype=bool)
        for index in range(count):
            outer = int(self.holder[index])
            while outer >= 0 and not held[index, outer]:
                held[index, outer] = held[outer, index] = True
                outer = int(self.holder[outer])
        return bool((np.triu(meet, 1) & ~held).any())


def _holder(state: State, body: NDArray[np.int32], volume: Floats, index: int, low: Vertices, high: Vertices) -> int:
    """The smallest body around another one: around most of a few of its points, as a spike may stick out."""
    boxes = (low <= low[index]).all(axis=1) & (high >= high[index]).all(axis=1)
    boxes[index] = False
    mine = state.faces[body == index]
    points = state.vertices[mine[np.linspace(0, len(mine) - 1, POINTS).astype(np.intp), 0]]
    for other in sorted(np.flatnonzero(boxes).tolist(), key=lambda k: abs(volume[k])):
        around = state.faces[body == other]
        if sum(abs(winding_number(point, state.vertices, around)) > 0.5 for point in points) * 2 > POINTS:
            return int(other)
    return -1


def faced_outward(state: State) -> tuple[State, int]:
    """Bodies of positive volume; inside another one, a body wound against it is a cavity and stays so."""
    nesting = Nesting.of(state)
    final = _signs(nesting)
    wrong = (nesting.volume > 0.0) != final
    return state.flipped(wrong[nesting.body]), int(wrong[nesting.body].sum())


def _signs(nesting: Nesting) -> Mask:
    """Whether each body is to have positive volume."""
    known: dict[int, bool] = {}

    def positive(index: int) -> bool:
        if index not in known:
            outer = int(nesting.holder[index])
            alike = outer < 0 or (nesting.volume[index] > 0.0) == (nesting.volume[outer] > 0.0)
            known[index] = True  # ends a circle, which bodies that cross each other might make
            known[index] = alike if outer < 0 else positive(outer) == alike
        return known[index]

    return np.array([positive(index) for index in range(len(nesting.volume))], dtype=bool)


def without_inner(state: State) -> tuple[State, int]:
    """Bodies left out that lie within solid material and change nothing of it."""
    nesting = Nesting.of(state)
    inner = (nesting.holder >= 0) & (nesting.volume > 0.0)
    inner &= nesting.volume[nesting.holder] > 0.0
    gone = inner.copy()
    for index in np.flatnonzero(nesting.holder >= 0).tolist():
        outer = int(nesting.holder[index])
        while outer >= 0 and not gone[index]:
            gone[index] |= inner[outer]
            outer = int(nesting.holder[outer])
    return state.kept(~gone[nesting.body]), int(gone.sum())


def united(state: State) -> tuple[State, int]:
    """Overlapping closed bodies made one; a surface whose bodies only touch or hold each other stays as it is."""
    nesting = Nesting.of(state)
    if not nesting.overlapping():
        return state, 0
    roots = _roots(nesting)
    solids = [_solid(state, roots[nesting.body] == root) for root in np.unique(roots)]
    if any(solid.status() != manifold3d.Error.NoError for solid in solids):
        return state, 0
    whole = sum(solid.volume() for solid in solids)
    union = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add)
    if union.status() != manifold3d.Error.NoError or union.is_empty():
        return state, 0
    if whole - union.volume() < OVERLAP * abs(whole):
        return state, 0
    return _taken(union, state), len(solids)


def _roots(nesting: Nesting) -> NDArray[np.intp]:
    """The outermost body that holds each one: it and what it holds are one solid."""
    root = np.where(nesting.holder < 0, np.arange(len(nesting.holder)), nesting.holder)
    for _ in range(len(root).bit_length()):
        root = root[root]
    return root


def _solid(state: State, which: Mask) -> manifold3d.Manifold:
    faces = state.faces[which]
    used, local = np.unique(faces, return_inverse=True)
    return manifold3d.Manifold(
        manifold3d.Mesh64(
            vert_properties=np.ascontiguousarray(state.vertices[used]),
            tri_verts=np.ascontiguousarray(local.reshape(-1, 3).astype(np.uint64)),
            face_id=np.flatnonzero(which).astype(np.uint64),
        )
    )


def _taken(union: manifold3d.Manifold, state: State) -> State:
    mesh = union.to_mesh64()
    faces = np.asarray(mesh.tri_verts, dtype=np.int64)
    source = np.asarray(mesh.face_id, dtype=np.intp)
    return State(np.array(mesh.vert_properties[:, :3]), faces, state.origin[source])
