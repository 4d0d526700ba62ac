"""On which side of a plane or a line a point lies, decided exactly.

Rounded arithmetic decides where its error bound allows; the rest is counted in whole numbers, which a power of two
makes of any set of floating-point numbers.

Source: J. R. Shewchuk, "Adaptive precision floating-point arithmetic and fast robust geometric predicates",
Discrete & Computational Geometry 18, 1997: the bounds of the first filter of orient3d and orient2d.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Signs = NDArray[np.int8]

EPSILON = 2.0**-53
BOUND_3D = (7.0 + 56.0 * EPSILON) * EPSILON
BOUND_2D = (3.0 + 16.0 * EPSILON) * EPSILON


def orient3d(a: Floats, b: Floats, c: Floats, d: Floats) -> Signs:
    """Sign of det[a - d, b - d, c - d] for rows of points.

    Parameters
    ----------
    a, b, c, d : (n, 3) float64

    Returns
    -------
    (n,) int8
        1 where a, b, c run clockwise seen from d, that is d lies behind the plane, -1 in front of it, 0 in it.
    """
    u, v, w = (a - d).T, (b - d).T, (c - d).T
    one, two = v[0] * w[1], w[0] * v[1]
    three, four = w[0] * u[1], u[0] * w[1]
    five, six = u[0] * v[1], v[0] * u[1]
    value = u[2] * (one - two) + v[2] * (three - four) + w[2] * (five - six)
    size = abs(u[2]) * (abs(one) + abs(two)) + abs(v[2]) * (abs(three) + abs(four))
    size += abs(w[2]) * (abs(five) + abs(six))
    signs: Signs = np.sign(value).astype(np.int8)
    doubtful = np.flatnonzero(abs(value) <= BOUND_3D * size)
    if len(doubtful):
        signs[doubtful] = 0
        rows = np.stack([u[:, doubtful], v[:, doubtful], w[:, doubtful]])
        # Differences are zero only between equal numbers: a plane along two axes needs no further look.
        left = doubtful[rows.any(axis=0).all(axis=0)]
        signs[left] = _exact3d(*(points[left] for points in (a, b, c, d)))
    return signs


def orient2d(a: Floats, b: Floats, c: Floats) -> Signs:
    """Sign of the area of triangles (n, 2): 1 counter-clockwise, -1 clockwise, 0 in one line."""
    left = (a[:, 0] - c[:, 0]) * (b[:, 1] - c[:, 1])
    right = (a[:, 1] - c[:, 1]) * (b[:, 0] - c[:, 0])
    value = left - right
    signs: Signs = np.sign(value).astype(np.int8)
    doubtful = np.flatnonzero(abs(value) <= BOUND_2D * (abs(left) + abs(right)))
    if len(doubtful):
        p, q, r = _whole(np.stack([points[doubtful] for points in (a, b, c)]))
        u, v = (p - r).T, (q - r).T
        signs[doubtful] = _signs(u[0] * v[1] - u[1] * v[0])
    return signs


def _exact3d(a: Floats, b: Floats, c: Floats, d: Floats) -> Signs:
    if len(a) == 0:
        return np.zeros(0, dtype=np.int8)
    p, q, r, s = _whole(np.stack([a, b, c, d]))
    u, v, w = (p - s).T, (q - s).T, (r - s).T
    value = u[2] * (v[0] * w[1] - w[0] * v[1]) + v[2] * (w[0] * u[1] - u[0] * w[1])
    return _signs(value + w[2] * (u[0] * v[1] - v[0] * u[1]))


def _whole(points: Floats) -> NDArray[np.object_]:
    """The same points times a power of two that makes all of them whole, as integers without a size."""
    fraction, exponent = np.frexp(points)
    mantissa = np.ldexp(fraction, 53).astype(np.int64).astype(object)
    lowest = int(exponent[points != 0.0].min(initial=2000))
    shift = np.where(points != 0.0, exponent - lowest, 0).astype(object)
    return np.asarray(mantissa * 2**shift, dtype=object)


def _signs(values: NDArray[np.object_]) -> Signs:
    signs: Signs = np.asarray(values > 0, dtype=bool).astype(np.int8)
    signs[np.asarray(values < 0, dtype=bool)] = -1
    return signs
