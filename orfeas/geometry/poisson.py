"""Poisson's and Laplace's equation inside a mask, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Progress = Callable[[float], None]
Floats = NDArray[np.float32]

NEIGHBOURS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
COARSEST = 12
# A coarse pixel with at least this share of fixed ones is fixed: more lenient, the coarse grid bridges narrow notches
# and its corrections grow instead of shrinking (measured on outlines with 0.5).
BRIDGED = 0.3


def solve(
    free: NDArray[np.bool_], source: Floats | float, values: Floats, *, sweeps: int = 12, corrections: int = 3
) -> Floats:
    """Solve -laplace(u) = source where `free`, with u = values elsewhere.

    Cascadic multigrid: solved on a coarse grid, refined to the next with Jacobi sweeps; then the same again for what is
    left of the residual. Within 0.5 % of the exact height of a disc, a strip and a square.

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
    corrections : int
        Further passes over what is left of the residual.

    Returns
    -------
    (h, w) or (h, w, c) float32

    References
    ----------
    F. Bornemann, P. Deuflhard, "The cascadic multigrid method for elliptic problems", Numer. Math. 75, 1996.
    """
    source = np.broadcast_to(np.float32(source), free.shape).astype(np.float32)
    u = _cascade(free, source, np.asarray(values, np.float32), sweeps)
    for _ in range(corrections):
        residual = _residual(u, free, source)
        step = _cascade(free, residual, np.zeros_like(u), sweeps)
        u = u + step * _best_length(step, residual, free)
    return u


def _best_length(step: Floats, residual: Floats, free: NDArray[np.bool_]) -> np.float32:
    """The multiple of a step that lowers the energy most, so that no correction can do harm."""
    curvature = -float(np.vdot(step, _residual(step, free, np.zeros(free.shape, np.float32))))
    return np.float32(np.vdot(step, residual) / curvature if curvature > 0 else 0.0)


def _residual(u: Floats, free: NDArray[np.bool_], source: Floats) -> Floats:
    """source + laplace(u) where free."""
    laplacian = 4 * (cv2.filter2D(u, -1, NEIGHBOURS, borderType=cv2.BORDER_REPLICATE) - u)
    return np.asarray((_like(source, u) + laplacian) * _like(free, u), np.float32)


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
    coarse = _cascade(fixed < BRIDGED, coarse_source, coarse_values, round(sweeps * 1.3))
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


def _like(plane: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    return plane[..., None] if plane.ndim < values.ndim else plane


def _mean_of_fixed(free: NDArray[np.bool_], values: Floats) -> NDArray[np.float32]:
    fixed = values[~free]
    return np.asarray(fixed.mean(axis=0) if len(fixed) else np.zeros(values.shape[2:]), np.float32)
