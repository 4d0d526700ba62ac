"""Meshes as manifold3d holds them."""

from __future__ import annotations

from typing import Any

import manifold3d
import numpy as np

from orfeas.errors import OpenMeshError
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.weld import by_position, collapsed, compact

Solid = Any
"""A `manifold3d.Manifold`; the library ships no types."""


def solid_of(mesh: Mesh) -> Solid:
    """A closed mesh as a solid, its colours of vertices as further properties.

    Raises
    ------
    OpenMeshError
        Some edge has not exactly two faces that run along it oppositely.
    """
    rows = mesh.vertices if mesh.vertex_colors is None else np.hstack([mesh.vertices, mesh.vertex_colors])
    made = manifold3d.Manifold(
        manifold3d.Mesh64(
            vert_properties=np.array(rows, dtype=np.float64, order="C"),
            tri_verts=np.array(mesh.faces, dtype=np.uint64, order="C"),
        )
    )
    if made.status() != manifold3d.Error.NoError:
        raise OpenMeshError(f"The mesh bounds no solid ({made.status().name}). Repair it first.")
    return made


def mesh_of(solid: Solid) -> Mesh:
    """A solid as a mesh, vertices merged by position."""
    made = solid.to_mesh64()
    rows = np.asarray(made.vert_properties, dtype=np.float64)
    first, faces = by_position(rows[:, :3], np.asarray(made.tri_verts, dtype=np.int64))
    used, faces = compact(faces[~collapsed(faces)], len(first))
    kept = rows[first[used]]
    painted = np.round(kept[:, 3:7]).clip(0, 255).astype(np.uint8) if rows.shape[1] >= 7 else None
    return Mesh(np.ascontiguousarray(kept[:, :3]), faces, vertex_colors=painted)
