"""Moving sheets apart that only touch, so that a file keeps them separate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges, parts
from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.normals import dot, face_cross, unit
from orfeas.geometry.weld import same_place

NUDGE = 2e-6  # of the diagonal: 0.2 micrometres in a model of 100 mm, several steps of single precision

Indices = NDArray[np.intp]


def apart(mesh: Mesh) -> Mesh:
    """Sheets that touch in a vertex or along an edge, moved a little towards their own inside.

    An edge whose faces cannot be paired into sheets stays as it is.
    """
    corner_fan = _sheets(mesh.vertices, mesh.faces)
    flat = corner_fan.ravel()
    _, first = np.unique(flat, return_index=True)
    vertex = mesh.faces.ravel()[first]
    _, place = same_place(mesh.vertices)
    crowded = np.bincount(place[vertex])[place[vertex]] > 1
    if not crowded.any():
        return mesh
    normal = unit(_fan_normals(mesh.vertices, mesh.faces, flat, len(first)))
    diagonal = float(np.linalg.norm(np.ptp(mesh.vertices[vertex], axis=0)))
    vertices = mesh.vertices[vertex] - np.where(crowded, NUDGE * diagonal, 0.0)[:, None] * normal
    painted = None if mesh.vertex_colors is None else mesh.vertex_colors[vertex]
    return replace(mesh, vertices=vertices, faces=corner_fan.astype(np.int64), vertex_colors=painted)


def _fan_normals(vertices: Vertices, faces: Faces, fan: NDArray[np.int32], count: int) -> Vertices:
    area = np.repeat(face_cross(vertices, faces), 3, axis=0)
    return np.stack([np.bincount(fan, weights=area[:, axis], minlength=count) for axis in range(3)], axis=1)


def _sheets(vertices: Vertices, faces: Faces) -> NDArray[np.int32]:
    """The fan of every face corner, (m, 3), where edges with several sheets join only the faces of one sheet."""
    edges = Edges.of(faces)
    one, two = edges.pairs()
    crowded = np.flatnonzero(edges.count > 2)
    extra = [_paired(vertices, faces, edges.order[edges.start[k] : edges.start[k] + edges.count[k]]) for k in crowded]
    if extra:
        more = np.concatenate(extra)
        one, two = np.concatenate([one, more[:, 0]]), np.concatenate([two, more[:, 1]])
    tail, after = faces.ravel(), np.arange(faces.size).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    opposite = tail[one] != tail[two]
    at_tail, at_head = np.where(opposite, after[two], two), np.where(opposite, two, after[two])
    _, fan = parts(faces.size, np.concatenate([one, after[one]]), np.concatenate([at_tail, at_head]))
    return fan.reshape(-1, 3)


def _paired(vertices: Vertices, faces: Faces, group: Indices) -> Indices:
    """Directed edges along one edge, paired so that each pair has solid between its faces, (k, 2).

    Sorted by angle about the edge, a face that is entered from outside is followed by the one where the solid ends.
    If they do not alternate there are no sheets: all are joined.
    """
    tail, head = faces.ravel()[group], np.roll(faces, -1, axis=1).ravel()[group]
    tip = np.roll(faces, -2, axis=1).ravel()[group]
    low, high = vertices[min(tail[0], head[0])], vertices[max(tail[0], head[0])]
    axis = unit(high - low)
    arm = vertices[tip] - low
    arm = arm - (arm @ axis)[:, None] * axis
    side = unit(arm[0])
    angle = np.arctan2(arm @ np.cross(axis, side), dot(arm, np.broadcast_to(side, arm.shape)))
    order = np.argsort(angle, kind="stable")
    begins = (tail > head)[order]
    if len(group) % 2 or (begins[::2] != begins[0]).any() or (begins[1::2] == begins[0]).any():
        return np.stack([group[:-1], group[1:]], axis=1)
    ordered = group[order if begins[0] else np.roll(order, -1)]
    return ordered.reshape(-1, 2)
