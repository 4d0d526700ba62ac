"""Cameras of rendered pictures: perspective and orthographic as in three.js, and how a model is framed.

The standard views are written down for a camera ten units away. A model of any size is seen in them as if it lay
around the origin in a bounding sphere of radius `FRAMED_RADIUS`: that sphere fills 85 % of the height of a frame with a
field of view of 50 degrees, and as much of the width of a frame that is higher than wide. So a distance of 10 shows the
whole model, 5 is close and 20 is far away, whatever the model measures in millimetres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import CAMERA_DISTANCE, CAMERA_FOV_DEG, View

Floats32 = NDArray[np.float32]

FRAMED_RADIUS = 0.85 * CAMERA_DISTANCE * math.sin(math.radians(CAMERA_FOV_DEG / 2.0))
PORTRAIT_DISTANCE = 4.2  # of the eye from the middle, in radii of the object: a mild perspective, as of a portrait lens
PORTRAIT_FILL = 0.86  # share of the frame that the object fills on its tighter axis


@dataclass(frozen=True, slots=True)
class Framing:
    """A direction to look from; the distance follows from the model, which fills the frame.

    `azimuth_deg` is 0 in front (on +z) and 90 at the model's +x side, `elevation_deg` counts from the horizon.
    """

    azimuth_deg: float = 35.0
    elevation_deg: float = 20.0


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera before a model that lies in the unit ball.

    Attributes
    ----------
    eye : (3,) float32
        Where it stands.
    view : (3, 3) float32
        Rows: right, up and backward in the model's axes.
    centre : (2,) float32
        What the middle of the picture shows: on the plane at distance one before the eye, or on the image plane.
    pixel : float
        Side of a pixel on that plane.
    width, height : int
        Pixels.
    orthographic : bool
        Whether rays are parallel.
    """

    eye: Floats32
    view: Floats32
    centre: Floats32
    pixel: float
    width: int
    height: int
    orthographic: bool = False

    @classmethod
    def of(cls, view: View, width: int, height: int, *, centre: Floats32, scale: float) -> Camera:
        """The camera of a view; `centre` and `scale` are the origin and the unit length of the ball in its axes.

        `fov` is vertical. An orthographic camera shows at its target what a perspective one would.
        """
        position, target = np.array(view.position), np.array(view.target)
        backward = position - target
        distance = float(np.linalg.norm(backward))
        backward /= distance
        right = np.cross(np.array(view.up, dtype=float), backward)
        right /= np.linalg.norm(right)
        rows = np.stack([right, np.cross(backward, right), backward])
        high = 2.0 * math.tan(math.radians(view.fov) / 2.0)
        orthographic = view.projection == "orthographic"
        pixel = high * distance / scale / height if orthographic else high / height
        eye = ((position - centre) / scale).astype(np.float32)
        return cls(eye, rows.astype(np.float32), np.zeros(2, np.float32), pixel, width, height, orthographic)

    @classmethod
    def framing(cls, vertices: Floats32, framing: Framing, width: int, height: int) -> Camera:
        """The camera in a direction in whose frame all vertices are seen large."""
        rows = _turned(math.radians(framing.azimuth_deg), math.radians(framing.elevation_deg))
        seen = vertices @ rows.T
        plane = seen[:, :2] / (PORTRAIT_DISTANCE - seen[:, 2:])
        low, high = plane.min(axis=0), plane.max(axis=0)
        span = np.maximum(high - low, 1e-6)
        pixel = float(max(span[0] / width, span[1] / height)) / PORTRAIT_FILL
        return cls(rows[2] * np.float32(PORTRAIT_DISTANCE), rows, (low + high) / 2.0, pixel, width, height)

    def window(self, vertices: Floats32) -> tuple[slice, slice]:
        """Rows and columns of the picture that vertices fall on, with a rim of two pixels."""
        seen = (vertices - self.eye) @ self.view.T
        if not self.orthographic and seen[:, 2].max() > -1e-3:
            return slice(0, self.height), slice(0, self.width)
        plane = seen[:, :2] if self.orthographic else seen[:, :2] / -seen[:, 2:]
        place = (plane - self.centre) / self.pixel * np.array([1.0, -1.0], np.float32)
        place = place + np.array([self.width, self.height], np.float32) / 2.0
        limit = np.array([self.width, self.height])
        low = np.clip(np.floor(place.min(axis=0)) - 2, 0, limit - 1).astype(int)
        high = np.clip(np.ceil(place.max(axis=0)) + 2, low + 1, limit).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def cropped(self, rows: slice, columns: slice) -> Camera:
        """The camera that sees this part of the picture only."""
        middle = np.array([columns.start + columns.stop - self.width, self.height - rows.start - rows.stop]) / 2.0
        centre = (self.centre + middle * self.pixel).astype(np.float32)
        return replace(self, centre=centre, width=columns.stop - columns.start, height=rows.stop - rows.start)

    def finer(self, factor: int) -> Camera:
        """The same frame with more pixels."""
        return replace(self, pixel=self.pixel / factor, width=self.width * factor, height=self.height * factor)

    def rays(self, places: Floats32) -> tuple[Floats32, Floats32]:
        """Origins and unit directions through places given as (x, y) pixels from the top left, each (n, 3)."""
        x = (places[:, 0] - self.width / 2.0) * self.pixel + self.centre[0]
        y = (self.height / 2.0 - places[:, 1]) * self.pixel + self.centre[1]
        across = x[:, None] * self.view[0] + y[:, None] * self.view[1]
        if self.orthographic:
            return _packed(self.eye + across), np.tile(-self.view[2], (len(x), 1))
        across -= self.view[2]
        across /= np.sqrt(x * x + y * y + 1.0)[:, None]
        return np.tile(self.eye, (len(x), 1)), _packed(across)


def framed_radius(width: int, height: int) -> float:
    """Radius of a framed model's bounding sphere, in units of the standard views."""
    if width >= height:
        return FRAMED_RADIUS
    half = math.radians(CAMERA_FOV_DEG / 2.0)
    return FRAMED_RADIUS * math.sin(math.atan(width / height * math.tan(half))) / math.sin(half)


def pixel_centres(width: int, height: int) -> Floats32:
    """Centres of all pixels, row by row, (height * width, 2) as (x, y)."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _packed(rays: NDArray[np.floating[Any]]) -> Floats32:
    return np.ascontiguousarray(rays, dtype=np.float32)


def _turned(azimuth: float, elevation: float) -> Floats32:
    """Rows right, up, backward of a camera at these angles in radians, with y up."""
    sine, cosine = math.sin(azimuth), math.cos(azimuth)
    backward = [sine * math.cos(elevation), math.sin(elevation), cosine * math.cos(elevation)]
    right = [cosine, 0.0, -sine]
    return np.array([right, np.cross(backward, right), backward], dtype=np.float32)
