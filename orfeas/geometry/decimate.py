"""The compiled quadric simplifier, kept from tearing surfaces."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        found = _Pass.of(vertices, faces, guarded, target, aggressiveness, keep_border=keep_border)
        bad = torn(found.faces, len(found.vertices)) if keep_manifold else np.zeros(0, dtype=bool)
        if not bad.any():
            break
        guarded |= found.made_of(bad)
        if guarded.sum() >= target:
            break
    used, fewer = compact(found.faces, len(found.vertices))
    return found.vertices[used], fewer


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """What became of all faces but the guarded, and these behind it.

    Attributes
    ----------
    vertices, faces : (n, 3) float, (m, 3) int
        The surface.
    before : (k, 3) int
        Faces of the original.
    guarded : (k,) bool
        Those that had to stay.
    collapses : (c, 2) int
        Vertices of the original, those that stayed and those that went, in order.
    """

    vertices: Vertices
    faces: Faces
    before: Faces
    guarded: Mask
    collapses: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        vertices: Vertices,
        faces: Faces,
        guarded: Mask,
        target: int,
        aggressiveness: float,
        *,
        keep_border: bool,
    ) -> _Pass:
        some = bool(guarded.any())
        points, triangles, collapses = fast_simplification.simplify(
            np.ascontiguousarray(vertices, dtype=np.float64),
            np.ascontiguousarray(faces[~guarded] if some else faces, dtype=np.int32),
            target_count=max(target - int(guarded.sum()), 1),
            agg=aggressiveness,
            return_collapses=True,
            preserve_border=keep_border or some,
        )
        fewer = np.asarray(triangles, dtype=np.int64)
        made = cls(np.asarray(points), fewer, faces, guarded, np.asarray(collapses))
        return made._with_guarded(vertices) if some else made

    def _with_guarded(self, vertices: Vertices) -> _Pass:
        """Under the names of the original, with the faces that stayed."""
        names = self._names(self._merged(len(vertices)))
        places = vertices.copy()
        places[names] = self.vertices
        return replace(self, vertices=places, faces=np.concatenate([names[self.faces], self.before[self.guarded]]))

    def made_of(self, vertices: Mask) -> Mask:
        """Faces of the original one of whose corners became one of these vertices of the result."""
        merged = self._merged(int(self.before.max()) + 1)
        if self.guarded.any():
            return np.asarray(vertices[merged[self.before]].any(axis=1))
        bad = np.zeros(len(merged), dtype=bool)
        bad[self._names(merged)[np.flatnonzero(vertices)]] = True
        return np.asarray(bad[merged[self.before]].any(axis=1))

    def _merged(self, count: int) -> NDArray[np.intp]:
        return _roots(count, self.collapses)

    def _names(self, merged: NDArray[np.intp]) -> NDArray[np.intp]:
        """The vertex of the original for each that the simplifier gave back."""
        left = merged[self.before[~self.guarded]]
        return compact(left[~collapsed(left)], len(merged))[0]


def _roots(count: int, collapses: NDArray[np.int32]) -> NDArray[np.intp]:
    """The vertex that each vertex ends in, from pairs (stays, goes) in order."""
    parent = np.arange(count)
    parent[collapses[:, 1]] = collapses[:, 0]
    while True:
        above = parent[parent]
        if np.array_equal(above, parent):
            return parent
        parent = above
