"""Cameras and their paths: right-handed, y up, millimetres; the renderer and web viewers follow the same numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from orfeas.domain.presets import CAMERA_DISTANCE, CAMERA_FOV_DEG, CAMERAS, Vector, View

PROJECTIONS = ("perspective", "orthographic")
AXES = ("x", "y", "z")
CLOSEST = 1e-6
"""A position nearer to its target than this has no direction."""
UP: Vector = (0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class LookAt:
    """The direction from the target to the camera: azimuth `theta` from +z to +x, elevation `phi`, radians."""

    theta: float
    phi: float
    distance: float


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """Where the camera is `t` seconds after the start."""

    t: float
    position: Vector
    target: Vector
    up: Vector


@dataclass(frozen=True, slots=True)
class Animation:
    """A closed path of a camera; its points are the key frames from 0 to `duration` seconds, linear in between."""

    animation_type: str
    duration: float
    speed: float
    rotation_axis: str
    orbital_radius: float
    orbital_height_variation: float
    frames: int
    path_points: tuple[KeyFrame, ...]
    loop: bool = True
    ease: str = "linear"


def view(camera: dict[str, Any]) -> View:
    """The view of camera members (`position`, `target`, `fov`, `projection`), with its upward direction."""
    position, target = _vector(camera["position"]), _vector(camera["target"])
    return View(position, upward(position, target), target, float(camera["fov"]), str(camera["projection"]))


def upward(position: Vector, target: Vector) -> Vector:
    """Up is y; a camera that looks straight down has -z on top, one that looks straight up +z."""
    x, y, z = _minus(position, target)
    if math.hypot(x, z) > CLOSEST * abs(y):
        return UP
    return (0.0, 0.0, -1.0 if y > 0.0 else 1.0)


def look_at(position: Vector, target: Vector) -> LookAt:
    """Angles and distance of a camera around its target."""
    x, y, z = _minus(position, target)
    distance = math.sqrt(x * x + y * y + z * z)
    return LookAt(math.atan2(x, z), math.asin(max(-1.0, min(1.0, y / distance))), distance)


def view_matrix(seen: View) -> tuple[float, ...]:
    """The 16 numbers, column after column, that bring the world before the camera (it looks along -z)."""
    backward = _unit(_minus(seen.position, seen.target))
    right = _unit(_cross(seen.up, backward))
    up = _cross(backward, right)
    rows = (right, up, backward)
    columns = [(rows[0][i], rows[1][i], rows[2][i], 0.0) for i in range(3)]
    moved = tuple(-_dot(row, seen.position) for row in rows)
    return tuple(number for column in (*columns, (*moved, 1.0)) for number in column)


def scaled_presets(distance: float) -> dict[str, View]:
    """The standard views, `distance` away from the origin; not the default of free cameras."""
    factor = distance / CAMERA_DISTANCE
    return {
        name: View(_times(seen.position, factor), seen.up, seen.target, seen.fov, seen.projection)
        for name, seen in CAMERAS.items()
        if name != "custom"
    }


def turntable(
    *, distance: float = 10.0, height: float = 5.0, duration: float = 10.0, speed: float = 1.0, axis: str = "y",
    frames: int = 60,
) -> Animation:  # fmt: skip
    """Turn around an axis through the origin, `speed` times, at a distance from it and a height along it."""
    points = []
    for t, angle in _times_and_angles(duration, speed, frames):
        position = _around(axis, distance, height, angle)
        points.append(KeyFrame(t, position, (0.0, 0.0, 0.0), _unit_axis(axis)))
    return Animation("turntable", duration, speed, axis, distance, 0.0, frames, tuple(points))


def orbital(
    *, radius: float = 10.0, height_variation: float = 3.0, duration: float = 15.0, speed: float = 1.0, frames: int = 60
) -> Animation:
    """Turn around y, rising and sinking once: the height is `height_variation` sin(2 pi t / duration)."""
    points = []
    for t, angle in _times_and_angles(duration, speed, frames):
        height = height_variation * math.sin(2.0 * math.pi * t / duration)
        points.append(KeyFrame(t, _around("y", radius, height, angle), (0.0, 0.0, 0.0), UP))
    return Animation("orbital", duration, speed, "y", radius, height_variation, frames, tuple(points))


def default_camera() -> dict[str, Any]:
    """The camera of a request that says nothing."""
    free = CAMERAS["custom"]
    return {"position": list(free.position), "target": list(free.target), "fov": CAMERA_FOV_DEG,
            "projection": "perspective"}  # fmt: skip


def _times_and_angles(duration: float, speed: float, frames: int) -> list[tuple[float, float]]:
    shares = [index / (frames - 1) for index in range(frames)]
    return [(duration * share, 2.0 * math.pi * speed * share) for share in shares]


def _around(axis: str, distance: float, height: float, angle: float) -> Vector:
    """A place at `distance` from an axis, turned right-handed about it; y and x start at +z, z starts at +x."""
    sine, cosine = distance * math.sin(angle), distance * math.cos(angle)
    if axis == "x":
        return (height, -sine, cosine)
    return (sine, height, cosine) if axis == "y" else (cosine, sine, height)


def _unit_axis(axis: str) -> Vector:
    x, y, z = (1.0 if name == axis else 0.0 for name in AXES)
    return (x, y, z)


def _vector(numbers: Any) -> Vector:
    x, y, z = numbers
    return (float(x), float(y), float(z))


def _minus(one: Vector, other: Vector) -> Vector:
    return (one[0] - other[0], one[1] - other[1], one[2] - other[2])


def _times(one: Vector, factor: float) -> Vector:
    return (one[0] * factor, one[1] * factor, one[2] * factor)


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _cross(one: Vector, other: Vector) -> Vector:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )


def _unit(one: Vector) -> Vector:
    return _times(one, 1.0 / math.sqrt(_dot(one, one)))
