"""The pictures of one mesh on another of the same shape."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import colors
from orfeas.geometry.deviation import Surface
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.normals import corner_normals, dot, face_cross, tangents, unit
from orfeas.geometry.texturing.charts import Unwrapped, unwrap
from orfeas.geometry.texturing.texels import Texels, bled, texels

Floats32 = NDArray[np.float32]
PROBES = 4_000
UNLIKE = 32  # of 255 in a channel
MOST_UNLIKE = 0.02  # share of the places
MAPS = ("normal", "surface", "emissive")


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
    surface, sheet = Surface.of(original), _Sheet.of(unwrapped, original)
    for band in texels(unwrapped):
        _, face, weights = surface.nearest(band.points(unwrapped.mesh), 3)
        sheet.add(band, face, weights.astype(np.float32))
    return sheet.finished()


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """The pictures of a new atlas while they are filled: base colour and the maps that the original has."""

    unwrapped: Unwrapped
    original: Mesh
    frames: tuple[Floats32, Floats32] | None
    """Normals of the corners of both meshes, where there is a normal map."""
    pictures: dict[str, NDArray[np.uint8]]
    covered: NDArray[np.bool_]

    @classmethod
    def of(cls, unwrapped: Unwrapped, original: Mesh) -> _Sheet:
        count = unwrapped.width * unwrapped.height
        names = ["base", *(name for name in MAPS if original.maps and getattr(original.maps, name) is not None)]
        pictures = {name: np.zeros((count, 3), dtype=np.uint8) for name in names}
        frames = None
        if "normal" in names:
            ours, theirs = (
                corner_normals(mesh.vertices, mesh.faces).astype(np.float32) for mesh in (unwrapped.mesh, original)
            )
            frames = ours, theirs
        return cls(unwrapped, original, frames, pictures, np.zeros(count, dtype=bool))

    def add(self, band: Texels, face: NDArray[np.intp], weights: Floats32) -> None:
        """What the original shows at places of its faces, to texels."""
        self.covered[band.place] = True
        self.pictures["base"][band.place] = colors.srgb(_light(self.original, face, weights))
        maps, uv = self.original.maps, self.original.corner_uv
        if maps is None or uv is None:
            return
        place = np.einsum("nc,nck->nk", weights, uv[face]).astype(np.float32)
        if maps.emissive is not None:
            self.pictures["emissive"][band.place] = colors.srgb(colors.lookup(maps.emissive, place))
        if maps.surface is not None:
            self.pictures["surface"][band.place] = _codes(colors.sample(maps.surface, place))
        if maps.normal is not None:
            told = colors.sample(maps.normal, place) * 2.0 - 1.0
            self.pictures["normal"][band.place] = _codes(0.5 + 0.5 * self._turned(told, band, face, weights))

    def _turned(self, told: Floats32, band: Texels, face: NDArray[np.intp], weights: Floats32) -> Floats32:
        """Directions against the original surface as directions against the new one."""
        assert self.frames is not None
        mesh, original = self.unwrapped.mesh, self.original
        assert mesh.corner_uv is not None
        assert original.corner_uv is not None
        outward = unit(np.einsum("nc,nck->nk", weights, self.frames[1][face]))
        there = original.vertices[original.faces[face]].astype(np.float32)
        along, up = tangents(there, original.corner_uv[face], outward)
        direction = unit(along * told[:, :1] + up * told[:, 1:2] + outward * told[:, 2:])
        outward = unit(band.of_corners(self.frames[0]))
        here = mesh.vertices[mesh.faces[band.face]].astype(np.float32)
        along, up = tangents(here, mesh.corner_uv[band.face], outward)
        return np.stack([dot(direction, unit(along)), dot(direction, unit(up)), dot(direction, outward)], axis=1)

    def finished(self) -> Mesh:
        """The mesh with its pictures, their seams bled."""
        shape = self.unwrapped.height, self.unwrapped.width
        covered = self.covered.reshape(shape)
        made = {name: bled(picture.reshape(*shape, 3), covered) for name, picture in self.pictures.items()}
        texture = made.pop("base")
        return replace(self.unwrapped.mesh, texture=texture, maps=Maps(**made) if made else None)


def _codes(numbers: Floats32) -> NDArray[np.uint8]:
    return np.round(np.clip(numbers, 0.0, 1.0) * 255.0).astype(np.uint8)


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


def _light(original: Mesh, face: NDArray[np.intp], weights: NDArray[np.floating]) -> Floats32:
    """Linear light at places of faces, (n, 3)."""
    if original.texture is not None and original.corner_uv is not None:
        uv = np.einsum("nc,nck->nk", weights, original.corner_uv[face])
        return colors.lookup(original.texture, uv.astype(np.float32))
    painted = colors.of_vertices(original)
    assert painted is not None
    light = colors.linear(painted[:, :3])[original.faces[face]]
    return np.asarray(np.einsum("nc,nck->nk", weights, light), dtype=np.float32)
