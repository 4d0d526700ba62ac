"""Bodies in their places, alone and in groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from orfeas.geometry.parametric.piece import Body

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Placed:
    """One body in the scene: the `number`th of its thing."""

    thing: int
    number: int
    body: Body
    matrix: Floats

    @property
    def solid(self) -> Manifold:
        """All of it, in its place."""
        return self.body.whole.transform(self.matrix[:3])

    @property
    def bounds(self) -> Floats:
        """(2, 3): lowest and highest corner."""
        boxes = [piece.solid.transform(self.matrix[:3]).bounding_box() for piece in self.body.pieces]
        found = np.array(boxes)
        return np.array([found[:, :3].min(axis=0), found[:, 3:].max(axis=0)])

    def shift(self, offset: Floats) -> None:
        """Move it."""
        self.matrix[:3, 3] += offset


Group = list[Placed]


def longest(placed: Group) -> float:
    """Longest side of all."""
    return float(np.ptp(box(placed), axis=0).max())


def box(placed: Group) -> Floats:
    """(2, 3): lowest and highest corner of all."""
    boxes = np.array([item.bounds for item in placed])
    return np.array([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])


def shift(group: Group, offset: Floats) -> None:
    """Move all of a group."""
    for item in group:
        item.shift(offset)


def whole(group: Group) -> Manifold:
    """All of a group as one solid."""
    return Manifold.compose([item.solid for item in group])
