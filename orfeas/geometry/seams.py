"""Seams of texture coordinates: a surface cut along them, and sewn up again with coordinates of its own."""

from __future__ import annotations

import numpy as np

from orfeas.geometry.deviation import Surface, linear_weights
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.weld import by_position

SHRINK = 0.1  # towards a face's middle, so that the nearest face is one of the same chart


def cut(mesh: Mesh) -> Mesh:
    """A vertex for each of its texture coordinates: seams become open edges. The mesh must have coordinates."""
    assert mesh.corner_uv is not None
    uv = np.ascontiguousarray(mesh.corner_uv.reshape(-1, 2), dtype=np.float32) + np.float32(0.0)
    bits = uv.view(np.uint32).astype(np.int64)
    order = np.lexsort((bits[:, 1], bits[:, 0], mesh.faces.ravel()))
    rows = np.column_stack([mesh.faces.ravel(), bits])[order]
    begins = np.concatenate([[True], (rows[1:] != rows[:-1]).any(axis=1)])
    name = np.empty(len(rows), dtype=np.int64)
    name[order] = np.cumsum(begins) - 1
    return Mesh(mesh.vertices[rows[begins, 0]], name.reshape(-1, 3))


def sewn(fewer: Mesh, original: Mesh) -> Mesh:
    """A simplified cut surface, whole again, with the texture coordinates of the original at its places."""
    assert original.corner_uv is not None
    corners = fewer.vertices[fewer.faces]
    middle = corners.mean(axis=1, keepdims=True)
    shrunk = corners + SHRINK * (middle - corners)
    face = Surface.of(original).nearest(shrunk.reshape(-1, 3))[1]
    weights = linear_weights(corners.reshape(-1, 1, 3), original.vertices[original.faces[face]])
    uv = np.einsum("kpc,kci->kpi", weights, original.corner_uv[face]).reshape(-1, 2)
    count = np.maximum(np.bincount(fewer.faces.ravel(), minlength=len(fewer.vertices)), 1)
    sums = [np.bincount(fewer.faces.ravel(), uv[:, axis], minlength=len(fewer.vertices)) for axis in range(2)]
    mean = (np.stack(sums, axis=1) / count[:, None]).astype(np.float32)
    first, faces = by_position(fewer.vertices, fewer.faces)
    return Mesh(fewer.vertices[first], faces, corner_uv=mean[fewer.faces], texture=original.texture, maps=original.maps)
