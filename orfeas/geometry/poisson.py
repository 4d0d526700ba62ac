"""Poisson's and Laplace's equation inside a mask, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Progress = Callable[[float], None]
Floats = NDArray[np.float32]

NEIGHBOURS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
COARSEST = 12


def solve(free: NDArray[np.bool_], source: Floats | float, values: Floats, *, sweeps: int = 24) -> Floats:
    """Solve -laplace(u) = source where `free`, with u = values elsewhere.

    Cascadic multigrid: solved on a coarse grid, refined to the next with Jacobi sweeps. Smooth errors of a per cent
    are left, which no eye sees in a height or a colour.

    Parameters
    ----------
    free : (h, w) bool
        The unknown pixels; should not touch the frame, which reflects.
    source : (h, w) float32 or float
        Right-hand side for a pixel spacing of 1.
    values : (h, w) or (h, w, c) float32
        Boundary values; read only where not free.
    sweeps : int
        Relaxations on the finest grid; coarser grids get more.

    Returns
    -------
    (h, w) or (h, w, c) float32

    References
    ----------
    F. Bornemann, P. Deuflhard, "The cascadic multigrid method for elliptic problems", Numer. Math. 75, 1996.
    """
    source = np.broadcast_to(np.float32(source), free.shape).astype(np.float32)
    return _cascade(free, source, np.asarray(values, np.float32), sweeps)


def _cascade(free: NDArray[np.bool_], source: Floats, values: Floats, sweeps: int) -> Floats:
    height, width = free.shape
    if min(height, width) < 2 * COARSEST:
        start = np.where(_like(free, values), _mean_of_fixed(free, values), values).astype(np.float32)
        return _relax(start, free, source, 4 * max(height, width))
    size = (width + 1) // 2, (height + 1) // 2
    fixed = np.asarray(cv2.resize((~free).astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
    held = np.asarray(
        cv2.resize(np.where(_like(free, values), np.float32(0), values), size, interpolation=3), np.float32
    )
    coarse_values = held / _like(np.maximum(fixed, 1e-6), held)
    ratio = np.float32(width / size[0] * height / size[1])
    coarse_source = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32) * ratio
    coarse = _cascade(fixed < 0.5, coarse_source, coarse_values, round(sweeps * 1.3))
    guess = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    start = np.where(_like(free, values), guess, values).astype(np.float32)
    return _relax(start, free, source, sweeps)


def _relax(u: Floats, free: NDArray[np.bool_], source: Floats, sweeps: int) -> Floats:
    """Jacobi sweeps; alternating weights damp both the checkerboard and the smooth part of the error."""
    mask = _like(free, u).astype(np.float32)
    mask = np.ascontiguousarray(np.broadcast_to(mask, u.shape))
    lift = np.ascontiguousarray(np.broadcast_to(_like(0.25 * source, u), u.shape)) * mask
    held = u * (1 - mask)
    lift += held
    average = np.empty_like(u)
    for sweep in range(sweeps):
        cv2.filter2D(u, -1, NEIGHBOURS, dst=average, borderType=cv2.BORDER_REPLICATE)
        np.multiply(average, mask, out=average)
        np.add(average, lift, out=average)
        if sweep % 4 == 3:
            cv2.addWeighted(u, 0.4, average, 0.6, 0.0, dst=u)
        else:
            u, average = average, u
    return u


def _like(plane: NDArray[np.generic], values: NDArray[np.generic]) -> NDArray[np.generic]:
    return plane[..., None] if values.ndim == 3 else plane


def _mean_of_fixed(free: NDArray[np.bool_], values: Floats) -> NDArray[np.float32]:
    fixed = values[~free]
    return np.asarray(fixed.mean(axis=0) if len(fixed) else np.zeros(values.shape[2:]), np.float32)
