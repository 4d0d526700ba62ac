"""Where objects stand: boxes on the ground, laid out without overlap. Millimetres, y up.

An object's position is the middle of its underside before it is turned; its box is that of its turned corners.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from orfeas.domain.presets import Vector

STRATEGIES = ("row", "grid", "circle", "pack", "drop")
TOUCHING = 1e-6
"""Boxes that share no more than this on an axis touch; they do not overlap."""
Matrix3 = tuple[Vector, Vector, Vector]


@dataclass(frozen=True, slots=True)
class Box:
    """The space of an object, relative to its position: lowest and highest corner."""

    low: Vector
    high: Vector

    @property
    def size(self) -> Vector:
        """Sides."""
        x, y, z = (high - low for low, high in zip(self.low, self.high, strict=True))
        return (x, y, z)

    def at(self, position: Vector) -> Box:
        """The box of an object that stands at a position."""
        return Box(_plus(self.low, position), _plus(self.high, position))

    def overlaps(self, other: Box) -> bool:
        """Whether they share space, not only a face."""
        return all(
            min(self.high[axis], other.high[axis]) - max(self.low[axis], other.low[axis]) > TOUCHING
            for axis in range(3)
        )


class NoRoomError(ValueError):
    """Some objects have no room on the bed; `rest` are their places in the list."""

    def __init__(self, rest: Sequence[int]) -> None:
        super().__init__(f"{len(rest)} objects do not fit")
        self.rest = tuple(rest)


def rotation(degrees: Vector) -> Matrix3:
    """The rotation of angles about x, y and z, applied in the order z, y, x (three.js' XYZ)."""
    a, b, c = (math.radians(angle) for angle in degrees)
    sx, cx, sy, cy, sz, cz = math.sin(a), math.cos(a), math.sin(b), math.cos(b), math.sin(c), math.cos(c)
    return (
        (cy * cz, -cy * sz, sy),
        (cx * sz + sx * sy * cz, cx * cz - sx * sy * sz, -sx * cy),
        (sx * sz - cx * sy * cz, sx * cz + cx * sy * sz, cx * cy),
    )


def box_of(extents: Vector, scale: Vector, degrees: Vector) -> Box:
    """The box of an object of these sides, sized and turned."""
    x, y, z = (side * factor for side, factor in zip(extents, scale, strict=True))
    matrix = rotation(degrees)
    corners = [
        _turned(matrix, (across * x, up * y, deep * z))
        for across, up, deep in product((-0.5, 0.5), (0.0, 1.0), (-0.5, 0.5))
    ]
    low, high = (tuple(pick(corner[axis] for corner in corners) for axis in range(3)) for pick in (min, max))
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def overlaps(boxes: Sequence[Box]) -> int:
    """How many pairs share space."""
    return sum(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[:index])


def bounds(boxes: Sequence[Box]) -> Box | None:
    """The box around all; None without any."""
    if not boxes:
        return None
    low = tuple(min(box.low[axis] for box in boxes) for axis in range(3))
    high = tuple(max(box.high[axis] for box in boxes) for axis in range(3))
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def layout(
    strategy: str, boxes: Sequence[Box], positions: Sequence[Vector], *, spacing: float, bed: tuple[float, float] | None
) -> list[Vector]:
    """New positions of objects with these boxes.

    Raises
    ------
    NoRoomError
        `pack` found no room for some of them on the bed.
    """
    if strategy == "drop":
        return _drop(boxes, positions)
    if strategy == "pack" and bed is not None:
        return _pack(boxes, spacing, bed)
    arrange: dict[str, Callable[[Sequence[Box], float], list[Vector]]] = {"row": _row, "circle": _circle}
    return arrange.get(strategy, _grid)(boxes, spacing)


def _standing(box: Box, x: float, z: float) -> Vector:
    """The position that puts the middle of a box over a place, its lowest point on the ground."""
    return (x - (box.low[0] + box.high[0]) / 2.0, -box.low[1], z - (box.low[2] + box.high[2]) / 2.0)


def _row(boxes: Sequence[Box], spacing: float) -> list[Vector]:
    width = sum(box.size[0] for box in boxes) + spacing * (len(boxes) - 1)
    placed, edge = [], -width / 2.0
    for box in boxes:
        placed.append(_standing(box, edge + box.size[0] / 2.0, 0.0))
        edge += box.size[0] + spacing
    return placed


def _grid(boxes: Sequence[Box], spacing: float) -> list[Vector]:
    """Nearly square; each column and row is as wide as its widest object."""
    columns = math.ceil(math.sqrt(len(boxes))) or 1
    rows = math.ceil(len(boxes) / columns)
    widths = [max(box.size[0] for box in boxes[column::columns]) for column in range(min(columns, len(boxes)))]
    depths = [max(box.size[2] for box in boxes[row * columns : (row + 1) * columns]) for row in range(rows)]
    x, z = _centres(widths, spacing), _centres(depths, spacing)
    return [_standing(box, x[index % columns], z[index // columns]) for index, box in enumerate(boxes)]


def _centres(sides: Sequence[float], spacing: float) -> list[float]:
    edge = -(sum(sides) + spacing * (len(sides) - 1)) / 2.0
    found = []
    for side in sides:
        found.append(edge + side / 2.0)
        edge += side + spacing
    return found


def _circle(boxes: Sequence[Box], spacing: float) -> list[Vector]:
    """Around the origin, evenly, so far out that neighbours' circles of reach stay apart."""
    if len(boxes) < 2:
        return [_standing(box, 0.0, 0.0) for box in boxes]
    reach = max(math.hypot(box.size[0], box.size[2]) for box in boxes)
    radius = (reach + spacing) / (2.0 * math.sin(math.pi / len(boxes)))
    angles = [2.0 * math.pi * index / len(boxes) for index in range(len(boxes))]
    return [
        _standing(box, radius * math.sin(angle), radius * math.cos(angle))
        for box, angle in zip(boxes, angles, strict=True)
    ]


def _pack(boxes: Sequence[Box], spacing: float, bed: tuple[float, float]) -> list[Vector]:
    """Shelves from the back of the bed, the deepest objects first (next-fit decreasing height, Coffman 1980)."""
    width, depth = bed
    placed: dict[int, Vector] = {}
    rest: list[int] = []
    x, z, shelf = 0.0, 0.0, 0.0
    for index in sorted(range(len(boxes)), key=lambda index: -boxes[index].size[2]):
        across, _, deep = boxes[index].size
        if x > 0.0 and x + across > width + TOUCHING:
            x, z, shelf = 0.0, z + shelf + spacing, 0.0
        if across > width + TOUCHING or z + deep > depth + TOUCHING:
            rest.append(index)
            continue
        placed[index] = _standing(boxes[index], x + across / 2.0 - width / 2.0, z + deep / 2.0 - depth / 2.0)
        x, shelf = x + across + spacing, max(shelf, deep)
    if rest:
        raise NoRoomError(sorted(rest))
    return [placed[index] for index in range(len(boxes))]


def _drop(boxes: Sequence[Box], positions: Sequence[Vector]) -> list[Vector]:
    """Each falls where it is until it rests on the ground or on another; the lowest falls first."""
    found = [*positions]
    fallen: list[Box] = []
    for index in sorted(range(len(boxes)), key=lambda index: boxes[index].at(positions[index]).low[1]):
        box = boxes[index].at(positions[index])
        below = [other.high[1] for other in fallen if _above(box, other)]
        x, _, z = positions[index]
        found[index] = (x, max(below, default=0.0) - boxes[index].low[1], z)
        fallen.append(boxes[index].at(found[index]))
    return found


def _above(one: Box, other: Box) -> bool:
    flat = replace(one, low=(one.low[0], 0.0, one.low[2]), high=(one.high[0], 1.0, one.high[2]))
    return flat.overlaps(Box((other.low[0], 0.0, other.low[2]), (other.high[0], 1.0, other.high[2])))


def _turned(matrix: Matrix3, point: Vector) -> Vector:
    x, y, z = (sum(a * b for a, b in zip(row, point, strict=True)) for row in matrix)
    return (x, y, z)


def _plus(one: Vector, other: Vector) -> Vector:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])
