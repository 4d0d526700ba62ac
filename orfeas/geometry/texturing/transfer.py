"""The colours of one mesh on another of the same shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import colors
from orfeas.geometry.deviation import Surface
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import face_cross
from orfeas.geometry.texturing.charts import unwrap
from orfeas.geometry.texturing.texels import bled, texels

Floats32 = NDArray[np.float32]
PROBES = 4_000
UNLIKE = 32  # of 255 in a channel
MOST_UNLIKE = 0.02  # share of the places


def transfer(mesh: Mesh, original: Mesh, *, size: int) -> Mesh:
    """A mesh with a texture of its own that shows what the nearest places of another one show.

    Parameters
    ----------
    mesh : Mesh
        The one to be painted.
    original : Mesh
        Textured or with colours of vertices.
    size : int
        Longest side of the new texture in texels.
    """
    unwrapped = unwrap(mesh, size)
    surface = Surface.of(original)
    count = unwrapped.width * unwrapped.height
    picture, covered = np.zeros((count, 3), dtype=np.uint8), np.zeros(count, dtype=bool)
    for band in texels(unwrapped):
        _, face, weights = surface.nearest(band.points(unwrapped.mesh), 3)
        picture[band.place] = colors.srgb(_light(original, face, weights))
        covered[band.place] = True
    shape = unwrapped.height, unwrapped.width
    return replace(unwrapped.mesh, texture=bled(picture.reshape(*shape, 3), covered.reshape(shape)))


def faithful(mesh: Mesh, original: Mesh, *, seed: int = 0) -> bool:
    """Whether a textured mesh shows what the nearest places of another textured one show, but for few places."""
    rng = np.random.default_rng(seed)
    area = np.linalg.norm(face_cross(mesh.vertices, mesh.faces), axis=1)
    face = rng.choice(len(area), PROBES, p=area / area.sum())
    weights = rng.dirichlet((1.0, 1.0, 1.0), PROBES)
    points = np.einsum("nc,nci->ni", weights, mesh.vertices[mesh.faces[face]])
    _, nearest, there = Surface.of(original).nearest(points, 3)
    one, two = colors.srgb(_light(mesh, face, weights)), colors.srgb(_light(original, nearest, there))
    apart = np.abs(one.astype(int) - two).max(axis=1)
    return bool((apart > UNLIKE).mean() < MOST_UNLIKE)


def _light(original: Mesh, face: NDArray[np.intp], weights: NDArray[np.float64]) -> Floats32:
    """Linear light at places of faces, (n, 3)."""
    if original.texture is not None and original.corner_uv is not None:
        uv = np.einsum("nc,nck->nk", weights, original.corner_uv[face])
        return colors.lookup(original.texture, uv.astype(np.float32))
    painted = colors.of_vertices(original)
    assert painted is not None
    light = colors.linear(painted[:, :3])[original.faces[face]]
    return np.asarray(np.einsum("nc,nck->nk", weights, light), dtype=np.float32)
