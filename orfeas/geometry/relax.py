"""Smoothing of triangle meshes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags

from orfeas.geometry.mesh import Vertices

# Taubin 1995: the growing step a little larger than the shrinking one; pass band k = 1/lambda + 1/mu = 0.1.
SHRINK, GROW = 0.5, -0.526


def relaxed(
    vertices: Vertices,
    faces: NDArray[np.int64],
    *,
    steps: int,
    on_progress: Callable[[float], None] | None = None,
) -> Vertices:
    """Vertices after `steps` pairs of a shrinking and a growing step towards the neighbours' mean.

    Parameters
    ----------
    vertices : (n, 3) float64
        Positions.
    faces : (m, 3) int64
        Closed and consistently oriented, so that every edge appears in both directions.
    steps : int
        Passes.
    on_progress : callable, optional
        Told 0 to 1 after each pass; may raise to cancel.

    Returns
    -------
    (n, 3) float64
    """
    centre = vertices.mean(axis=0)
    mean = _neighbour_mean(len(vertices), faces)
    moved = (vertices - centre).astype(np.float32)
    for step in range(steps):
        for weight in (SHRINK, GROW):
            moved += np.float32(weight) * (mean @ moved - moved)
        if on_progress is not None:
            on_progress((step + 1) / steps)
    return np.asarray(moved + centre, np.float64)


def _neighbour_mean(count: int, faces: NDArray[np.int64]) -> csr_matrix:
    """Row-stochastic adjacency."""
    starts, ends = faces.astype(np.int32).ravel(), faces[:, [1, 2, 0]].astype(np.int32).ravel()
    adjacency = coo_matrix((np.ones(len(starts), np.float32), (starts, ends)), shape=(count, count)).tocsr()
    degree = np.bincount(starts, minlength=count).astype(np.float32)
    return csr_matrix(diags(1.0 / np.maximum(degree, 1.0), dtype=np.float32) @ adjacency)
