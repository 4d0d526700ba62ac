"""The compiled quadric simplifier, kept from tearing surfaces."""

from __future__ import annotations

import fast_simplification
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import torn
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.weld import collapsed, compact

ROUNDS = 10

Mask = NDArray[np.bool_]


def decimate(
    vertices: Vertices,
    faces: Faces,
    target: int,
    aggressiveness: float,
    *,
    keep_manifold: bool,
    keep_border: bool = False,
) -> tuple[Vertices, Faces]:
    """Fewer faces by quadric edge collapse; about `target`, more where it stops short, seldom one less.

    The simplifier collapses edges without looking at what hangs on them, so that a thin neck or a body of a few faces
    can end as two sheets glued together. Such places are found in its result, left out, and the rest simplified again.

    Parameters
    ----------
    vertices, faces : (n, 3) float, (m, 3) int
        A mesh of diagonal one: the error thresholds are absolute.
    target : int
        Faces wanted.
    aggressiveness : float
        How fast the error threshold grows; low values keep the shape better and may stop short.
    keep_manifold : bool
        Whether to look for torn places; pointless when the mesh has them already.
    keep_border : bool
        Whether vertices of open edges stay where they are.

    References
    ----------
    M. Garland, P. Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH 1997.
    """
    guarded = np.zeros(len(faces), dtype=bool)
    for _ in range(ROUNDS):
        places, merged, fewer = _pass(vertices, faces, guarded, target, aggressiveness, keep_border=keep_border)
        bad = torn(fewer, len(vertices)) if keep_manifold else np.zeros(0, dtype=bool)
        if not bad.any():
            break
        guarded |= bad[merged[faces]].any(axis=1)
        if guarded.sum() >= target:
            break
    used, fewer = compact(fewer, len(places))
    return places[used], fewer


def _pass(
    vertices: Vertices, faces: Faces, guarded: Mask, target: int, aggressiveness: float, *, keep_border: bool
) -> tuple[Vertices, NDArray[np.intp], Faces]:
    """Simplify all faces but the guarded: places of all vertices, the one each was merged into, faces."""
    free = faces[~guarded]
    goal = target - int(guarded.sum())
    points, triangles, collapses = fast_simplification.simplify(
        np.ascontiguousarray(vertices, dtype=np.float64),
        np.ascontiguousarray(free, dtype=np.int32),
        target_count=max(goal, 1),
        agg=aggressiveness,
        return_collapses=True,
        preserve_border=keep_border or bool(guarded.any()),
    )
    merged = _roots(len(vertices), np.asarray(collapses))
    left = merged[free]
    names, _ = compact(left[~collapsed(left)], len(vertices))
    places = vertices.copy()
    places[names] = points
    return places, merged, np.concatenate([names[np.asarray(triangles, dtype=np.int64)], faces[guarded]])


def _roots(count: int, collapses: NDArray[np.int32]) -> NDArray[np.intp]:
    """The vertex that each vertex ends in, from pairs (stays, goes) in order."""
    parent = np.arange(count)
    parent[collapses[:, 1]] = collapses[:, 0]
    while True:
        above = parent[parent]
        if np.array_equal(above, parent):
            return parent
        parent = above
