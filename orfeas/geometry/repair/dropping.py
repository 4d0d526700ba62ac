"""What a repair leaves out: faces without area, copies of faces, fins and inner walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges, parts, twins
from orfeas.geometry.mesh import Faces
from orfeas.geometry.normals import dot, face_cross
from orfeas.geometry.repair.state import Indices, Mask, State
from orfeas.geometry.weld import collapsed

EMPTY_AREA = 1e-12  # of the diagonal squared, the definition of a degenerate face in an analysis
SMALL_PATCH = 0.01  # of the surface: a patch that hangs on by an edge is a fin up to this size


def without_degenerate(state: State) -> State:
    """Faces that name a vertex twice or have practically no area left out."""
    cross = face_cross(state.vertices, state.faces)
    limit = 2.0 * EMPTY_AREA * state.diagonal**2
    return state.kept(~(collapsed(state.faces) | (np.sqrt(dot(cross, cross)) <= limit)))


def without_copies(state: State) -> State:
    """One of all faces that have the same three vertices, whichever way they wind."""
    if not twins(state.faces).any():
        return state
    low, high = state.faces.min(axis=1), state.faces.max(axis=1)
    middle = state.faces.sum(axis=1) - low - high
    order = np.lexsort((middle, high, low))
    key = np.stack([low, middle, high], axis=1)[order]
    again = np.zeros(len(key), dtype=bool)
    again[1:] = (key[1:] == key[:-1]).all(axis=1)
    keep = np.ones(len(key), dtype=bool)
    keep[order[again]] = False
    return state.kept(keep)


def without_fins(state: State) -> State:
    """Patches left out that hang on the surface by edges with too many faces, and walls inside it.

    The surface is cut at every edge with more than two faces. A patch with a boundary of its own that leaves two faces
    at its edges is a fin; one without that stands at edges with an odd number of faces is a wall. Small ones go first.
    """
    edges = Edges.of(state.faces)
    crowded = np.flatnonzero(edges.count > 2)
    if len(crowded) == 0:
        return state
    one, two = edges.pairs()
    count, patch = parts(len(state.faces), one // 3, two // 3)
    cross = face_cross(state.vertices, state.faces)
    area = np.bincount(patch, np.sqrt(dot(cross, cross)), count).astype(np.float64)
    border = edges.order[edges.start[edges.count == 1]] // 3
    is_open = np.bincount(patch[border], minlength=count) > 0
    gone = _superfluous(_incidence(edges, crowded, patch), edges.count[crowded], area, is_open)
    return state.kept(~gone[patch]) if gone.any() else state


def _incidence(edges: Edges, crowded: Indices, patch: NDArray[np.int32]) -> dict[int, dict[int, int]]:
    """For each patch, how often it stands at each crowded edge."""
    touching: dict[int, dict[int, int]] = {}
    for index, edge in enumerate(crowded.tolist()):
        start = edges.start[edge]
        for owner in patch[edges.order[start : start + edges.count[edge]] // 3].tolist():
            at = touching.setdefault(owner, {})
            at[index] = at.get(index, 0) + 1
    return touching


def _superfluous(touching: dict[int, dict[int, int]], count: Indices, area: NDArray[np.float64], is_open: Mask) -> Mask:
    left = count.copy()
    gone = np.zeros(len(area), dtype=bool)
    limit = SMALL_PATCH * float(area.sum())
    for owner in sorted(touching, key=lambda patch: (not is_open[patch], area[patch])):
        at = touching[owner]
        spare = all(left[edge] - times >= 2 or left[edge] == times for edge, times in at.items())
        odd = [bool(left[edge] % 2) and left[edge] > 2 for edge in at]
        wanted = any(odd) or area[owner] < limit if is_open[owner] else all(odd)
        # What meets only itself at its edges hangs on nothing: it is the surface.
        hangs = area[owner] < limit or any(left[edge] - times >= 2 for edge, times in at.items())
        if spare and wanted and hangs and any(left[edge] > 2 for edge in at):
            gone[owner] = True
            for edge, times in at.items():
                left[edge] -= times
    return gone


def around(faces: Faces, vertices: Mask) -> Mask:
    """Faces with one of these vertices."""
    return np.asarray(vertices[faces].any(axis=1))
