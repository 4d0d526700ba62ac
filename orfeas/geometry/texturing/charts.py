"""Texture coordinates for any mesh, by xatlas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Mesh, Vertices
from orfeas.geometry.normals import corner_normals
from orfeas.geometry.raycast import Scene

Indices = NDArray[np.intp]
GUTTER = 6
"""Texels between charts, which continue the colours of the nearest one."""
BLOCK_FACES = 8_000
"""Faces cut into charts together: of 81 920 at once it takes 19 s, and xatlas has died of 82 000."""
MOST_OVERLAP = 0.01
PROBES = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Unwrapped:
    """A mesh with texture coordinates that overlap nowhere, and the picture that they are made for, in texels."""

    mesh: Mesh
    width: int
    height: int


def unwrap(mesh: Mesh, size: int) -> Unwrapped:
    """Cut a surface into charts and lay them side by side.

    Parameters
    ----------
    mesh : Mesh
        Its own coordinates, texture and colours are left behind.
    size : int
        Longest side of the picture in texels.

    Returns
    -------
    Unwrapped
        All charts at one scale.

    References
    ----------
    J. Young, xatlas, https://github.com/jpcy/xatlas, after thekla_atlas by I. Castano.
    """
    found = _charted(mesh, size, [np.arange(len(mesh.faces))] if len(mesh.faces) <= BLOCK_FACES else _blocks(mesh))
    if len(mesh.faces) <= BLOCK_FACES and _overlap(found.mesh) > MOST_OVERLAP:
        return _charted(mesh, size, _blocks(mesh))
    return found


def _charted(mesh: Mesh, size: int, blocks: list[Indices]) -> Unwrapped:
    """Coordinates of charts that stay within blocks of faces."""
    import xatlas  # noqa: PLC0415 - a compiled library that only this stage needs

    atlas, vertices = xatlas.Atlas(), _small(mesh.vertices)
    for block in blocks:
        used, faces = np.unique(mesh.faces[block], return_inverse=True)
        atlas.add_mesh(vertices[used], faces.reshape(-1, 3).astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_iterations = 1
    packing.resolution, packing.padding, packing.bilinear = size, GUTTER, True
    atlas.generate(charts, packing)
    corner_uv = np.zeros((len(mesh.faces), 3, 2), dtype=np.float32)
    for index, block in enumerate(blocks):
        _, faces, uv = atlas.get_mesh(index)
        corner_uv[block] = uv[faces]
    corner_uv[..., 1] = 1.0 - corner_uv[..., 1]
    scale = size / max(atlas.width, atlas.height, 1)
    sides = (max(1, round(side * scale)) for side in (atlas.width, atlas.height))
    bare = replace(mesh, texture=None, vertex_colors=None, maps=None, corner_uv=np.clip(corner_uv, 0.0, 1.0))
    return Unwrapped(bare, *sides)


def _blocks(mesh: Mesh) -> list[Indices]:
    """Faces that look the same way and lie together: a band around a body would be laid over itself."""
    normals = corner_normals(mesh.vertices, mesh.faces).mean(axis=1)
    side = np.abs(normals).argmax(axis=1)
    looks = 2 * side + (np.take_along_axis(normals, side[:, None], axis=1)[:, 0] < 0.0)
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    groups = (np.flatnonzero(looks == direction) for direction in range(6))
    return [part for group in groups if len(group) for part in _halved(group, centres)]


def _halved(group: Indices, centres: Vertices) -> Iterator[Indices]:
    """The faces, cut across their longest side until no part has too many."""
    if len(group) <= BLOCK_FACES:
        yield group
        return
    axis = int(np.ptp(centres[group], axis=0).argmax())
    order = group[np.argsort(centres[group, axis], kind="stable")]
    for half in np.array_split(order, 2):
        yield from _halved(np.sort(half), centres)


def _overlap(mesh: Mesh) -> float:
    """Share of the charts' area that lies over another part of a chart, by rays at random places."""
    assert mesh.corner_uv is not None
    flat = flattened(mesh.corner_uv)
    scene = Scene(flat, np.arange(len(flat)).reshape(-1, 3))
    places = np.random.default_rng(0).random((PROBES, 2), dtype=np.float32)
    origins = np.concatenate([places, np.ones((PROBES, 1), dtype=np.float32)], axis=1)
    down = np.tile(np.array([0.0, 0.0, -1.0], dtype=np.float32), (PROBES, 1))
    covered = float((scene.first(origins, down).face >= 0).mean())
    first, second = np.diff(mesh.corner_uv, axis=1).astype(np.float64).transpose(1, 0, 2)
    area = float(np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum()) / 2.0
    return 1.0 - covered / max(area, 1e-12)


def flattened(corner_uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """The corners of all faces in the plane of the picture, (3 m, 3)."""
    flat = np.zeros((corner_uv.size // 2, 3), dtype=np.float32)
    flat[:, :2] = corner_uv.reshape(-1, 2)
    return flat


def _small(vertices: Vertices) -> NDArray[np.float32]:
    """Coordinates near one: xatlas drops faces whose area is small beside a fixed number."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    scale = 10.0 / max(float((high - low).max()), 1e-30)
    return np.ascontiguousarray((vertices - (low + high) / 2.0) * scale, dtype=np.float32)
