"""Which body of a closed surface holds which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.measures import face_volumes, winding_number
from orfeas.geometry.mesh import Faces, Vertices

MOST_BODIES = 200  # that are told from cavities, and united, one by one
SPIKES = 2.0  # per cent of the corners of a cavity, on each side
POINTS = 5  # of a body, by which it is found inside another one

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Nesting:
    """Closed bodies, and what holds them.

    Attributes
    ----------
    body : (m,) int
        Body of every face.
    volume : (k,) float
        Signed, of each body.
    holder : (k,) int
        The smallest body that encloses each one, -1 for none.
    """

    body: NDArray[np.int32]
    volume: Floats
    holder: NDArray[np.intp]
    low: Vertices
    high: Vertices

    @classmethod
    def of(cls, vertices: Vertices, faces: Faces, count: int, body: NDArray[np.int32]) -> Nesting:
        """Of `count` bodies, given the one of every face."""
        volume: Floats = np.bincount(body, face_volumes(vertices, faces), count).astype(np.float64)
        corners = vertices[faces]
        low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
        np.minimum.at(low, body, corners.min(axis=1))
        np.maximum.at(high, body, corners.max(axis=1))
        holder = np.full(count, -1)
        if 1 < count <= MOST_BODIES:
            for index in range(count):
                holder[index] = _holder(vertices, faces, body, volume, index, low, high)
        return cls(body, volume, holder, low, high)

    def overlapping(self) -> bool:
        """Whether the boxes of two bodies meet of which none holds the other."""
        count = len(self.volume)
        if not 1 < count <= MOST_BODIES:
            return False
        meet = ((self.low[:, None] <= self.high[None]) & (self.high[:, None] >= self.low[None])).all(axis=2)
        held = np.zeros((count, count), dtype=bool)
        for index in range(count):
            outer = int(self.holder[index])
            while outer >= 0 and not held[index, outer]:
                held[index, outer] = held[outer, index] = True
                outer = int(self.holder[outer])
        return bool((np.triu(meet, 1) & ~held).any())


def _holder(
    vertices: Vertices,
    faces: Faces,
    body: NDArray[np.int32],
    volume: Floats,
    index: int,
    low: Vertices,
    high: Vertices,
) -> int:
    """The smallest body around another one: around most of a few of its points, as a spike may stick out."""
    mine = faces[body == index]
    boxes = (low <= low[index]).all(axis=1) & (high >= high[index]).all(axis=1)
    # A cavity stays one though a few of its corners stick out; other bodies are united with what they stick out of.
    near = np.percentile(vertices[np.unique(mine)], (SPIKES, 100.0 - SPIKES), axis=0)
    boxes |= (low <= near[0]).all(axis=1) & (high >= near[1]).all(axis=1) & ((volume > 0.0) != (volume[index] > 0.0))
    boxes[index] = False
    points = vertices[mine[np.linspace(0, len(mine) - 1, POINTS).astype(np.intp), 0]]
    for other in sorted(np.flatnonzero(boxes).tolist(), key=lambda k: abs(volume[k])):
        around = faces[body == other]
        if sum(abs(winding_number(point, vertices, around)) > 0.5 for point in points) * 2 > POINTS:
            return int(other)
    return -1
