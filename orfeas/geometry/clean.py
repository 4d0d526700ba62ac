"""Making a raw surface fit to work with: welded, without empty faces, facing outward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.errors import EmptyMeshError
from orfeas.geometry.collapse import Collapser
from orfeas.geometry.manifoldness import Edges, bodies, topology, twins
from orfeas.geometry.measures import face_volumes
from orfeas.geometry.mesh import Faces, Mesh
from orfeas.geometry.orient import wound_outward
from orfeas.geometry.separate import apart
from orfeas.geometry.weld import by_position, collapsed, compact, same_place

Indices = NDArray[np.intp]


def clean(mesh: Mesh, *, floaters_below: float = 0.0) -> Mesh:
    """The same surface, welded, without degenerate and duplicate faces, wound outward.

    Parameters
    ----------
    mesh : Mesh
        Any triangles. A closed surface stays closed: edges without length are collapsed where the topology allows,
        and parts that touch in single vertices are moved apart by a few millionths of the diagonal.
    floaters_below : float
        Bodies with less than this share of the largest body's volume are dropped; 0 keeps all.

    Raises
    ------
    EmptyMeshError
        No face is left.
    """
    mesh = _finite(mesh)
    state = topology(mesh.faces) if not collapsed(mesh.faces).any() else None
    if state is not None and state.is_watertight and state.is_manifold:
        if _is_distinct(mesh):
            return _finished(wound_outward(mesh, state), floaters_below)
        mesh = _without_short_edges(mesh)
    else:
        mesh = _welded(mesh)
    if len(mesh.faces) == 0:
        raise EmptyMeshError("Nothing is left of the mesh once faces without area are dropped.")
    return _finished(apart(wound_outward(mesh)), floaters_below)


def _is_distinct(mesh: Mesh) -> bool:
    """Whether a file could tell all vertices apart, which leaves nothing to weld or to move."""
    return len(same_place(mesh.vertices)[0]) == len(mesh.vertices)


def _finished(mesh: Mesh, floaters_below: float) -> Mesh:
    return compacted(_without_floaters(mesh, floaters_below) if floaters_below > 0.0 else mesh)


def compacted(mesh: Mesh) -> Mesh:
    """Without the vertices that no face uses."""
    used, faces = compact(mesh.faces, len(mesh.vertices))
    painted = None if mesh.vertex_colors is None else mesh.vertex_colors[used]
    return replace(mesh, vertices=mesh.vertices[used], faces=faces, vertex_colors=painted)


def kept(mesh: Mesh, faces: Indices | NDArray[np.bool_]) -> Mesh:
    """These faces only, with all vertices."""
    uv = None if mesh.corner_uv is None else mesh.corner_uv[faces]
    return replace(mesh, faces=mesh.faces[faces], corner_uv=uv)


def _finite(mesh: Mesh) -> Mesh:
    good: NDArray[np.bool_] = np.asarray(np.isfinite(mesh.vertices).all(axis=1))
    return mesh if good.all() else kept(mesh, np.flatnonzero(good[mesh.faces].all(axis=1)))


def _welded(mesh: Mesh) -> Mesh:
    """Vertices merged by position, without faces that name one twice and without superfluous twins."""
    first, faces = by_position(mesh.vertices, mesh.faces)
    painted = None if mesh.vertex_colors is None else mesh.vertex_colors[first]
    mesh = replace(mesh, vertices=mesh.vertices[first], faces=faces, vertex_colors=painted)
    mesh = kept(mesh, ~collapsed(faces))
    return kept(mesh, ~_superfluous(mesh.faces)) if twins(mesh.faces).any() else mesh


def _superfluous(faces: Faces) -> NDArray[np.bool_]:
    """Twin faces without which the surface has the same boundary: opposite pairs, then copies."""
    drop = np.zeros(len(faces), dtype=bool)
    turned = (np.argsort(faces, axis=1) @ np.array([1, 3, 9]) % 26).tolist()
    even = {tuple(order) for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))}
    codes = {(a + 3 * b + 9 * c) % 26 for a, b, c in even}
    groups: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}
    for index in np.flatnonzero(twins(faces)).tolist():
        key = tuple(sorted(faces[index].tolist()))
        groups.setdefault(key, ([], []))[turned[index] in codes].append(index)
    for one, other in groups.values():
        pairs = min(len(one), len(other))
        drop[one[:pairs] + other[:pairs]] = True
        drop[one[pairs + 1 :] + other[pairs + 1 :]] = True
    return drop


def _without_short_edges(mesh: Mesh) -> Mesh:
    """A closed manifold without edges whose ends a file could not tell apart."""
    _, place = same_place(mesh.vertices)
    edges = Edges.of(mesh.faces)
    tail, head = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    lone = edges.order[edges.start]
    short = lone[place[tail[lone]] == place[head[lone]]]
    if len(short) == 0:
        return mesh
    collapser = Collapser(mesh.vertices, mesh.faces)
    collapser.join((int(tail[edge]), int(head[edge])) for edge in short)
    _, faces, origin = collapser.result()
    return replace(kept(mesh, origin), faces=faces)


def _without_floaters(mesh: Mesh, share: float) -> Mesh:
    count, body = bodies(mesh.faces)
    volumes = np.abs(np.bincount(body, weights=face_volumes(mesh.vertices, mesh.faces), minlength=count))
    return kept(mesh, (volumes >= share * volumes.max())[body])
