"""The parts of a model as one set of triangles in the unit ball, with what shading looks up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Material, Vector
from orfeas.errors import EmptyMeshError
from orfeas.geometry import colors
from orfeas.geometry.assembly import UNPAINTED, Model, as_assembly
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.normals import corner_normals, dot, face_normals, tangents, unit
from orfeas.geometry.raycast import Hits

Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]
Halved = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

PLAIN_ROUGHNESS = 0.8  # of a part without material, as in the glTF files that are written of it


@dataclass(frozen=True, slots=True)
class Points:
    """Points of the surface that a picture shows.

    Attributes
    ----------
    position, normal, facet, view : (n, 3) float32
        Place, shading normal, normal of the face, unit vector to the eye; the normals face the eye.
    behind : (n,) bool
        Whether the eye sees the back of the face.
    """

    position: Floats32
    normal: Floats32
    facet: Floats32
    view: Floats32
    behind: NDArray[np.bool_]

    def __getitem__(self, index: NDArray[np.bool_] | Indices | slice) -> Points:
        return Points(self.position[index], self.normal[index], self.facet[index], self.view[index], self.behind[index])

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True, slots=True)
class Finish:
    """The surface at points: (n, 3) `base` and `emissive` in linear light, (n,) shares of the rest.

    `f0` and `f90` are the reflection of the dielectric part head on and at a grazing angle.
    """

    base: Floats32
    alpha: Floats32
    metalness: Floats32
    roughness: Floats32
    f0: Floats32
    f90: Floats32
    emissive: Floats32


@dataclass(frozen=True, slots=True)
class Surfaces:
    """All triangles of a model, (m, ...) arrays by face, (p, ...) arrays by part."""

    vertices: Floats32
    faces: NDArray[np.int64]
    normals: Floats32
    facets: Floats32
    part: NDArray[np.int64]
    uv: Floats32 | None
    textures: tuple[NDArray[np.uint8] | None, ...]
    maps: tuple[Maps | None, ...]
    tint: Floats32 | None
    factors: Floats32
    """By part: base colour (3), opacity, metalness, roughness, f0, f90, emissive (3), strength of the normal map."""
    centre: NDArray[np.float64]
    radius: float

    @classmethod
    def of(
        cls, model: Model, *, size: int, material: Material | None, plain: Vector = UNPAINTED, crease_deg: float = 42.0,
        faceted: bool = False,
    ) -> Surfaces:  # fmt: skip
        """The triangles of a model; `material` takes the place of its own colours and materials.

        `plain` is the colour of parts that have none. A picture of `size` pixels needs no larger textures.
        """
        parts = [part for part in as_assembly(model).parts if len(part.mesh.faces)]
        if not parts:
            raise EmptyMeshError("A mesh without faces cannot be rendered.")
        meshes = [part.placed for part in parts]
        centre, radius = _ball(meshes)
        placed = [(mesh.vertices - centre) / radius for mesh in meshes]
        offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
        facets = [face_normals(v, mesh.faces) for v, mesh in zip(placed, meshes, strict=True)]
        if faceted:
            normals = [np.repeat(facet[:, None], 3, axis=1) for facet in facets]
        else:
            normals = [
                corner_normals(v, mesh.faces, crease_deg=crease_deg) for v, mesh in zip(placed, meshes, strict=True)
            ]
        textured = [material is None and colors.is_textured(mesh) for mesh in meshes]
        # A material in place of the model's own is laid on the same relief.
        mapped = [
            shown or (mesh.maps is not None and mesh.corner_uv is not None)
            for shown, mesh in zip(textured, meshes, strict=True)
        ]
        painted = [
            material is None and not shown and mesh.vertex_colors is not None
            for shown, mesh in zip(textured, meshes, strict=True)
        ]
        factors = [
            _factors(material or part.material, shown or coloured, plain)
            for part, shown, coloured in zip(parts, textured, painted, strict=True)
        ]
        return cls(
            vertices=np.concatenate(placed).astype(np.float32),
            faces=np.concatenate([mesh.faces + shift for mesh, shift in zip(meshes, offsets, strict=True)]),
            normals=np.concatenate(normals).astype(np.float32),
            facets=np.concatenate(facets).astype(np.float32),
            part=np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes]),
            uv=_coordinates(meshes, mapped) if any(mapped) else None,
            textures=tuple(
                _reduced(mesh, size) if shown else None for mesh, shown in zip(meshes, textured, strict=True)
            ),
            maps=tuple(
                _reduced_maps(mesh.maps, size, bare=material is not None) if shown else None
                for mesh, shown in zip(meshes, mapped, strict=True)
            ),
            tint=_tints(meshes, painted) if any(painted) else None,
            factors=np.array(factors, dtype=np.float32),
            centre=centre,
            radius=radius,
        )

    @property
    def opaque(self) -> NDArray[np.bool_]:
        """Which faces let nothing through, (m,)."""
        whole = self.factors[self.part, 3] >= 1.0
        if self.tint is not None:
            whole &= self.tint[self.faces, 3].min(axis=1) >= 1.0
        return np.asarray(whole)

    @property
    def has_relief(self) -> bool:
        """Whether a part has a normal map."""
        return any(maps is not None and maps.normal is not None for maps in self.maps)

    def points(self, hits: Hits, origins: Floats32, directions: Floats32) -> Points:
        """The points that rays met; every ray must have met one."""
        position = origins + directions * hits.distance[:, None]
        normal, facet = _blend(self.normals[hits.face], hits), self.facets[hits.face]
        behind = dot(facet, directions) > 0.0
        side = np.where(behind, np.float32(-1.0), np.float32(1.0))[:, None]
        return Points(position, unit(normal) * side, facet * side, -directions, behind)

    def bent(self, points: Points, hits: Hits) -> Points:
        """The points with the normals that normal maps give them."""
        if self.uv is None or not self.has_relief:
            return points
        normal, part = points.normal.copy(), self.part[hits.face]
        for index, maps in enumerate(self.maps):
            here = np.flatnonzero(part == index)
            if maps is None or maps.normal is None or len(here) == 0:
                continue
            told = colors.sample(maps.normal, _blend(self.uv[hits.face[here]], hits.at(here))) * 2.0 - 1.0
            told[:, :2] *= self.factors[index, 11]
            side = np.where(points.behind[here], np.float32(-1.0), np.float32(1.0))[:, None]
            outward = points.normal[here] * side
            corners = self.vertices[self.faces[hits.face[here]]]
            along, up = tangents(corners, self.uv[hits.face[here]], outward)
            normal[here] = unit(along * told[:, :1] + up * told[:, 1:2] + outward * told[:, 2:]) * side
        return replace(points, normal=normal)

    def finish(self, hits: Hits) -> Finish:
        """What the surface is made of where rays met it."""
        found = self.factors[self.part[hits.face]]
        base, alpha = found[:, :3], found[:, 3]
        if self.tint is not None:
            tint = _blend(self.tint[self.faces[hits.face]], hits)
            base, alpha = base * tint[:, :3], alpha * tint[:, 3]
        if self.uv is not None:
            base = base * self._texels(hits)
        made = Finish(base, alpha, found[:, 4], found[:, 5], found[:, 6], found[:, 7], found[:, 8:11])
        return self._mapped(made, hits) if any(self.maps) else made

    def _mapped(self, made: Finish, hits: Hits) -> Finish:
        """With what maps say of roughness, metalness and emitted light."""
        assert self.uv is not None
        part, place = self.part[hits.face], _blend(self.uv[hits.face], hits)
        metalness, roughness, emissive = made.metalness.copy(), made.roughness.copy(), made.emissive.copy()
        for index, maps in enumerate(self.maps):
            here = np.flatnonzero(part == index)
            if maps is not None and maps.surface is not None and len(here):
                told = colors.sample(maps.surface, place[here])
                roughness[here] *= told[:, 1]
                metalness[here] *= told[:, 2]
            if maps is not None and maps.emissive is not None and len(here):
                emissive[here] *= colors.lookup(maps.emissive, place[here])
        return replace(made, metalness=metalness, roughness=roughness, emissive=emissive)

    def _texels(self, hits: Hits) -> Floats32:
        assert self.uv is not None
        place = _blend(self.uv[hits.face], hits)
        if len(self.textures) == 1 and self.textures[0] is not None:
            return colors.lookup(self.textures[0], place)
        light, part = np.ones((len(place), 3), dtype=np.float32), self.part[hits.face]
        for index, texture in enumerate(self.textures):
            here = np.flatnonzero(part == index)
            if texture is not None and len(here):
                light[here] = colors.lookup(texture, place[here])
        return light


def _blend(corners: Floats32, hits: Hits) -> Floats32:
    """Barycentric mean of the (n, 3, k) values of face corners."""
    u, v = hits.u[:, None], hits.v[:, None]
    return np.asarray(corners[:, 0] * (1.0 - u - v) + corners[:, 1] * u + corners[:, 2] * v)


def _ball(meshes: list[Mesh]) -> tuple[NDArray[np.float64], float]:
    """Middle of the box around all faces, and the distance of the farthest vertex from it."""
    used = [mesh.vertices[np.unique(mesh.faces)] for mesh in meshes]
    low = np.min([vertices.min(axis=0) for vertices in used], axis=0)
    high = np.max([vertices.max(axis=0) for vertices in used], axis=0)
    centre = (low + high) / 2.0
    farthest = max(float(np.linalg.norm(vertices - centre, axis=1).max()) for vertices in used)
    return centre, max(farthest, 1e-12)


def _coordinates(meshes: list[Mesh], textured: list[bool]) -> Floats32:
    none = [np.zeros((len(mesh.faces), 3, 2), np.float32) for mesh in meshes]
    found = [mesh.corner_uv if shown else zero for mesh, shown, zero in zip(meshes, textured, none, strict=True)]
    return np.concatenate([part for part in found if part is not None])


def _reduced(mesh: Mesh, size: int) -> NDArray[np.uint8] | None:
    texture = mesh.texture
    while texture is not None and min(texture.shape[:2]) > 2 * size:
        texture = colors.halved(texture)
    return texture


def _reduced_maps(maps: Maps | None, size: int, *, bare: bool) -> Maps | None:
    """As small as a picture needs; `bare` keeps the relief alone."""
    if maps is None:
        return None

    def fewer(picture: NDArray[np.uint8] | None, halved: Halved) -> NDArray[np.uint8] | None:
        while picture is not None and min(picture.shape[:2]) > 2 * size:
            picture = halved(picture)
        return picture

    normal = fewer(maps.normal, colors.halved_numbers)
    if bare:
        return Maps(normal)
    return Maps(normal, fewer(maps.surface, colors.halved_numbers), fewer(maps.emissive, colors.halved))


def _tints(meshes: list[Mesh], painted: list[bool]) -> Floats32:
    found = []
    for mesh, shown in zip(meshes, painted, strict=True):
        tint = np.ones((len(mesh.vertices), 4), dtype=np.float32)
        if shown and mesh.vertex_colors is not None:
            tint[:, :3] = colors.linear(mesh.vertex_colors[:, :3])
            tint[:, 3] = mesh.vertex_colors[:, 3] / np.float32(255.0)
        found.append(tint)
    return np.concatenate(found)


def _factors(material: Material | None, is_colored: bool, plain: Vector) -> list[float]:
    """One row of `Surfaces.factors`; a reflectivity r reflects 0.16 r^2 head on, as written into glTF."""
    if material is None:
        base = (1.0, 1.0, 1.0) if is_colored else plain
        return [*base, 1.0, 0.0, PLAIN_ROUGHNESS, 0.04, 1.0, 0.0, 0.0, 0.0, 1.0]
    share = 4.0 * material.reflectivity**2
    glow = [channel * material.emissive_intensity for channel in material.emissive]
    return [
        *material.base_color, material.opacity, material.metalness, material.roughness, 0.04 * share, min(share, 1.0),
        *glow, material.normal_scale,
    ]  # fmt: skip
