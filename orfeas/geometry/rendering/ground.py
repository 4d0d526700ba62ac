"""The shadow of a model on the ground below it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from orfeas.geometry.rendering.camera import Camera
from orfeas.geometry.rendering.visibility import Rays

Floats32 = NDArray[np.float32]

CELLS = 96
REACH = 1.7  # half the side of the shaded ground, in radii of the object


def contact_shadow(rays: Rays, floor: float) -> Floats32:
    """Darkness of the ground, (cells, cells) by z and x: deep where the object touches, faint below overhangs."""
    axis = np.linspace(-REACH, REACH, CELLS, dtype=np.float32)
    x, z = np.meshgrid(axis, axis)
    origins = np.stack([x.ravel(), np.full(x.size, floor - 1e-3, np.float32), z.ravel()], axis=1)
    up = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (len(origins), 1))
    hits = rays.first(origins, up)
    clear = np.where(hits.face >= 0, hits.distance, np.float32(1e3)).reshape(x.shape)
    cells = CELLS / (2.0 * REACH)
    touch = ndimage.gaussian_filter(np.exp(-clear / 0.05), 0.035 * cells)
    near = ndimage.gaussian_filter(np.exp(-clear / 0.35), 0.14 * cells)
    return np.asarray(np.minimum(0.42 * touch + 0.50 * near, 0.8), dtype=np.float32)


def seen(dark: Floats32, camera: Camera, floor: float, wanted: NDArray[np.bool_]) -> Floats32:
    """Darkness of the ground in each pixel, (h, w), 0 to 1, where it is wanted; nothing from below."""
    found = np.zeros(wanted.shape, dtype=np.float32)
    pixel = np.flatnonzero(wanted)
    places = np.stack([pixel % camera.width + 0.5, pixel // camera.width + 0.5], axis=1).astype(np.float32)
    origins, directions = camera.rays(places)
    down = np.where(directions[:, 1] < -1e-4, directions[:, 1], np.float32(np.inf))
    along = (np.float32(floor) - origins[:, 1]) / down
    cell = [((origins[:, axis] + directions[:, axis] * along) / REACH + 1.0) * (CELLS - 1) / 2.0 for axis in (2, 0)]
    near = (along > 0.0) & (np.abs(cell[0] - CELLS / 2.0) < CELLS) & (np.abs(cell[1] - CELLS / 2.0) < CELLS)
    found.ravel()[pixel[near]] = ndimage.map_coordinates(
        dark, [axis[near] for axis in cell], order=1, mode="constant", output=np.float32
    )
    return found
