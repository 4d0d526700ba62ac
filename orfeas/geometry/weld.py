"""Merging vertices at the same place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Faces, Vertices

# Odd constants of the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014) spread the bits of coordinates.
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def same_place(vertices: Vertices) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Groups of vertices whose positions are equal in single precision, the precision of mesh files.

    Parameters
    ----------
    vertices : (n, 3) float
        Positions.

    Returns
    -------
    first : (k,) int
        The first vertex of each group, in the order of appearance.
    group : (n,) int
        Group of every vertex.
    """
    single = np.ascontiguousarray(vertices, dtype=np.float32) + np.float32(0.0)  # the sum turns -0 into 0
    bits = single.view(np.uint32).astype(np.uint64)
    key = np.zeros(len(bits), dtype=np.uint64)
    for axis in range(3):
        key = (key ^ bits[:, axis]) * _MIX[axis]
        key ^= key >> np.uint64(29)
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(single[first][group], single):  # two places share a key: practically never
        _, first, group = np.unique(single, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[group.ravel()]


def by_position(vertices: Vertices, faces: Faces) -> tuple[NDArray[np.intp], Faces]:
    """Faces over merged vertices and, for each merged vertex, the first of those it replaces."""
    first, group = same_place(vertices)
    return first, group[faces]


def collapsed(faces: Faces) -> NDArray[np.bool_]:
    """Faces that name a vertex twice."""
    return np.asarray((faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 2] == faces[:, 0]))


def compact(faces: Faces, count: int) -> tuple[NDArray[np.intp], Faces]:
    """Indices of the vertices that faces use, and the faces over those alone."""
    used = np.zeros(count, dtype=bool)
    used[faces] = True
    position = np.cumsum(used) - 1
    return np.flatnonzero(used), position[faces]
