"""The camera of rendered previews."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.normals import unit

Floats32 = NDArray[np.float32]

DISTANCE = 4.2  # of the eye from the middle, in radii of the object: a mild perspective, as of a portrait lens
FILL = 0.86  # share of the frame that the object fills on its tighter axis


@dataclass(frozen=True, slots=True)
class Camera:
    """A perspective camera that looks at the origin.

    Attributes
    ----------
    eye : (3,) float32
        Where it stands.
    view : (3, 3) float32
        Rows: right, up and backward in the object's axes.
    centre : (2,) float32
        What the middle of the picture shows, on the plane at distance one before the eye.
    pixel : float
        Side of a pixel on that plane.
    width, height : int
        Pixels.
    """

    eye: Floats32
    view: Floats32
    centre: Floats32
    pixel: float
    width: int
    height: int

    @classmethod
    def framing(cls, vertices: Floats32, width: int, height: int, azimuth_deg: float, elevation_deg: float) -> Camera:
        """The camera in that direction in whose frame all vertices, which lie in the unit ball, are seen large."""
        view = _view(np.radians(azimuth_deg), np.radians(elevation_deg))
        plane = _project(vertices, view)
        low, high = plane.min(axis=0), plane.max(axis=0)
        span = np.maximum(high - low, 1e-6)
        pixel = float(max(span[0] / width, span[1] / height)) / FILL
        return cls(view[2] * DISTANCE, view, (low + high) / 2.0, pixel, width, height)

    def window(self, vertices: Floats32) -> tuple[slice, slice]:
        """Rows and columns of the picture that vertices fall on, with a rim of two pixels."""
        place = (_project(vertices, self.view) - self.centre) / self.pixel
        place = place * np.array([1.0, -1.0], np.float32) + np.array([self.width, self.height], np.float32) / 2.0
        low = np.maximum(np.floor(place.min(axis=0)).astype(int) - 2, 0)
        high = np.minimum(np.ceil(place.max(axis=0)).astype(int) + 2, [self.width, self.height])
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def cropped(self, rows: slice, columns: slice) -> Camera:
        """The camera that sees this part of the picture only."""
        middle = np.array([columns.start + columns.stop - self.width, self.height - rows.start - rows.stop]) / 2.0
        centre = (self.centre + middle * self.pixel).astype(np.float32)
        return replace(self, centre=centre, width=columns.stop - columns.start, height=rows.stop - rows.start)

    def rays(self, places: Floats32) -> Floats32:
        """Unit directions through places of the picture given as (x, y) pixels from the top left, (n, 3)."""
        x = (places[:, 0] - self.width / 2.0) * self.pixel + self.centre[0]
        y = (self.height / 2.0 - places[:, 1]) * self.pixel + self.centre[1]
        directions = np.stack([x, y, np.full_like(x, -1.0)], axis=1)
        return np.ascontiguousarray(unit(directions) @ self.view, dtype=np.float32)

    def origins(self, count: int) -> Floats32:
        """The eye, once for each ray, (count, 3)."""
        return np.tile(self.eye, (count, 1))


def _project(vertices: Floats32, view: Floats32) -> Floats32:
    """Vertices on the plane at distance one before the eye, (n, 2)."""
    seen = vertices @ view.T
    return np.asarray(seen[:, :2] / (DISTANCE - seen[:, 2:]))


def pixel_centres(width: int, height: int) -> Floats32:
    """Centres of all pixels, row by row, (height * width, 2) as (x, y)."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _view(azimuth: float, elevation: float) -> Floats32:
    """Rows right, up, backward of a camera at these angles in radians, with y up."""
    backward = [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    right = [np.cos(azimuth), 0.0, -np.sin(azimuth)]
    up = np.cross(backward, right)
    return np.array([right, up, backward], dtype=np.float32)
