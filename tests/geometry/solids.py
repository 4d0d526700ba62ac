"""Closed surfaces with known measures."""

from __future__ import annotations

import numpy as np
import trimesh

from orfeas.geometry.mesh import Mesh
from orfeas.geometry.weld import by_position


def of(solid: trimesh.Trimesh) -> Mesh:
    """A trimesh solid as a mesh."""
    return Mesh(np.array(solid.vertices, dtype=np.float64), np.array(solid.faces, dtype=np.int64))


def back(mesh: Mesh) -> trimesh.Trimesh:
    """A mesh as trimesh sees it, vertices merged by position."""
    first, faces = by_position(mesh.vertices, mesh.faces)
    return trimesh.Trimesh(mesh.vertices[first], faces, process=False)


def box(size: tuple[float, float, float] = (1.0, 1.0, 1.0), at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    """A box of twelve faces."""
    return of(trimesh.creation.box(size, transform=trimesh.transformations.translation_matrix(at)))  # type: ignore[no-untyped-call]


def ball(radius: float = 1.0, subdivisions: int = 3, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    """An icosphere."""
    solid = trimesh.creation.icosphere(subdivisions, radius)
    solid.apply_translation(at)
    return of(solid)


def even_ball(radius: float, faces: int, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    """A ball of about so many faces: the icosahedron's, each divided into n^2 equal ones."""
    count = max(1, round((faces / 20) ** 0.5))
    row, column = np.nonzero(np.tri(count + 1, dtype=bool))
    number = np.full((count + 2, count + 2), -1)
    number[row, column] = np.arange(len(row))
    up = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:]], axis=-1).reshape(-1, 3)
    down = np.stack([number[:-1, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1).reshape(-1, 3)
    grid = np.concatenate([up, down])
    grid = grid[(grid >= 0).all(axis=1)]
    weights = np.stack([count - row, row - column, column], axis=1) / count
    solid = trimesh.creation.icosahedron()
    places = np.einsum("gc,fci->fgi", weights, solid.vertices[solid.faces]).reshape(-1, 3)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    _, first, group = np.unique(places.round(9), axis=0, return_index=True, return_inverse=True)
    each = np.arange(len(solid.faces))[:, None, None] * len(row) + grid
    return Mesh(places[first] * radius + np.array(at), group.ravel()[each.reshape(-1, 3)].astype(np.int64))


def torus(major: int = 48, minor: int = 24) -> Mesh:
    """A torus of radii 1 and 0.4 around z."""
    return of(trimesh.creation.torus(1.0, 0.4, major_sections=major, minor_sections=minor))


def bumpy(mesh: Mesh, seed: int, strength: float = 0.12) -> Mesh:
    """A shape with smooth random bumps."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(scale=3.0, size=(6, 3)), rng.uniform(0.0, 2.0 * np.pi, 6)
    bumps = np.sin(mesh.vertices / np.abs(mesh.vertices).max() @ waves.T + phases).mean(axis=1, keepdims=True)
    return mesh.moved(mesh.vertices * (1.0 + strength * bumps))


def together(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=False)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def soup(mesh: Mesh) -> Mesh:
    """The same faces, each with three vertices of its own."""
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    return Mesh(corners, np.arange(len(corners)).reshape(-1, 3))


def inside_out(mesh: Mesh) -> Mesh:
    """The same faces wound the other way."""
    return Mesh(mesh.vertices, mesh.faces[:, ::-1].copy())


def painted(mesh: Mesh) -> Mesh:
    """Red grows along x, green along y, blue along z."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    codes = np.round((mesh.vertices - low) / (high - low) * 255.0)
    alpha = np.full((len(codes), 1), 255.0)
    return Mesh(mesh.vertices, mesh.faces, vertex_colors=np.concatenate([codes, alpha], axis=1).astype(np.uint8))


def textured(mesh: Mesh) -> Mesh:
    """A smooth picture laid on along z: red grows to the right, green upward."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    uv = ((mesh.vertices - low) / (high - low))[mesh.faces][:, :, :2].astype(np.float32)
    rows, columns = np.mgrid[255:-1:-4, 0:256:4]
    picture = np.stack([columns, rows, np.full_like(rows, 60)], axis=-1).astype(np.uint8)
    return Mesh(mesh.vertices, mesh.faces, corner_uv=uv, texture=picture)
