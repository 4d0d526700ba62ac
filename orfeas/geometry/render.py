"""Shaded pictures of meshes by ray casting: no OpenGL, no display."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from orfeas.errors import EmptyMeshError
from orfeas.geometry import colors
from orfeas.geometry.camera import Camera, pixel_centres
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import corner_normals, dot, face_normals, unit
from orfeas.geometry.raycast import Hits, Scene
from orfeas.geometry.shading import Lights, Points, shade, visibility

Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]

CLAY = (0.60, 0.585, 0.56)  # linear light of a surface without colours
COARSE = 5  # sky and shadows are looked up on every fifth pixel of each row and column
CHUNK = 16384  # points shaded at once: their arrays stay in the processor's cache
GROUND_CELLS = 96
GROUND_REACH = 1.7  # half the side of the shaded ground, in radii of the object


def render(
    mesh: Mesh,
    *,
    width: int = 512,
    height: int = 512,
    azimuth_deg: float = 35.0,
    elevation_deg: float = 20.0,
    samples: int = 2,
    background: tuple[int, int, int] | None = None,
) -> NDArray[np.uint8]:
    """Picture of a mesh that fills the frame, with soft shadows and a shadow on the ground.

    Parameters
    ----------
    mesh : Mesh
        y up; any unit.
    width, height : int
        Pixels.
    azimuth_deg : float
        Where the camera stands: 0 in front (on +z), 90 at the model's +x side.
    elevation_deg : float
        Height of the camera over the horizon.
    samples : int
        Sub-samples along each side of a pixel; spent on outlines and edges only.
    background : (red, green, blue) or None
        sRGB; None leaves it transparent, with the shadow in the alpha channel.

    Returns
    -------
    (height, width, 4) uint8
        sRGB, straight alpha. The same arguments give the same bytes.

    Raises
    ------
    EmptyMeshError
        The mesh has no faces.
    CapabilityMissingError
        Embree is not available on this machine.
    """
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be rendered.")
    model = _Model.of(mesh, size=max(width, height))
    camera = Camera.framing(model.vertices, width, height, azimuth_deg, elevation_deg)
    scene = Scene(model.vertices, model.faces)
    rows, columns = camera.window(model.vertices)
    cover, light = np.zeros((height, width), np.float32), np.zeros((height, width, 3), np.float32)
    cover[rows, columns], light[rows, columns] = _surface(model, camera.cropped(rows, columns), scene, samples)
    shadow = _ground_shadow(scene, camera, float(model.vertices[:, 1].min()))
    return _compose(cover, light, shadow, background)


@dataclass(frozen=True, slots=True)
class _Model:
    """The mesh around the origin in the unit ball, with what shading looks up."""

    vertices: Floats32
    faces: NDArray[np.int64]
    normals: Floats32
    facets: Floats32
    corner_uv: Floats32 | None
    texture: NDArray[np.uint8] | None
    vertex_light: Floats32 | None

    @classmethod
    def of(cls, mesh: Mesh, *, size: int) -> _Model:
        used = mesh.vertices[np.unique(mesh.faces)]
        low, high = used.min(axis=0), used.max(axis=0)
        radius = max(float(np.linalg.norm(high - low)) / 2.0, 1e-12)
        vertices = (mesh.vertices - (low + high) / 2.0) / radius
        textured = colors.is_textured(mesh)
        texture = mesh.texture if textured else None
        while texture is not None and min(texture.shape[:2]) > 2 * size:
            texture = colors.halved(texture)
        painted = None if textured or mesh.vertex_colors is None else colors.linear(mesh.vertex_colors[:, :3])
        return cls(
            vertices=vertices.astype(np.float32),
            faces=mesh.faces,
            normals=corner_normals(vertices, mesh.faces).astype(np.float32),
            facets=face_normals(vertices, mesh.faces).astype(np.float32),
            corner_uv=mesh.corner_uv if textured else None,
            texture=texture,
            vertex_light=painted,
        )

    @property
    def is_painted(self) -> bool:
        return self.texture is not None or self.vertex_light is not None

    def points(self, hits: Hits, directions: Floats32, camera: Camera) -> Points:
        """The points that rays met; every ray must have met one."""
        position = camera.eye + directions * hits.distance[:, None]
        normal, facet = _blend(self.normals[hits.face], hits), self.facets[hits.face]
        side = np.where(dot(facet, directions) > 0.0, np.float32(-1.0), np.float32(1.0))[:, None]
        return Points(position, unit(normal) * side, facet * side, -directions)

    def albedo(self, hits: Hits) -> Floats32:
        """Base colour in linear light where rays met the surface, (n, 3)."""
        if self.texture is not None and self.corner_uv is not None:
            return colors.lookup(self.texture, _blend(self.corner_uv[hits.face], hits))
        if self.vertex_light is not None:
            return _blend(self.vertex_light[self.faces[hits.face]], hits)
        return np.tile(np.array(CLAY, dtype=np.float32), (len(hits.face), 1))


def _blend(corners: Floats32, hits: Hits) -> Floats32:
    """Barycentric mean of the (n, 3, k) values of face corners."""
    u, v = hits.u[:, None], hits.v[:, None]
    return np.asarray(corners[:, 0] * (1.0 - u - v) + corners[:, 1] * u + corners[:, 2] * v)


def _surface(model: _Model, camera: Camera, scene: Scene, samples: int) -> tuple[Floats32, Floats32]:
    """How much of each pixel the surface covers, (h, w), and its linear light times that, (h, w, 3)."""
    shape = (camera.height, camera.width)
    centres = pixel_centres(camera.width, camera.height)
    directions = camera.rays(centres)
    first = scene.first(camera.origins(len(directions)), directions)
    lights = Lights.around(camera.view)
    coarse = _Coarse.of(model, camera, scene, lights, first, directions)
    rough = _edges(model, first, shape) if samples > 1 else np.zeros(shape[0] * shape[1], dtype=bool)
    pixel = np.flatnonzero((first.face >= 0) & ~rough)
    parts = [(pixel, centres[pixel], directions[pixel], _pick(first, pixel), 1.0)]
    if rough.any():
        parts.append(_refined(camera, scene, np.flatnonzero(rough), centres, samples))
    cover, total = np.zeros(shape[0] * shape[1]), np.zeros((shape[0] * shape[1], 3))
    for where, place, ray, hits, weight in parts:
        light = np.zeros((len(where), 3), dtype=np.float32)
        for start in range(0, len(where), CHUNK):
            some = slice(start, start + CHUNK)
            met = _pick(hits, some)
            points = model.points(met, ray[some], camera)
            seen = coarse.at(place[some], points, scene, lights)
            light[some] = shade(points, model.albedo(met), seen, lights, gloss=0.05 if model.is_painted else 0.09)
        cover += np.bincount(where, minlength=len(cover)) * weight
        for channel in range(3):
            total[:, channel] += np.bincount(where, weights=light[:, channel], minlength=len(cover)) * weight
    return cover.reshape(shape).astype(np.float32), total.reshape(*shape, 3).astype(np.float32)


def _refined(
    camera: Camera, scene: Scene, rough: Indices, centres: Floats32, samples: int
) -> tuple[Indices, Floats32, Floats32, Hits, float]:
    """Sub-samples of these pixels that meet the surface: pixel, place, ray, hit and the weight of one."""
    step = (np.arange(samples, dtype=np.float32) + 0.5) / samples - 0.5
    offsets = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    place = (centres[rough][:, None] + offsets).reshape(-1, 2).astype(np.float32)
    ray = camera.rays(place)
    hits = scene.first(camera.origins(len(ray)), ray)
    met = np.flatnonzero(hits.face >= 0)
    return np.repeat(rough, len(offsets))[met], place[met], ray[met], _pick(hits, met), 1.0 / len(offsets)


def _pick(hits: Hits, index: Indices | slice) -> Hits:
    return Hits(hits.face[index], hits.u[index], hits.v[index], hits.distance[index])


def _edges(model: _Model, hits: Hits, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels beside an outline, a jump in depth or a bend of the surface, flat (h * w)."""
    met = (hits.face >= 0).reshape(shape)
    depth = np.where(met, hits.distance.reshape(shape), 0.0)
    facet = model.facets[hits.face].reshape(*shape, 3)
    rough = np.zeros(shape, dtype=bool)
    for axis in (0, 1):
        here, there = _shifted(axis, 0), _shifted(axis, 1)
        apart = (met[here] != met[there]) | (np.abs(depth[here] - depth[there]) > 0.03)
        apart |= met[here] & (np.einsum("ijk,ijk->ij", facet[here], facet[there]) < 0.8)
        rough[here] |= apart
        rough[there] |= apart
    return rough.ravel()


