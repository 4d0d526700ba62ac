"""Wavefront OBJ and OFF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import colors
from orfeas.geometry.formats.archive import pack
from orfeas.geometry.formats.images import png
from orfeas.geometry.mesh import Mesh

HEAD = "# written by orfeas, unit: mm\n"
NUMBER = "%.9g"  # enough digits for every single-precision value, so that equal vertices stay equal and others differ


def rows(template: str, values: NDArray[np.generic]) -> str:
    """One line of text for each row of an array; far faster than a loop."""
    return (template * len(values)) % tuple(values.ravel().tolist())


def places(mesh: Mesh) -> NDArray[np.float64]:
    """Positions as single precision holds them, so that all formats agree; -0 becomes 0."""
    return mesh.vertices.astype(np.float32).astype(np.float64) + 0.0


def write_off(mesh: Mesh) -> bytes:
    """A text OFF file."""
    head = f"OFF\n{len(mesh.vertices)} {len(mesh.faces)} 0\n"
    vertices = rows(f"{NUMBER} {NUMBER} {NUMBER}\n", places(mesh))
    return (head + vertices + rows("3 %d %d %d\n", mesh.faces)).encode("ascii")


def write_obj(mesh: Mesh, name: str) -> bytes:
    """An OBJ file; with a texture, a zip of it with its material and picture."""
    if mesh.texture is None or not colors.is_textured(mesh):
        return (HEAD + f"o {name}\n" + vertex_lines(mesh) + faces_with(mesh.faces + 1)).encode()
    lines, corners, _ = texture_lines(mesh)
    faces = f"usemtl {name}\ns 1\n" + faces_with(mesh.faces + 1, corners + 1)
    body = HEAD + f"mtllib {name}.mtl\no {name}\n" + vertex_lines(mesh) + lines + faces
    material = f"{HEAD}newmtl {name}\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nPr 0.8\nPm 0\nmap_Kd {name}.png\n"
    return pack({f"{name}.obj": body.encode(), f"{name}.mtl": material.encode(), f"{name}.png": png(mesh.texture)})


def vertex_lines(mesh: Mesh, *, colored: bool | None = None) -> str:
    """Vertex lines, with colours behind the position; by default where the mesh has them instead of a texture."""
    line = f"v {NUMBER} {NUMBER} {NUMBER}"
    wanted = not colors.is_textured(mesh) if colored is None else colored
    if mesh.vertex_colors is None or not wanted:
        return rows(line + "\n", places(mesh))
    painted = mesh.vertex_colors[:, :3] / 255.0
    return rows(line + " %.4f %.4f %.4f\n", np.concatenate([places(mesh), painted], axis=1))


def texture_lines(mesh: Mesh) -> tuple[str, NDArray[np.intp], int]:
    """Texture coordinates, each once; which of them each corner has, (m, 3); and how many there are."""
    assert mesh.corner_uv is not None
    flat = np.ascontiguousarray(mesh.corner_uv.reshape(-1, 2), dtype=np.float32) + np.float32(0.0)
    _, first, which = np.unique(flat.view(np.uint64).ravel(), return_index=True, return_inverse=True)
    return rows(f"vt {NUMBER} {NUMBER}\n", flat[first].astype(np.float64)), which.reshape(-1, 3), len(first)


def faces_with(vertices: NDArray[np.int64], coordinates: NDArray[np.intp] | None = None) -> str:
    """Faces by the numbers of their vertices and, if there are some, of their texture coordinates."""
    if coordinates is None:
        return rows("f %d %d %d\n", vertices)
    return rows("f %d/%d %d/%d %d/%d\n", np.stack([vertices, coordinates], axis=2).reshape(-1, 6))
