"""The shadows of a model on the ground below it: of the sky where it stands, and of the main light beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from orfeas.geometry.rendering.camera import Camera
from orfeas.geometry.rendering.visibility import Rays

Floats32 = NDArray[np.float32]

CELLS = 176
REACH = 3.0  # half the side of the shaded ground, in radii of the object
SOFT = 0.02  # blur of a cast shadow, which hides the cells


def contact_shadow(rays: Rays, floor: float) -> Floats32:
    """Darkness of the ground, (cells, cells) by z and x: deep where the object touches, faint below overhangs."""
    origins = _cells(floor)
    up = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (len(origins), 1))
    hits = rays.first(origins, up)
    clear = np.where(hits.face >= 0, hits.distance, np.float32(1e3)).reshape(CELLS, CELLS)
    cells = CELLS / (2.0 * REACH)
    touch = ndimage.gaussian_filter(np.exp(-clear / 0.05), 0.035 * cells)
    near = ndimage.gaussian_filter(np.exp(-clear / 0.35), 0.14 * cells)
    return np.asarray(np.minimum(0.42 * touch + 0.50 * near, 0.8), dtype=np.float32)


def cast_shadow(rays: Rays, floor: float, lamp: Floats32) -> Floats32:
    """Share of a lamp, given as (k, 3) directions towards it, that each cell of the ground does not see."""
    origins = _cells(floor)
    # Only where the middle of the lamp could be hidden by the unit ball, with some room for its width.
    middle = lamp.mean(axis=0)
    middle = middle / np.linalg.norm(middle)
    along = origins @ middle
    off = (origins * origins).sum(axis=1) - along * along
    near = np.flatnonzero((off < 1.3) & (along < 0.0))
    start = np.repeat(origins[near], len(lamp), axis=0)
    free = rays.reach_sky(start, np.tile(lamp, (len(near), 1))).reshape(len(near), len(lamp))
    dark = np.zeros(len(origins), dtype=np.float32)
    dark[near] = 1.0 - free.mean(axis=1)
    blurred = ndimage.gaussian_filter(dark.reshape(CELLS, CELLS), SOFT * CELLS / (2.0 * REACH))
    return np.asarray(blurred, dtype=np.float32)


def _cells(floor: float) -> Floats32:
    """Middles of the cells, just below the ground, (cells * cells, 3) by z and x."""
    axis = np.linspace(-REACH, REACH, CELLS, dtype=np.float32)
    x, z = np.meshgrid(axis, axis)
    return np.stack([x.ravel(), np.full(x.size, floor - 1e-3, np.float32), z.ravel()], axis=1)


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