def _shifted(axis: int, by: int) -> tuple[slice, slice]:
    part = slice(1, None) if by else slice(None, -1)
    return (part, slice(None)) if axis == 0 else (slice(None), part)


@dataclass(frozen=True, slots=True)
class _Coarse:
    """Visibility of sky and key lamp on a coarse grid of pixels; where a pixel shows no surface its normal is zero."""

    position: Floats32
    normal: Floats32
    seen: Floats32

    @classmethod
    def of(
        cls, model: _Model, camera: Camera, scene: Scene, lights: Lights, hits: Hits, directions: Floats32
    ) -> _Coarse:
        """Rays from every `COARSE`-th pixel that shows the surface."""
        grid = np.arange(camera.width * camera.height).reshape(camera.height, camera.width)
        grid = grid[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE]
        valid = hits.face[grid] >= 0
        pixel = grid[valid]
        points = model.points(_pick(hits, pixel), directions[pixel], camera)
        position, normal = np.zeros((*grid.shape, 3), np.float32), np.zeros((*grid.shape, 3), np.float32)
        seen = np.zeros((*grid.shape, 2), np.float32)
        position[valid], normal[valid] = points.position, points.normal
        seen[valid] = visibility(scene, points, lights)
        return cls(position, normal, seen)

    def at(self, place: Floats32, points: Points, scene: Scene, lights: Lights) -> Floats32:
        """Visibility at points of the picture, (n, 2): from grid points on the same surface, else by own rays."""
        rows, columns = self.seen.shape[:2]
        x, y = (place.T - (COARSE // 2 + 0.5)) / COARSE
        left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        position, normal, seen = (part.reshape(rows * columns, -1) for part in (self.position, self.normal, self.seen))
        level = dot(points.position, points.normal)
        total, weights = np.zeros((len(x), 2), np.float32), np.zeros(len(x), np.float32)
        for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
            column, row = np.clip(left + right, 0, columns - 1), np.clip(top + below, 0, rows - 1)
            near = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top)) + 1e-3
            cell = row * columns + column
            off = dot(position[cell], points.normal) - level
            bend = np.maximum(dot(normal[cell], points.normal), 0.0) ** 2
            weight = (near * np.exp((off / 0.02) ** 2 * -1.0) * (bend * bend) ** 2).astype(np.float32)
            total += seen[cell] * weight[:, None]
            weights += weight
        alone = np.flatnonzero(weights < 1e-2)
        result = total / np.maximum(weights, 1e-6)[:, None]
        if len(alone):
            result[alone] = visibility(scene, points[alone], lights)
        return np.asarray(result)


