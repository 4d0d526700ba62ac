"""Colours of a surface spread to where nobody saw it, smoothly through space."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats32 = NDArray[np.float32]
CELLS = 64
ENOUGH = 2.0  # texels in a cell that speak for it alone
GREY = 0.5


@dataclass(slots=True)
class Spread:
    """Sums of what was seen, in cells of a cube from -1 to 1."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((CELLS**3, 4)))

    def add(self, points: NDArray[np.floating], light: Floats32, weight: Floats32) -> None:
        """Take colours, (n, 3) linear light, at (n, 3) points in the cube."""
        cell = np.clip(((points + 1.0) * (CELLS / 2)).astype(np.intp), 0, CELLS - 1)
        flat = (cell[:, 0] * CELLS + cell[:, 1]) * CELLS + cell[:, 2]
        for channel in range(3):
            self.sums[:, channel] += np.bincount(flat, light[:, channel] * weight, minlength=CELLS**3)
        self.sums[:, 3] += np.bincount(flat, weight, minlength=CELLS**3)

    def filled(self) -> Floats32:
        """Linear light in every cell, (k, k, k, 3): its own mean, or that of what lies around."""
        return _pull_push(self.sums.reshape(CELLS, CELLS, CELLS, 4)).astype(np.float32)


def at(cells: Floats32, points: NDArray[np.floating]) -> Floats32:
    """Linear light at (n, 3) points in the cube, trilinear."""
    place = (np.asarray(points, dtype=np.float32).T + 1.0) * (CELLS / 2) - 0.5
    channels = [ndimage.map_coordinates(cells[..., k], place, order=1, mode="nearest") for k in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)


def _pull_push(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of coarser and coarser cells where the finer ones hold nothing (S. Gortler et al., SIGGRAPH 1996, 3.4)."""
    around = sums if len(sums) <= 2 else 27.0 * ndimage.uniform_filter(sums, size=(3, 3, 3, 1), mode="constant")
    around = np.maximum(around, 0.0)  # the filter's running sums leave tiny negative rests
    weight = around[..., 3:]
    own = around[..., :3] / np.maximum(weight, 1e-12)
    if len(sums) == 1:
        return np.where(weight > 0.0, own, GREY)
    half = len(sums) // 2
    coarse = _pull_push(sums.reshape(half, 2, half, 2, half, 2, 4).sum(axis=(1, 3, 5)))
    behind = coarse.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    behind = ndimage.uniform_filter(behind, size=(3, 3, 3, 1), mode="nearest")
    share = np.clip(weight / ENOUGH, 0.0, 1.0)
    return np.asarray(own * share + behind * (1.0 - share))
