"""Light on a surface for previews: three lamps, a soft sky and its occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.normals import dot, unit
from orfeas.geometry.raycast import Scene

Floats32 = NDArray[np.float32]

SKY_DIRECTIONS = 32
KEY_DIRECTIONS = 10
KEY_SPREAD = 0.13  # radius of the key lamp at distance one, which softens its shadow
LIFT = 6e-3  # start of shadow rays above the surface, in radii of the object: hides the facets of coarse meshes


@dataclass(frozen=True, slots=True)
class Lights:
    """Directions towards the lamps, unit vectors in the object's axes; they go round with the camera."""

    key: Floats32
    fill: Floats32
    rim: Floats32

    @classmethod
    def around(cls, view: Floats32) -> Lights:
        """Lamps for a camera whose rows are right, up and backward."""
        lamps = np.array([[-0.55, 0.80, 0.75], [0.90, 0.15, 0.60], [0.55, 0.55, -0.80]], dtype=np.float32)
        lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
        key, fill, rim = lamps @ view
        return cls(key, fill, rim)


@dataclass(frozen=True, slots=True)
class Points:
    """Points of the surface that a picture shows.

    Attributes
    ----------
    position, normal, facet, view : (n, 3) float32
        Place, shading normal, normal of the face, unit vector to the eye.
    """

    position: Floats32
    normal: Floats32
    facet: Floats32
    view: Floats32

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Points:
        return Points(self.position[index], self.normal[index], self.facet[index], self.view[index])

    def __len__(self) -> int:
        return len(self.position)


def visibility(scene: Scene, points: Points, lights: Lights) -> Floats32:
    """How much of the sky and of the key lamp each point sees.

    Parameters
    ----------
    scene : Scene
        What casts shadows.
    points : Points
        Where.
    lights : Lights
        Where the key lamp stands.

    Returns
    -------
    (n, 2) float32
        Share of the sky's light that arrives, share of the key lamp; 0 to 1. The same directions serve all points,
        so there is no noise to smooth away.
    """
    sky = _fibonacci_sphere(SKY_DIRECTIONS)
    lamp = _disc_around(lights.key, KEY_DIRECTIONS, KEY_SPREAD)
    directions = np.concatenate([sky, lamp])
    cosine = points.normal @ directions.T
    facing = (cosine > 0.02) & (points.facet @ directions.T > 0.02)
    start = points.position + LIFT * points.facet
    which, ray = np.nonzero(facing)
    open_sky = np.zeros(facing.shape, dtype=np.float32)
    open_sky[which, ray] = scene.reach_sky(start[which], directions[ray])
    weight = np.maximum(cosine[:, :SKY_DIRECTIONS], 0.0) * _sky_light(sky[:, 1])
    seen = dot(weight, open_sky[:, :SKY_DIRECTIONS]) / np.maximum(weight @ np.ones(SKY_DIRECTIONS, np.float32), 1e-6)
    return np.stack([seen, open_sky[:, SKY_DIRECTIONS:].mean(axis=1)], axis=1)


def shade(points: Points, albedo: Floats32, seen: Floats32, lights: Lights, *, gloss: float) -> Floats32:
    """Linear light that leaves the points towards the eye, (n, 3).

    Parameters
    ----------
    points : Points
        Where.
    albedo : (n, 3) float32
        Base colour in linear light.
    seen : (n, 2) float32
        Result of `visibility`.
    lights : Lights
        The lamps.
    gloss : float
        Strength of the highlights; 0 is matt.
    """
    normal, view = points.normal, points.view
    sky, key_seen = seen[:, 0], seen[:, 1]
    cavity = 0.25 + 0.75 * sky
    key = np.maximum(normal @ lights.key, 0.0) * key_seen
    # A wrapped fill keeps the far side readable.
    fill = np.maximum(normal @ lights.fill * 0.7 + 0.3, 0.0) * cavity
    diffuse = (
        _tinted(key * 0.92, 1.03, 1.0, 0.95)
        + _tinted(fill * 0.26, 0.94, 0.98, 1.06)
        + _tinted(_sky_light(normal[:, 1]) * sky * 0.34, 0.97, 1.0, 1.05)
    )
    rim = np.maximum(normal @ lights.rim, 0.0) * (1.0 - np.maximum(dot(normal, view), 0.0)) ** 2 * sky
    light = albedo * diffuse + (0.55 * rim)[:, None] * (0.35 + 0.65 * albedo)
    for lamp, strength, share in ((lights.key, 1.0, key_seen), (lights.fill, 0.35, cavity)):
        light += (gloss * strength * _highlight(normal, view, lamp) * share)[:, None]
    return _shoulder(light)


def _highlight(normal: Floats32, view: Floats32, lamp: Floats32) -> Floats32:
    """Blinn-Phong lobe of a satin surface."""
    cosine = np.maximum(dot(normal, unit(view + lamp)), 0.0)
    power_4 = cosine**2 * cosine**2
    return np.asarray((power_4 * power_4) ** 2 * power_4 * power_4 * power_4)  # to the 28th; pow is ten times slower


def _shoulder(light: Floats32) -> Floats32:
    """Light with what exceeds 0.75 bent so that it approaches 1 and keeps its detail."""
    over = np.maximum(light - 0.75, 0.0)
    return np.asarray(np.minimum(light, 0.75) + over / (1.0 + over / 0.25))


def _sky_light(up: Floats32) -> Floats32:
    """Light from a direction or onto a normal with this y: bright above, a dim reflection from the ground below."""
    return np.asarray(0.64 + 0.36 * up, dtype=np.float32)


def _tinted(amount: Floats32, red: float, green: float, blue: float) -> Floats32:
    return amount[:, None] * np.array([red, green, blue], dtype=np.float32)


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
