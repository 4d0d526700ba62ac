"""Solids as meshes that stay closed for readers who merge vertices by position."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.weld import collapsed, compact

WELD = 2e-5
"""Vertices nearer than this share of the longest side are one to a reader."""
PASSES = 4


def finished(solid: Manifold, scale: float) -> Mesh:
    """The surface of a solid, enlarged, without edges that a file is too coarse for."""
    size = float(np.ptp(np.array(solid.bounding_box()).reshape(2, 3), axis=0).max())
    found = solid.simplify(WELD * size).to_mesh64()
    vertices = np.array(found.vert_properties, dtype=np.float64)[:, :3]
    faces = _without_short_edges(vertices, np.array(found.tri_verts, dtype=np.int64), WELD * size)
    used, faces = compact(faces, len(vertices))
    return Mesh(apart(vertices[used], faces, WELD * size) * scale, faces)


def _without_short_edges(vertices: Vertices, faces: Faces, least: float) -> Faces:
    """Faces over the corners that stay when short edges shrink to a point; unchanged where that would open it."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    short = np.linalg.norm(vertices[start] - vertices[end], axis=1) < least
    if not short.any():
        return faces
    ones, count = np.ones(int(short.sum()), dtype=np.int8), len(vertices)
    graph = coo_matrix((ones, (start[short], end[short])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    shrunk = first[group][faces]
    kept = _without_folds(shrunk[~collapsed(shrunk)])
    return kept if _is_closed(kept) else faces


def _without_folds(faces: Faces) -> Faces:
    """Two faces of the same corners are a fold without volume: both are left out."""
    _, place, times = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(faces[times[place.ravel()] == 1])


def _is_closed(faces: Faces) -> bool:
    """Whether every edge is passed once each way."""
    edges = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    key = edges[:, 0] * (int(faces.max(initial=0)) + 1) + edges[:, 1]
    back = edges[:, 1] * (int(faces.max(initial=0)) + 1) + edges[:, 0]
    return len(np.unique(key)) == len(key) and np.array_equal(np.sort(key), np.sort(back))


def apart(vertices: Vertices, faces: Faces, least: float) -> Vertices:
    """Vertices of sheets that only touch, moved into the solid until they are apart.

    Parameters
    ----------
    vertices : (n, 3) float
        Corners of a closed surface.
    faces : (m, 3) int
        Wound outward.
    least : float
        Distance in the vertices' unit below which two count as one.

    Returns
    -------
    (n, 3) float
        No two nearer than `least`, as far as a few passes reach.
    """
    from scipy.spatial import cKDTree

    found = vertices
    for number in range(PASSES):
        pairs = cKDTree(found).query_pairs(least, output_type="ndarray")
        if not len(pairs):
            break
        near = np.unique(pairs)
        found = found.copy()
        found[near] -= (2.0 + number) * least * _outward(found, faces)[near]
    return found


def _outward(vertices: Vertices, faces: Faces) -> NDArray[np.float64]:
    """Unit normals of the vertices, each face weighed by its area."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for side in range(3):
        np.add.at(total, faces[:, side], across)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300))
