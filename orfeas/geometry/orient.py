"""Winding of faces: neighbours alike, bodies outward, cavities inward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.manifoldness import Edges, Topology, bodies, topology
from orfeas.geometry.measures import face_volumes, signed_volume, winding_number
from orfeas.geometry.mesh import Faces, Mesh

MOST_BODIES = 64  # beyond, bodies are not told from cavities one by one


def wound_outward(mesh: Mesh, state: Topology | None = None) -> Mesh:
    """Neighbouring faces wound alike; bodies of positive volume, cavities of negative. `state` saves looking again."""
    state = state or topology(mesh.faces)
    if not state.is_oriented and state.non_manifold_edges == 0:
        mesh = _flipped(mesh, _against_first(mesh.faces))
        state = topology(mesh.faces)
    if not state.is_watertight:
        return mesh
    if state.body_count == 1:
        return (
            mesh if signed_volume(mesh.vertices, mesh.faces) > 0.0 else _flipped(mesh, np.ones(len(mesh.faces), bool))
        )
    count, body = bodies(mesh.faces)
    volumes = np.bincount(body, weights=face_volumes(mesh.vertices, mesh.faces), minlength=count)
    if (volumes > 0.0).all():
        return mesh
    if count > MOST_BODIES:
        return _flipped(mesh, np.full(len(body), volumes.sum() < 0.0))
    depth = np.array([_depth(mesh, body, index, count) for index in range(count)])
    wrong = (volumes < 0.0) != (depth % 2 == 1)
    return _flipped(mesh, wrong[body])


def _depth(mesh: Mesh, body: NDArray[np.int32], index: int, count: int) -> int:
    """How many other bodies enclose a body."""
    point = mesh.vertices[mesh.faces[np.argmax(body == index), 0]]
    others = (mesh.faces[body == other] for other in range(count) if other != index)
    return sum(abs(winding_number(point, mesh.vertices, faces)) > 0.5 for faces in others)


def _against_first(faces: Faces) -> NDArray[np.bool_]:
    """Faces wound against the first face of their body, walking from neighbour to neighbour."""
    one, two = Edges.of(faces).pairs()
    tail = faces.ravel()
    alike = (tail[one] != tail[two]).tolist()
    near: list[list[tuple[int, bool]]] = [[] for _ in range(len(faces))]
    for a, b, same in zip((one // 3).tolist(), (two // 3).tolist(), alike, strict=True):
        near[a].append((b, same))
        near[b].append((a, same))
    against: list[bool | None] = [None] * len(faces)
    for seed in range(len(faces)):
        if against[seed] is None:
            against[seed], stack = False, [seed]
            while stack:
                here = stack.pop()
                for there, same in near[here]:
                    if against[there] is None:
                        against[there] = against[here] is same
                        stack.append(there)
    return np.array(against, dtype=bool)


def _flipped(mesh: Mesh, which: NDArray[np.bool_]) -> Mesh:
    """These faces wound the other way."""
    order = np.where(which[:, None], [0, 2, 1], [0, 1, 2])
    faces = np.take_along_axis(mesh.faces, order, axis=1)
    uv = None if mesh.corner_uv is None else np.take_along_axis(mesh.corner_uv, order[:, :, None], axis=1)
    return replace(mesh, faces=faces, corner_uv=uv)
