"""A height field as signed distances on a grid of voxels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from orfeas.geometry.field import ROUND, HeightField

Floats = NDArray[np.float32]

PADDING = 2
# Parts thinner than this many voxels to each side of their middle line are thickened to it, so no grid breaks them.
THINNEST = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Samples of a signed distance, positive inside.

    Attributes
    ----------
    values : (z, y, x) float32
        Never exactly zero, negative on the border.
    origin : (3,) float64
        Field coordinates x, y, z of the first sample.
    spacing : (3,) float64
        Distance of samples along x, y, z.
    parts : int
        Separate parts of the silhouette on this grid; not more than the field has unless the level splits it.
    """

    values: Floats
    origin: NDArray[np.float64]
    spacing: NDArray[np.float64]
    parts: int


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """The samples' x and y, and where they lie in the field's pixels."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    step: float
    columns: Floats
    rows: Floats
    blur: float

    def sample(self, values: Floats) -> Floats:
        """Field values at the samples, low-passed where the samples are coarser than the pixels."""
        if self.blur > 0.3:
            values = np.asarray(cv2.GaussianBlur(values, (0, 0), self.blur), np.float32)
        return np.asarray(
            cv2.remap(values, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )


def volume(field: HeightField, *, octree_resolution: int, mc_level: float) -> Volume:
    """Sample a field; the level is already subtracted, so the surface is where the values cross zero.

    Parameters
    ----------
    field : HeightField
        The solid.
    octree_resolution : int
        Voxels along the silhouette's longest side.
    mc_level : float
        Iso level with the longest side from -1 to 1.
    """
    level = 0.5 * mc_level
    plane = _plane(field, octree_resolution, max(0.0, -level))
    if field.solid == ROUND:
        values, z = _round(field, plane, level)
    else:
        values, z = _plate(field, plane, level)
    values -= np.float32(level)
    values[np.abs(values) < 1e-6] = 1e-6
    for axis in range(3):
        border = np.moveaxis(values, axis, 0)
        border[0], border[-1] = np.minimum(border[0], -1e-3 * plane.step), np.minimum(border[-1], -1e-3 * plane.step)
    origin = np.array([plane.x[0], plane.y[0], z[0]])
    spacing = np.array([plane.step, plane.step, z[1] - z[0]])
    count, _ = cv2.connectedComponents((values.max(axis=0) > 0).astype(np.uint8), connectivity=8)
    return Volume(values, origin, spacing, max(1, count - 1 if level > 0 else min(count - 1, _parts(field))))


def _parts(field: HeightField) -> int:
    return int(cv2.connectedComponents((field.inside > 0).astype(np.uint8), connectivity=8)[0]) - 1


def _plane(field: HeightField, resolution: int, growth: float) -> _Plane:
    left, bottom, right, top = field.bounds
    step = max(right - left, top - bottom) / resolution
    padding = PADDING + int(np.ceil(growth / step))
    x, y = (_nodes(low, high, step, padding) for low, high in ((left, right), (bottom, top)))
    columns = (x / field.pixel_size - 0.5).astype(np.float32)
    rows = (len(field.inside) - y / field.pixel_size - 0.5).astype(np.float32)
    grid_columns, grid_rows = (np.ascontiguousarray(a) for a in np.meshgrid(columns, rows))
    return _Plane(x, y, step, grid_columns, grid_rows, 0.35 * step / field.pixel_size)


def _nodes(low: float, high: float, step: float, padding: int) -> NDArray[np.float64]:
    """Samples symmetric about the middle of an interval, `padding` of them beyond each end."""
    count = int(np.ceil((high - low) / step - 1e-9)) + 1 + 2 * padding
    return np.asarray((low + high) / 2 + (np.arange(count) - (count - 1) / 2) * step, np.float64)


def _round(field: HeightField, plane: _Plane, level: float) -> tuple[Floats, NDArray[np.float64]]:
    """(P - z^2) / 2a, where 2a = sqrt(|grad P|^2 + 4 P) is the constant 2R for a ball and a pole alike.

    D. B. Spalding's wall distance (1994) uses the same identity.
    """
    front, back = plane.sample(field.front * np.abs(field.front)), plane.sample(-field.back * np.abs(field.back))
    thin = _thin_parts(field, plane)
    front, back = np.maximum(front, thin), np.maximum(back, thin)
    grow_y, grow_x = np.gradient(back, plane.step)
    double = np.sqrt(grow_x**2 + grow_y**2 + 4 * np.maximum(back, 0) + plane.step**2).astype(np.float32)
    padding = PADDING + int(np.ceil(max(0.0, -level) / plane.step))
    above = int(np.ceil(np.sqrt(max(float(front.max()), 0.0)) / plane.step)) + padding
    below = int(np.ceil(np.sqrt(max(float(back.max()), 0.0)) / plane.step)) + padding
    z = np.asarray(np.arange(-below, above + 1) * plane.step, np.float64)
    squares = (z * z).astype(np.float32)[:, None, None]
    values = np.empty((len(z), *front.shape), np.float32)
    np.subtract(back, squares[:below], out=values[:below])
    np.subtract(front, squares[below:], out=values[below:])
    values *= 1.0 / double
    return values, z


def _thin_parts(field: HeightField, plane: _Plane) -> Floats:
    """Squared height of a wire along the middle of parts thinner than the grid can hold; negative elsewhere."""
    radius = THINNEST * plane.step
    mask = field.inside > 0
    size = 2 * int(np.ceil(1.5 * radius / field.pixel_size)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc)
    nothing = np.full(plane.columns.shape, -np.inf, np.float32)
    if not (mask & (opened == 0)).any():
        return nothing
    wires = np.asarray(skeletonize(mask), np.bool_) & (field.inside < 1.5 * radius)  # type: ignore[no-untyped-call]
    if not wires.any():
        return nothing
    distance = cv2.distanceTransform((~wires).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    at = cv2.remap(distance, plane.columns, plane.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(radius**2 - np.square(at * field.pixel_size), np.float32)


def _plate(field: HeightField, plane: _Plane, level: float) -> tuple[Floats, NDArray[np.float64]]:
    """The least of the distances to the outline, the front and the back."""
    inside, front, back = (plane.sample(values) for values in (field.inside, field.front, field.back))
    within = inside > 0
    thinnest = float((front - back)[within].min()) if within.any() else plane.step
    step = min(plane.step, thinnest / 2.5)
    growth = max(0.0, -level)
    low, high = float(back.min()) - growth, float(front.max()) + growth
    z = np.asarray(low - 1.5 * step + np.arange(int(np.ceil((high - low) / step)) + 4) * step, np.float64)
    heights = z.astype(np.float32)[:, None, None]
    values = np.minimum(np.minimum(front - heights, heights - back), inside)
    return np.ascontiguousarray(values, np.float32), z
