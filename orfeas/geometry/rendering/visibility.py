"""How much of the sky and of the main light reaches points of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.normals import dot
from orfeas.geometry.raycast import Hits
from orfeas.geometry.rendering.camera import Camera
from orfeas.geometry.rendering.surfaces import Points, Surfaces

Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]

COARSE = 5  # sky and shadows are looked up on every fifth pixel of each row and column
SKY_DIRECTIONS = 32
LAMP_DIRECTIONS = 16
TURNS = 4
LIFT = 6e-3  # start of shadow rays above the surface, in radii of the object: hides the facets of coarse meshes


class Rays(Protocol):
    """Triangles that rays are asked of."""

    def first(self, origins: Floats32, directions: Floats32) -> Hits:
        """The first face on each of the (n, 3) rays."""

    def reach_sky(self, origins: Floats32, directions: Floats32) -> NDArray[np.bool_]:
        """Whether each of the (n, 3) rays meets nothing."""


@dataclass(frozen=True, slots=True)
class Openness:
    """What light is looked for: the directions of sky and main light, and what stands in their way.

    `rays` is None where nothing casts a shadow. The same directions serve all points, so there is no noise to smooth.
    """

    rays: Rays | None
    sky: Floats32
    lamp: Floats32

    @classmethod
    def of(cls, rays: Rays | None, lamp: Floats32, spread: float) -> Openness:
        """A main light of radius `spread` at distance one."""
        return cls(rays, _fibonacci_sphere(SKY_DIRECTIONS), _disc_around(lamp, LAMP_DIRECTIONS, spread))

    def of_sky(self, points: Points) -> Floats32:
        """Share of the sky's light that arrives, (n,)."""
        cosine, clear = self._clear(points, self.sky)
        weight = np.maximum(cosine, 0.0) * (0.64 + 0.36 * self.sky[:, 1])
        return np.asarray(dot(weight, clear) / np.maximum(weight.sum(axis=1), 1e-6), dtype=np.float32)

    def of_lamp(self, points: Points, turn: Indices | None = None) -> Floats32:
        """Share of the main light's disc that is seen, (n,).

        The samples of a pixel share its directions among them: `turn`, (n,), says whose turn it is, of `TURNS`.
        """
        if turn is None:
            return np.asarray(self._clear(points, self.lamp)[1].mean(axis=1), dtype=np.float32)
        found = np.empty(len(points), dtype=np.float32)
        for index in range(TURNS):
            some = np.flatnonzero(turn == index)
            found[some] = self._clear(points[some], self.lamp[index::TURNS])[1].mean(axis=1)
        return found

    def _clear(self, points: Points, directions: Floats32) -> tuple[Floats32, Floats32]:
        cosine = points.normal @ directions.T
        facing = (cosine > 0.02) & (points.facet @ directions.T > 0.02)
        clear = facing.astype(np.float32)
        if self.rays is not None:
            which, ray = np.nonzero(facing)
            start = points.position + np.float32(LIFT) * points.facet
            clear[which, ray] = self.rays.reach_sky(start[which], directions[ray])
        return cosine, clear


