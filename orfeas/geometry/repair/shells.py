"""Bodies of a repaired surface: floaters, which way they face, which of them overlap."""

from __future__ import annotations

import manifold3d
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges
from orfeas.geometry.measures import face_volumes
from orfeas.geometry.mesh import Faces
from orfeas.geometry.normals import dot, face_cross
from orfeas.geometry.repair.nesting import Nesting
from orfeas.geometry.repair.state import NEW, Mask, State

FLOATER_SHARE = 0.005
BALL = 6.0 * np.pi**0.5  # area^1.5 / volume of a ball: the size of what has no volume yet
FLAT = 1e-6  # of the volume of a ball with the same area: less is none
OVERLAP = 1e-6  # of the volume: bodies that share less only touch

Floats = NDArray[np.float64]


def without_floaters(state: State) -> tuple[State, int]:
    """Bodies left out that are smaller than a share of the largest; cavities are none.

    A closed body is as large as its volume, an open one as a ball of its area.
    """
    count, body = state.bodies
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
    count, body = state.bodies
    volume = np.abs(np.bincount(body, weights=face_volumes(state.vertices, state.faces), minlength=count))
    cross = face_cross(state.vertices, state.faces)
    area = np.bincount(body, weights=np.sqrt(dot(cross, cross)) / 2.0, minlength=count)
    flat = volume < FLAT * area**1.5 / BALL
    return state.kept(~(flat[body] & (state.origin == NEW))) if flat.any() else state


def _open_bodies(faces: Faces, body: NDArray[np.int32], count: int) -> Mask:
    edges = Edges.of(faces)
    odd = np.repeat(edges.count != 2, edges.count)
    return np.asarray(np.bincount(body[edges.order[odd] // 3], minlength=count) > 0)


def faced_outward(state: State) -> tuple[State, int]:
    """Bodies of positive volume; inside another one, a body wound against it is a cavity and stays so."""
    nesting = state.nesting
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
    nesting = state.nesting
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
    nesting = state.nesting
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
