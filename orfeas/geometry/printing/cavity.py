"""The inside of a solid beyond a distance from its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from skimage import measure

from orfeas.geometry.measures import winding_number
from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.printing.distance import Surface
from orfeas.geometry.printing.solid import Solid, mesh_of, solid_of

Floats32 = NDArray[np.float32]

SLACK = 0.05  # cells: surfaces are reduced within that distance, in a cavity dug twice as much smaller
BAND = 2.4  # cells around the wall in which distances are exact; elsewhere they are right to 1.4 cells
CLEAR = 2.0  # cells: samples that look so far from the surface have no neighbour on its other side
LARGEST = 64  # cavities, by size; further ones stay solid
MARGIN = 3  # cells around the mesh
MOVES = 2  # steps of vertices to their exact distance


@dataclass(frozen=True, slots=True, eq=False)
class Cavity:
    """What is dug out of a solid.

    Attributes
    ----------
    pieces : tuple of Mesh
        Closed and facing outward, largest first.
    solids : tuple
        The same for manifold3d.
    """

    pieces: tuple[Mesh, ...]
    solids: tuple[Solid, ...]

    @property
    def points(self) -> Vertices:
        """Vertices and middles of faces."""
        each = ((mesh.vertices, mesh.vertices[mesh.faces].mean(axis=1)) for mesh in self.pieces)
        return np.concatenate([points for pair in each for points in pair])

    @property
    def volume(self) -> float:
        """In cubic millimetres."""
        return float(sum(solid.volume() for solid in self.solids))


def dig(mesh: Mesh, surface: Surface, *, wall_mm: float, cell: float, smallest_mm3: float) -> Cavity | None:
    """Cavities inside a closed mesh, nowhere nearer to its surface than the wall; None where none has room.

    Parameters
    ----------
    mesh : Mesh
        Closed, facing outward.
    surface : Surface
        Of the same mesh, samples at most half a cell apart.
    wall_mm, cell : float
        Least distance, and the distance of samples; at most 1/1.2 of the wall.
    smallest_mm3 : float
        Volume below which a cavity is left out.
    """
    low = mesh.vertices[np.unique(mesh.faces)].min(axis=0) - MARGIN * cell
    level = wall_mm + 2.0 * SLACK * cell
    distances = _distances(mesh, surface, low, cell, level)
    depth = _inside(mesh, distances, low, cell, level)
    if not (depth > 0.0).any():
        return None
    vertices, faces = _isosurface(depth, low, cell)
    vertices = _moved(vertices, surface, level, cell)
    whole = solid_of(Mesh(vertices, faces)).simplify(SLACK * cell)
    pieces = sorted(whole.decompose(), key=lambda piece: -piece.volume())
    kept = tuple(piece for piece in pieces if piece.volume() > max(smallest_mm3, cell**3))
    return Cavity(tuple(mesh_of(piece) for piece in kept), kept) if kept else None


def _distances(mesh: Mesh, surface: Surface, low: Vertices, cell: float, level: float) -> Floats32:
    """Distance of every sample from the surface, around the level that of the face at the nearest sample.

    Such a face is one of those next to the nearest, which puts the level within a fraction of a cell of its place.
    """
    high = mesh.vertices[np.unique(mesh.faces)].max(axis=0)
    shape = np.ceil((high - low) / cell).astype(np.int64) + 1 + MARGIN
    owner = np.full(shape, -1, dtype=np.int32)
    owner[tuple(np.round((surface.samples - low) / cell).astype(np.int64).T)] = surface.owner
    apart, nearest = distance_transform_edt(owner < 0, return_indices=True)
    values = np.asarray(apart * cell, dtype=np.float32)
    clear, _ = label(values >= CLEAR * cell)
    outside = (clear == clear[0, 0, 0]) & (clear > 0)  # of no further interest: only the group as a whole is looked at
    near = np.nonzero((np.abs(values - level) <= BAND * cell) & ~outside)
    faces = owner[tuple(axis[near] for axis in nearest)]
    values[near] = surface.to_faces(low + np.stack(near, axis=1) * cell, faces)
    return values


def _inside(mesh: Mesh, distances: Floats32, low: Vertices, cell: float, level: float) -> Floats32:
    """Depth of the samples beyond the level: positive inside the solid only.

    Neighbouring samples that are both further from the surface than half a cell lie on the same side of it, so each
    connected group of samples beyond the level is inside or outside as a whole.
    """
    groups, count = label(distances > level)
    sizes = np.bincount(groups.ravel(), minlength=count + 1)
    sizes[0] = 0
    inside = np.zeros(count + 1, dtype=bool)
    for group in np.argsort(-sizes, kind="stable")[: LARGEST + 1]:
        if sizes[group]:
            where = np.argwhere(groups == group)[0]
            inside[group] = winding_number(low + where * cell, mesh.vertices, mesh.faces) > 0.5
    depth = np.where(inside[groups], distances - np.float32(level), np.minimum(distances - np.float32(level), 0.0))
    tiny = np.float32(1e-4 * cell)
    return np.asarray(np.where(np.abs(depth) < tiny, -tiny, depth), dtype=np.float32)


def _isosurface(depth: Floats32, low: Vertices, cell: float) -> tuple[Vertices, Faces]:
    """Vertices and outward faces of the level."""
    found = measure.marching_cubes(depth, 0.0, gradient_direction="ascent", allow_degenerate=False)  # type: ignore[no-untyped-call]
    vertices, faces = found[0].astype(np.float64) * cell + low, found[1].astype(np.int64)
    a, b, c = (vertices[faces] - low).transpose(1, 0, 2)
    outward = float(np.einsum("ij,ij->", a, np.cross(b, c))) > 0.0
    return vertices, faces if outward else faces[:, ::-1].copy()


def _moved(vertices: Vertices, surface: Surface, level: float, cell: float) -> Vertices:
    """Vertices brought to the exact distance, each along the direction to the nearest place on the surface."""
    for _ in range(MOVES):
        distance, place = surface.nearest(vertices)
        step = np.clip(level - distance, -0.5 * cell, 0.5 * cell) / np.maximum(distance, 1e-12)
        vertices = vertices + (vertices - place) * step[:, None]
    return vertices
