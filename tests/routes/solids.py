"""Meshes with known figures, and damaged ones, as stl files."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import trimesh


def stl(mesh: trimesh.Trimesh) -> bytes:
    """A binary stl file."""
    return bytes(mesh.export(file_type="stl"))


def box(*sides: float) -> trimesh.Trimesh:
    """A box of these sides in mm."""
    return trimesh.creation.box(sides)


def ball(radius: float = 20.0, subdivisions: int = 3) -> trimesh.Trimesh:
    """A sphere of 20 * 4^subdivisions faces."""
    return trimesh.creation.icosphere(subdivisions, radius)


def holed(mesh: trimesh.Trimesh, missing: int = 3) -> trimesh.Trimesh:
    """Without its first faces."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces[missing:], process=False)


def flipped(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """With every fifth face turned over and one face twice."""
    faces = np.array(mesh.faces)
    faces[::5] = faces[::5, ::-1]
    return trimesh.Trimesh(mesh.vertices, np.vstack([faces, faces[1]]), process=False)


def loaded(data: bytes, file_type: str = "stl") -> trimesh.Trimesh:
    """A file as another program reads it, vertices merged."""
    mesh = trimesh.load(BytesIO(data), file_type=file_type, force="mesh")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh
