"""The closed surface of a height field at a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage import measure

from orfeas.errors import EmptySurfaceError
from orfeas.geometry.field import PLATE, HeightField
from orfeas.geometry.mesh import Mesh, Vertices
from orfeas.geometry.relax import relaxed
from orfeas.geometry.volume import Volume, volume

Progress = Callable[[float], None]
Indices = NDArray[np.int64]


def surface(
    field: HeightField,
    *,
    octree_resolution: int,
    steps: int,
    mc_level: float = 0.0,
    on_progress: Progress | None = None,
) -> Mesh:
    """Marching cubes over the field's signed distance, relaxed.

    Parameters
    ----------
    field : HeightField
        The solid.
    octree_resolution : int
        Voxels along the silhouette's longest side; the volume is only as deep as the solid.
    steps : int
        Relaxation passes (Taubin: they smooth without shrinking).
    mc_level : float
        Iso level, with the silhouette's longest side from -1 to 1: the surface lies about that far inside the field's,
        so positive values make the result thinner and negative ones thicker.
    on_progress : callable, optional
        Told 0 to 1; may raise to cancel.

    Returns
    -------
    Mesh
        Watertight and outward; centred, longest side 1; one body for each part of the silhouette.

    Raises
    ------
    EmptySurfaceError
        No part of the field reaches the level.

    References
    ----------
    T. Lewiner et al., "Efficient implementation of marching cubes cases with topological guarantees", 2003.
    G. Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995.
    """
    grid = volume(field, octree_resolution=octree_resolution, mc_level=mc_level)
    _tell(on_progress, 0.2)
    vertices, faces = _isosurface(grid)
    _tell(on_progress, 0.6)
    vertices, faces = _bodies(vertices, faces, grid.parts)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = relaxed(vertices, faces, steps=steps, on_progress=_part(on_progress, 0.65, 1.0))
    if field.solid == PLATE:  # Smoothing lifts a lip along sharp edges; the back must lie flat on a table.
        vertices = np.clip(vertices, low, high)
    return Mesh(_normalised(vertices), faces)


def _isosurface(grid: Volume) -> tuple[Vertices, Indices]:
    """Vertices in field coordinates and outward faces."""
    values = grid.values
    if not float(values.min()) < 0 < float(values.max()):
        raise EmptySurfaceError("No part of the shape reaches the level; lower `mc_level`.")
    vertices, faces, _, _ = measure.marching_cubes(values, 0.0, gradient_direction="ascent")  # type: ignore[no-untyped-call]
    vertices = grid.origin + vertices[:, ::-1].astype(np.float64) * grid.spacing
    faces = faces.astype(np.int64)
    return vertices, faces if _signed_volume(vertices, faces) > 0 else faces[:, ::-1].copy()


def _signed_volume(vertices: Vertices, faces: Indices) -> float:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0


def _bodies(vertices: Vertices, faces: Indices, parts: int) -> tuple[Vertices, Indices]:
    """The largest `parts` bodies; crumbs that the silhouette has no part for go."""
    labels = _body_labels(len(vertices), faces)
    count = int(labels.max()) + 1
    if count == 1:
        return vertices, faces
    a, b, c = vertices[faces].transpose(1, 0, 2)
    volumes = np.bincount(labels[faces[:, 0]], np.einsum("ij,ij->i", a, np.cross(b, c)), minlength=count)
    kept = np.zeros(count, bool)
    kept[np.argsort(-volumes, kind="stable")[:parts]] = True
    kept &= volumes > 0  # An enclosed void would be a body of negative volume.
    used = kept[labels]
    renumbered = np.cumsum(used) - 1
    return vertices[used], renumbered[faces[kept[labels[faces[:, 0]]]]]


def _body_labels(count: int, faces: Indices) -> NDArray[np.int32]:
    """Which connected body each vertex belongs to."""
    edges = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _normalised(vertices: Vertices) -> Vertices:
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return np.asarray((vertices - (low + high) / 2) / float((high - low).max()), np.float64)


def _tell(on_progress: Progress | None, share: float) -> None:
    if on_progress is not None:
        on_progress(share)


def _part(on_progress: Progress | None, start: float, end: float) -> Progress | None:
    """Progress of a part, 0 to 1, as progress of the whole."""
    if on_progress is None:
        return None
    return lambda share: on_progress(start + (end - start) * share)
