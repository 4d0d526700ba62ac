"""The mesh during its repair: faces know which face of the input they come from, so that colours can follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.geometry.deviation import Surface, linear_weights
from orfeas.geometry.manifoldness import Topology, bodies, topology
from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.repair.nesting import Nesting
from orfeas.geometry.weld import by_position, collapsed, compact

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

NEW = -1


@dataclass(frozen=True, eq=False)
class State:
    """Triangles on their way.

    Attributes
    ----------
    vertices, faces : (n, 3) float, (m, 3) int
        The surface.
    origin : (m,) int
        Face of the input, `NEW` for faces that fill a gap.
    """

    vertices: Vertices
    faces: Faces
    origin: Indices

    @classmethod
    def of(cls, mesh: Mesh) -> State:
        """All faces of a mesh."""
        return cls(mesh.vertices, mesh.faces, np.arange(len(mesh.faces)))

    @property
    def diagonal(self) -> float:
        """Of the box of the vertices that faces use; 1 where that is nothing."""
        if len(self.faces) == 0:
            return 1.0
        used = self.vertices[named(self.faces)]
        return float(np.linalg.norm(np.ptp(used, axis=0))) or 1.0

    @property
    def mesh(self) -> Mesh:
        """Without colours."""
        return Mesh(self.vertices, self.faces)

    @cached_property
    def filed(self) -> Topology:
        """What a file shows, whose equal places are one vertex; faces that this leaves without area do not count."""
        _, faces = by_position(self.vertices, self.faces)
        return topology(faces[~collapsed(faces)])

    @property
    def is_filed_well(self) -> bool:
        """Closed and manifold for who reads the file, and no face gone."""
        found = self.filed
        return found.is_watertight and found.is_manifold and found.face_count == len(self.faces)

    @cached_property
    def bodies(self) -> tuple[int, NDArray[np.int32]]:
        """Their number, and the body of every face."""
        return bodies(self.faces)

    @cached_property
    def nesting(self) -> Nesting:
        """Which body holds which, where all are closed."""
        return Nesting.of(self.vertices, self.faces, *self.bodies)

    def kept(self, which: Indices | Mask) -> State:
        """These faces only, with all vertices."""
        if which.dtype == bool and which.all():
            return self  # with all that is known of it
        return replace(self, faces=self.faces[which], origin=self.origin[which])

    def flipped(self, which: Mask) -> State:
        """These faces wound the other way."""
        if not which.any():
            return self
        faces = np.where(which[:, None], self.faces[:, ::-1], self.faces)
        return replace(self, faces=np.ascontiguousarray(faces))

    def with_faces(self, faces: Faces, origin: Indices | None = None, vertices: Vertices | None = None) -> State:
        """More faces, new ones unless their origins are told, and more vertices behind the others."""
        known = np.full(len(faces), NEW) if origin is None else origin
        places = self.vertices if vertices is None else np.concatenate([self.vertices, vertices])
        return State(places, np.concatenate([self.faces, faces]), np.concatenate([self.origin, known]))


def named(faces: Faces) -> Indices:
    """The vertices that faces use, in order (many times faster than a general search for unique numbers)."""
    return np.flatnonzero(np.bincount(faces.ravel()))


def dressed(state: State, original: Mesh) -> Mesh:
    """The repaired surface with the colours of the original; new faces continue those nearest to them."""
    used, faces = compact(state.faces, len(state.vertices))
    mesh = Mesh(state.vertices[used], faces)
    if len(faces) == 0 or len(original.faces) == 0:
        return mesh
    if original.vertex_colors is not None:
        _, nearest = cKDTree(original.vertices).query(mesh.vertices)
        mesh = replace(mesh, vertex_colors=original.vertex_colors[nearest])
    if original.corner_uv is not None:
        uv = _coordinates(mesh, state.origin, original)
        mesh = replace(mesh, corner_uv=uv, texture=original.texture, maps=original.maps)
    return mesh


def _coordinates(mesh: Mesh, origin: Indices, original: Mesh) -> NDArray[np.float32]:
    """Texture coordinates of all corners, from the face each comes from or, without one, lies nearest to."""
    assert original.corner_uv is not None
    source = origin.copy()
    fresh = np.flatnonzero(origin == NEW)
    if len(fresh):
        middle = mesh.vertices[mesh.faces[fresh]].mean(axis=1)
        source[fresh] = Surface.of(original).nearest(middle)[1]
    weights = np.clip(linear_weights(mesh.vertices[mesh.faces], original.vertices[original.faces[source]]), 0.0, 1.0)
    weights /= weights.sum(axis=2, keepdims=True)
    return np.asarray(np.einsum("fpc,fci->fpi", weights, original.corner_uv[source]), dtype=np.float32)