@dataclass(frozen=True, slots=True)
class Coarse:
    """Visibility of sky and main light on a coarse grid of pixels; where one shows no surface its normal is zero."""

    openness: Openness
    position: Floats32
    normal: Floats32
    seen: Floats32
    sharp: bool

    @classmethod
    def of(
        cls, surfaces: Surfaces, camera: Camera, openness: Openness, hits: Hits, rays: tuple[Floats32, Floats32], *,
        sharp: bool,
    ) -> Coarse:  # fmt: skip
        """Rays from every `COARSE`-th pixel that shows the surface; `sharp` looks closer where shadows end."""
        grid = np.arange(camera.width * camera.height).reshape(camera.height, camera.width)
        grid = grid[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE]
        valid = hits.face[grid] >= 0
        pixel = grid[valid]
        met = Hits(hits.face[pixel], hits.u[pixel], hits.v[pixel], hits.distance[pixel])
        points = surfaces.points(met, rays[0][pixel], rays[1][pixel])
        position, normal = np.zeros((*grid.shape, 3), np.float32), np.zeros((*grid.shape, 3), np.float32)
        seen = np.zeros((*grid.shape, 2), np.float32)
        position[valid], normal[valid] = points.position, points.normal
        seen[valid] = np.stack([openness.of_sky(points), openness.of_lamp(points)], axis=1)
        seen[..., 0] = _evened(seen[..., 0], position, normal)
        return cls(openness, position, normal, seen, sharp)

    def at(self, place: Floats32, points: Points, turn: Indices | None = None) -> Floats32:
        """Sky and main light at points of the picture, (n, 2): from the grid where it shows the same surface."""
        if self.openness.rays is None or self.seen.size == 0:
            return np.stack([self.openness.of_sky(points), self.openness.of_lamp(points, turn)], axis=1)
        rows, columns = self.seen.shape[:2]
        x, y = (place.T - (COARSE // 2 + 0.5)) / COARSE
        left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        position, normal, seen = (part.reshape(rows * columns, -1) for part in (self.position, self.normal, self.seen))
        level = dot(points.position, points.normal)
        total, weights = np.zeros((len(x), 2), np.float32), np.zeros(len(x), np.float32)
        darkest, lightest = np.ones(len(x), np.float32), np.zeros(len(x), np.float32)
        for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
            column, row = np.clip(left + right, 0, columns - 1), np.clip(top + below, 0, rows - 1)
            near = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top)) + 1e-3
            cell = row * columns + column
            off = dot(position[cell], points.normal) - level
            bend = np.maximum(dot(normal[cell], points.normal), 0.0) ** 2
            weight = (near * np.exp((off / 0.02) ** 2 * -1.0) * (bend * bend) ** 2).astype(np.float32)
            found = seen[cell]
            total += found * weight[:, None]
            weights += weight
            darkest, lightest = np.minimum(darkest, found[:, 1]), np.maximum(lightest, found[:, 1])
        result: Floats32 = np.asarray(total / np.maximum(weights, 1e-6)[:, None], dtype=np.float32)
        alone = weights < 1e-2
        if alone.any():
            result[alone, 0] = self.openness.of_sky(points[alone])
        edge = (alone | (lightest - darkest > 0.05)) if self.sharp else alone
        if edge.any():
            result[edge, 1] = self.openness.of_lamp(points[edge], None if turn is None else turn[edge])
        return result


def _evened(values: Floats32, position: Floats32, normal: Floats32) -> Floats32:
    """(h, w) values averaged with those of neighbours on the same flat surface, which hides the single directions."""
    total, weights = values.copy(), np.ones_like(values)
    rows, columns = values.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)):
        left = max(0, -right)
        here = slice(0, rows - down), slice(left, columns - max(0, right))
        there = slice(down, rows), slice(left + right, columns + min(0, right))
        apart = np.abs(dot(position[here] - position[there], normal[here]))
        weight = ((apart < 0.01) & (dot(normal[here], normal[there]) > 0.9)).astype(np.float32)
        total[here] += values[there] * weight
        weights[here] += weight
        total[there] += values[here] * weight
        weights[there] += weight
    return np.asarray(total / weights, dtype=np.float32)


def _fibonacci_sphere(count: int) -> Floats32:
    """Evenly spread unit vectors, (count, 3)."""
    y = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    turn = np.arange(count) * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - y * y)
    return np.stack([radius * np.cos(turn), y, radius * np.sin(turn)], axis=1).astype(np.float32)


def _disc_around(axis: Floats32, count: int, radius: float) -> Floats32:
    """Unit vectors in a cone around the axis, (count, 3)."""
    side = np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    across = np.cross(axis, side)
    turn = np.arange(count) * np.pi * (3.0 - np.sqrt(5.0))
    reach = radius * np.sqrt((np.arange(count) + 0.5) / count)
    spread = axis + (reach * np.cos(turn))[:, None] * side + (reach * np.sin(turn))[:, None] * across
    return np.asarray(spread / np.linalg.norm(spread, axis=1, keepdims=True), dtype=np.float32)
