"""The height field: a solid between a front and a back, before any grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ROUND, PLATE = "round", "plate"


@dataclass(frozen=True, slots=True, eq=False)
class HeightField:
    """A solid seen from the front, in units of the silhouette's longest side.

    Row r, column c lies at x = (c + 0.5) * pixel_size, y = (h - r - 0.5) * pixel_size, z towards the viewer; the arrays
    cover the frame of the `Subject` it was made from, margin included.

    Attributes
    ----------
    inside : (h, w) float32
        Signed distance to the silhouette, positive inside.
    front, back : (h, w) float32
        z of the two faces. A `round` solid meets in a smooth rim: there both are signed roots, of opposite sign outside
        the silhouette, so that their squares cross zero smoothly at the rim. A `plate` has upright side walls.
    pixel_size : float
        Side of a pixel.
    solid : str
        `round` or `plate`.
    method : str
        `silhouette-inflation`, `relief` or `lithophane`.
    """

    inside: Floats
    front: Floats
    back: Floats
    pixel_size: float
    solid: str
    method: str

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x minimum, y minimum, x maximum, y maximum of the silhouette, to a fraction of a pixel."""
        across, along = self.inside.max(axis=0), self.inside.max(axis=1)
        left, right = _crossings(across, self.pixel_size)
        top, bottom = _crossings(along, self.pixel_size)
        height = len(along) * self.pixel_size
        return left, height - bottom, right, height - top


def _crossings(profile: Floats, pixel_size: float) -> tuple[float, float]:
    """First and last place where a profile of signed distances is positive."""
    inside = np.flatnonzero(profile > 0)
    if len(inside) == 0:
        return 0.0, len(profile) * pixel_size
    first, last = int(inside[0]), int(inside[-1])
    start = (first + 0.5) * pixel_size - min(float(profile[first]), pixel_size)
    return start, (last + 0.5) * pixel_size + min(float(profile[last]), pixel_size)
