"""Pictures of an object from the six sides: which point of the surface each pixel shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import CAMERAS
from orfeas.geometry import colors
from orfeas.geometry.fill import pull_push
from orfeas.geometry.raycast import Scene
from orfeas.geometry.subject import Subject
from orfeas.geometry.texture import FRINGE

Floats32 = NDArray[np.float32]
# Between these angles of the surface to the viewer a picture fades out.
FULL_COS, NO_COS = np.cos(np.radians(58.0)), np.cos(np.radians(78.0))
SHARPNESS = 6  # power of the cosine by which pictures outweigh each other
LIFT = 2e-3  # of rays above the surface, in radii of the object
GRID = 384  # side of the height map in which steps are looked for
STEP = 0.05  # in radii: what lies deeper beside something nearer is not trusted, as no picture fits to the pixel


def _basis(name: str) -> Floats32:
    view = CAMERAS[name]
    backward = np.asarray(view.position) / np.linalg.norm(view.position)
    return np.array([np.cross(view.up, backward), view.up, backward], dtype=np.float32)


BASES: Mapping[str, Floats32] = MappingProxyType(
    {name: _basis(name) for name in ("front", "left", "back", "right", "top", "bottom")}
)
"""Rows right, up and towards the viewer of each side, as the standard cameras look; orthographic."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture laid over an object: the outline's box over the box of the object as seen from there.

    Attributes
    ----------
    basis : (3, 3) float32
        Rows right, up, towards the viewer.
    low, span : (2,) float32
        Of the object's box, right and up.
    picture : (h, w, 3) float32
        Linear light; fills that box.
    height : (g, g) float32
        Largest height towards the viewer around each cell of the box, first row on top.
    """

    basis: Floats32
    low: Floats32
    span: Floats32
    picture: Floats32
    height: Floats32

    @classmethod
    def of(cls, name: str, subject: Subject, vertices: Floats32, scene: Scene, texel: float) -> View:
        """The picture of a side; `texel` is the length of one in the object's radii."""
        basis = BASES[name]
        seen = vertices @ basis.T
        low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
        span = np.maximum(high - low, 1e-6).astype(np.float32)
        picture = _resampled(_clean(subject), span, texel)
        return cls(basis, low, span, picture, _heights(basis, low, span, scene))

    def light(self, points: Floats32) -> Floats32:
        """Linear light of the picture at (n, 3) points, bilinear."""
        place = self._places(points)
        rows, columns = self.picture.shape[:2]
        found = _sample(self.picture, place[:, 0] * columns - 0.5, place[:, 1] * rows - 0.5)
        return np.asarray(np.clip(found, 0.0, 1.0), dtype=np.float32)

    def trust(self, points: Floats32, normals: Floats32, facing: Floats32, scene: Scene) -> Floats32:
        """How well each of the (n, 3) points is seen from here, 0 to 1; `facing` are the normals of their faces."""
        cos = normals @ self.basis[2]
        share = np.clip((cos - NO_COS) / (FULL_COS - NO_COS), 0.0, 1.0).astype(np.float32)
        share[facing @ self.basis[2] <= 0.0] = 0.0
        index = np.flatnonzero(share > 0.0)
        towards = np.tile(self.basis[2], (len(index), 1))
        origins = (points[index] + LIFT * facing[index]).astype(np.float32)
        free = scene.reach_sky(origins, towards) if len(index) else np.zeros(0, dtype=bool)
        place = self._places(points[index])
        near = _sample(self.height[..., None], place[:, 0] * GRID - 0.5, place[:, 1] * GRID - 0.5)[:, 0]
        step = near - points[index] @ self.basis[2]
        share[index] *= free * np.clip(2.0 - step / STEP, 0.0, 1.0)
        return np.asarray(share)

    def precedence(self, normals: Floats32) -> Floats32:
        """How much this picture counts beside the others."""
        return np.asarray(np.clip(normals @ self.basis[2], 0.0, 1.0) ** SHARPNESS, dtype=np.float32)

    def _places(self, points: Floats32) -> Floats32:
        """Right and down in the picture, 0 to 1."""
        plane = (points @ self.basis[:2].T - self.low) / self.span
        return np.stack([plane[:, 0], 1.0 - plane[:, 1]], axis=1).astype(np.float32)


def _clean(subject: Subject) -> Floats32:
    """Linear light in the box of the outline; along it colours from within, as the background shows through there."""
    if not subject.found:
        inside = np.flatnonzero(subject.alpha.max(axis=1) > 0.5), np.flatnonzero(subject.alpha.max(axis=0) > 0.5)
        return _box(colors.linear(subject.rgb), *inside)
    solid = subject.alpha > 0.5
    if not solid.any():
        return colors.linear(subject.rgb)
    depth = cv2.distanceTransform(np.pad(solid, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    trust = np.clip(depth / max(1.0, FRINGE * max(solid.shape)) - 0.5, 0.0, 1.0) * (subject.alpha > 0.98)
    trust = np.maximum(trust, 1e-4 * (subject.alpha > 0.9)).astype(np.float32)
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return _box(pull_push(colors.linear(subject.rgb), trust), rows, columns)


def _box(picture: Floats32, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats32:
    return np.ascontiguousarray(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _resampled(picture: Floats32, span: Floats32, texel: float) -> Floats32:
    """Not finer than the texels, so that none is left out."""
    rows, columns = picture.shape[:2]
    step = texel / max(float(span[0]) / columns, float(span[1]) / rows)
    if step <= 1.2:
        return picture
    size = max(1, round(columns / step)), max(1, round(rows / step))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _heights(basis: Floats32, low: Floats32, span: Floats32, scene: Scene) -> Floats32:
    """The height towards the viewer of what is seen, largest over two cells around."""
    cells = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
    x, y = np.meshgrid(low[0] + cells * span[0], low[1] + (1.0 - cells) * span[1])
    far = 3.0
    plane = np.stack([x.ravel(), y.ravel(), np.full(x.size, far, np.float32)], axis=1)
    hits = scene.first((plane @ basis).astype(np.float32), np.tile(-basis[2], (x.size, 1)))
    height = np.where(hits.face >= 0, far - hits.distance, -far).astype(np.float32).reshape(GRID, GRID)
    return np.asarray(cv2.dilate(height, np.ones((5, 5), np.uint8)), dtype=np.float32)


def _sample(picture: Floats32, x: Floats32, y: Floats32) -> Floats32:
    """Bilinear, the border continued; (n, channels)."""
    rows, columns, channels = picture.shape
    x, y = np.clip(x, 0.0, columns - 1.0), np.clip(y, 0.0, rows - 1.0)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    x, y = (x - left)[:, None], (y - top)[:, None]
    upper = picture[top, left] * (1 - x) + picture[top, right] * x
    lower = picture[bottom, left] * (1 - x) + picture[bottom, right] * x
    return np.asarray(upper * (1 - y) + lower * y, dtype=np.float32).reshape(-1, channels)
