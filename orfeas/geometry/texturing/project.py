"""Photos of an object from several sides on its surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import colors
from orfeas.geometry.measures import signed_volume, surface_area
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import corner_normals, dot, face_cross, unit
from orfeas.geometry.raycast import Scene
from orfeas.geometry.subject import Subject
from orfeas.geometry.texturing.charts import Unwrapped, unwrap
from orfeas.geometry.texturing.spread import SpreadOfBodies
from orfeas.geometry.texturing.texels import Texels, bled, texels
from orfeas.geometry.texturing.views import View

Floats32 = NDArray[np.float32]
FLAT = 0.4
"""Depth of an object seen from one axis alone, for the filling: what lies behind has the colours before it."""


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """A textured mesh.

    Attributes
    ----------
    coverage : float
        Share of the picture's texels that lie on the surface.
    seen : float
        Share of the surface that a photo shows; the rest is filled.
    """

    mesh: Mesh
    coverage: float
    seen: float


def project(
    mesh: Mesh,
    pictures: Mapping[str, Subject],
    *,
    size: int = 1024,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Projected:
    """Paint a surface with photos of its sides.

    Each photo's outline is laid over the object's box as seen from there, without perspective. A place takes the
    photos that see it, as decided by rays, by their angle; between 58 and 78 degrees they fade into colours spread
    from what was seen. Where one part stands before another the photo is not trusted right beside the step.

    Parameters
    ----------
    mesh : Mesh
        y up, z towards the viewer of `front`.
    pictures : mapping of str to Subject
        By side: front, left, back, right, top, bottom, as the standard cameras see them.
    size : int
        Longest side of the texture in texels.
    on_progress : callable, optional
        Told shares between 0 and 1; may raise to cancel.
    """
    unwrapped = unwrap(mesh, size)
    on_progress(0.4)
    small = _small(unwrapped.mesh)
    scene = Scene(np.asarray(small.vertices, dtype=np.float32), small.faces)
    texel = np.sqrt(surface_area(small.vertices, small.faces) / (0.6 * unwrapped.width * unwrapped.height))
    vertices = np.asarray(small.vertices[np.unique(small.faces)], dtype=np.float32)
    views = [View.of(name, subject, vertices, scene, float(texel)) for name, subject in pictures.items()]
    on_progress(0.5)
    return _painted(replace(unwrapped, mesh=small), mesh, views, scene, on_progress)


def _painted(
    unwrapped: Unwrapped, mesh: Mesh, views: list[View], scene: Scene, on_progress: Callable[[float], None]
) -> Projected:
    """First what the photos show, then, spread from it, what they do not."""
    count = unwrapped.width * unwrapped.height
    picture, share = np.zeros((count, 3), dtype=np.uint8), np.zeros(count, dtype=np.float32)
    covered, surface = np.zeros(count, dtype=bool), _Normals.of(unwrapped.mesh)
    depth = _depth(views)
    spread = SpreadOfBodies(unwrapped.mesh, depth)
    for band in texels(unwrapped):
        points = band.points(unwrapped.mesh).astype(np.float32)
        light, seen = _seen(views, scene, points, *surface.at(band))
        spread.add(band.face, points * depth, light, seen)
        picture[band.place], share[band.place], covered[band.place] = colors.srgb(light), seen, True
    on_progress(0.8)
    fill_at = spread.fill()
    on_progress(0.85)
    for band in texels(unwrapped):
        part = share[band.place] < 1.0
        place, own = band.place[part], share[band.place[part], None]
        fill = fill_at(band.face[part], band.points(unwrapped.mesh)[part] * depth)
        picture[place] = colors.srgb(colors.linear(picture[place]) * own + fill * (1.0 - own))
    shape = unwrapped.height, unwrapped.width
    texture = bled(picture.reshape(*shape, 3), covered.reshape(shape))
    on_progress(1.0)
    painted = replace(mesh, corner_uv=unwrapped.mesh.corner_uv, texture=texture, vertex_colors=None, maps=None)
    return Projected(painted, float(covered.mean()), float((share[covered] > 0.0).mean()) if covered.any() else 0.0)


def _depth(views: list[View]) -> Floats32:
    """By how much each axis is shrunk for the filling, (3,)."""
    axes = np.unique([int(np.abs(view.basis[2]).argmax()) for view in views])
    depth = np.ones(3, dtype=np.float32)
    if len(axes) == 1:
        depth[axes] = FLAT
    return depth


def _seen(
    views: list[View], scene: Scene, points: Floats32, normals: Floats32, facing: Floats32
) -> tuple[Floats32, Floats32]:
    """Linear light of the photos at points, and how far they are to be trusted there."""
    light, total = np.zeros((len(points), 3), dtype=np.float32), np.zeros(len(points), dtype=np.float32)
    share = np.zeros(len(points), dtype=np.float32)
    for view in views:
        trust = view.trust(points, normals, facing, scene)
        index = np.flatnonzero(trust)
        weight = trust[index] * view.precedence(normals[index])
        light[index] += view.light(points[index]) * weight[:, None]
        total[index] += weight
        share = np.maximum(share, trust)
    return np.asarray(light / np.maximum(total, 1e-12)[:, None], dtype=np.float32), share


@dataclass(frozen=True, slots=True, eq=False)
class _Normals:
    """Of the corners, smooth but for creases, (m, 3, 3), and of the faces, (m, 3); outward in any closed mesh."""

    corners: Floats32
    faces: Floats32

    @classmethod
    def of(cls, mesh: Mesh) -> _Normals:
        outward = np.float32(-1.0 if signed_volume(mesh.vertices, mesh.faces) < 0.0 else 1.0)
        smooth = np.asarray(corner_normals(mesh.vertices, mesh.faces), dtype=np.float32).reshape(-1, 3, 3)
        cross = face_cross(mesh.vertices, mesh.faces)
        flat = (cross / np.sqrt(np.maximum(dot(cross, cross), 1e-60))[:, None]).astype(np.float32)
        return cls(outward * smooth, outward * flat)

    def at(self, band: Texels) -> tuple[Floats32, Floats32]:
        return np.asarray(unit(band.of_corners(self.corners)), dtype=np.float32), self.faces[band.face]


def _small(mesh: Mesh) -> Mesh:
    """In the unit ball, as rays want it."""
    used = mesh.vertices[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2.0, 1e-30)
    return mesh.moved((mesh.vertices - (low + high) / 2.0) / radius)