def _ground_shadow(scene: Scene, camera: Camera, floor: float) -> Floats32:
    """Darkness of the ground in each pixel, (h, w), 0 to 1: deep where the object touches, faint below overhangs."""
    axis = np.linspace(-GROUND_REACH, GROUND_REACH, GROUND_CELLS, dtype=np.float32)
    x, z = np.meshgrid(axis, axis)
    origins = np.stack([x.ravel(), np.full(x.size, floor - 1e-3, np.float32), z.ravel()], axis=1)
    up = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (len(origins), 1))
    clear = scene.first(origins, up).distance.reshape(x.shape)
    cells = GROUND_CELLS / (2.0 * GROUND_REACH)
    touch = ndimage.gaussian_filter(np.exp(-clear / 0.05), 0.035 * cells)
    near = ndimage.gaussian_filter(np.exp(-clear / 0.35), 0.14 * cells)
    dark = np.minimum(0.42 * touch + 0.50 * near, 0.8)
    directions = camera.rays(pixel_centres(camera.width, camera.height))
    down = np.where(directions[:, 1] < -1e-4, directions[:, 1], np.float32(np.inf))
    along = (floor - camera.eye[1]) / down
    place = (camera.eye + directions * along[:, None])[:, [2, 0]]
    cell = (place / GROUND_REACH + 1.0) * (GROUND_CELLS - 1) / 2.0
    looked = ndimage.map_coordinates(dark, cell.T, order=1, mode="constant")
    return np.where(along > 0.0, looked, 0.0).reshape(camera.height, camera.width).astype(np.float32)


def _compose(
    cover: Floats32, light: Floats32, shadow: Floats32, background: tuple[int, int, int] | None
) -> NDArray[np.uint8]:
    """Surface over shadow over background, as sRGB with straight alpha."""
    if background is None:
        alpha = cover + (1.0 - cover) * shadow
        picture = np.zeros((*cover.shape, 4), dtype=np.uint8)
        picture[..., 3] = np.round(alpha * 255.0)
        shown = cover > 0.0  # elsewhere the shadow is black
        picture[shown, :3] = colors.srgb(light[shown] / alpha[shown, None])
        return picture
    rows, columns = cover.shape
    y, x = np.mgrid[-1.0 : 1.0 : rows * 1j, -1.0 : 1.0 : columns * 1j].astype(np.float32)
    # The corners fall off a little, as a backdrop lit from the middle does.
    backdrop = colors.linear(np.array(background, dtype=np.uint8)) * (1.0 - 0.16 * (x * x + y * y) / 2.0)[..., None]
    mixed = light + backdrop * ((1.0 - cover) * (1.0 - shadow))[..., None]
    color = np.asarray(mixed, dtype=np.float32)
    return np.dstack([colors.srgb(color), np.full(cover.shape, 255, dtype=np.uint8)])
