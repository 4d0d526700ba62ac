"""Face, vertex and corner normals."""

from __future__ import annotations

from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Faces, Vertices

Floats = NDArray[np.float64]
AnyFloats = TypeVar("AnyFloats", NDArray[np.float32], NDArray[np.float64])


def dot(a: AnyFloats, b: AnyFloats) -> AnyFloats:
    """Scalar products of the last axis; much faster than a sum over it."""
    return cast(AnyFloats, np.einsum("...i,...i->...", a, b))


def unit(vectors: AnyFloats) -> AnyFloats:
    """Vectors of length one; zero stays zero."""
    length = np.sqrt(dot(vectors, vectors))
    divisor = np.where(length > 0.0, length, 1.0).astype(vectors.dtype)[..., None]
    return cast("AnyFloats", np.divide(vectors, divisor, dtype=vectors.dtype))


def face_normals(vertices: Vertices, faces: Faces) -> Floats:
    """Unit normal of every face, (m, 3); zero for a face without area."""
    return unit(face_cross(vertices, faces))


def face_cross(vertices: Vertices, faces: Faces) -> Floats:
    """Normal of every face with twice its area as length, (m, 3)."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.asarray(np.cross(b - a, c - a))


def corner_angles(vertices: Vertices, faces: Faces) -> Floats:
    """Inner angle of every face corner in radians, (m, 3)."""
    corners = vertices[faces]
    forward = unit(np.roll(corners, -1, axis=1) - corners)
    backward = -np.roll(forward, 1, axis=1)
    return np.asarray(np.arccos(np.clip(np.einsum("fci,fci->fc", forward, backward), -1.0, 1.0)))


def corner_normals(vertices: Vertices, faces: Faces, *, crease_deg: float = 42.0) -> Floats:
    """Normals for smooth shading that keep edges sharper than a crease.

    Parameters
    ----------
    vertices : (n, 3) float
        Positions.
    faces : (m, 3) int
        Vertex indices, counter-clockwise seen from outside.
    crease_deg : float
        Faces at a vertex are averaged with those whose normals differ by less than this angle.

    Returns
    -------
    (m, 3, 3) float
        A unit normal for each corner of each face.

    References
    ----------
    G. Thürmer, C. A. Wüthrich, "Computing vertex normals from polygonal facets",
    Journal of Graphics Tools 3(1), 1998: weights by the angle at the vertex.
    """
    normals = face_normals(vertices, faces)
    weighted = normals[:, None, :] * corner_angles(vertices, faces)[:, :, None]
    flat = faces.ravel()
    smooth = unit(_sums(flat, weighted.reshape(-1, 3), len(vertices)))
    result = smooth[faces]
    bend = np.einsum("fci,fi->fc", result, normals)
    # Two faces within half a crease of their mean are within a crease of each other: only the rest needs pairs.
    sharp = np.zeros(len(vertices), dtype=bool)
    sharp[faces[bend < np.cos(np.radians(crease_deg / 2.0))]] = True
    corners = np.flatnonzero(sharp[flat])
    if len(corners):
        grouped = _creased(flat, corners, normals, weighted.reshape(-1, 3), np.cos(np.radians(crease_deg)))
        result.reshape(-1, 3)[corners] = grouped
    return result


def _creased(flat: Faces, corners: NDArray[np.intp], normals: Floats, weighted: Floats, limit: float) -> Floats:
    """Normal of each of these corners: the mean over the faces at its vertex that bend by less than the limit."""
    order = corners[np.argsort(flat[corners], kind="stable")]
    _, start, count = np.unique(flat[order], return_index=True, return_counts=True)
    sizes = np.repeat(count, count)
    first = np.repeat(np.arange(len(order)), sizes)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    second = np.repeat(np.repeat(start, count), sizes) + offset
    mine, other = order[first], order[second]
    near = dot(normals[mine // 3], normals[other // 3]) > limit
    near |= mine == other
    total = _sums(first[near], weighted[other[near]], len(order))
    result = np.empty((len(order), 3))
    result[np.searchsorted(corners, order)] = unit(total)
    return result


def _sums(index: NDArray[np.int64] | NDArray[np.intp], values: Floats, size: int) -> Floats:
    """Sum of the (k, 3) values by index, (size, 3)."""
    return np.stack([np.bincount(index, weights=values[:, axis], minlength=size) for axis in range(3)], axis=1)


def tangents(corners: AnyFloats, uv: AnyFloats, normal: AnyFloats) -> tuple[AnyFloats, AnyFloats]:
    """Directions along and up the picture at points of faces, the longer of length one, as three.js has them.

    Parameters
    ----------
    corners, uv : (n, 3, 3), (n, 3, 2) float
        Of the face of each point.
    normal : (n, 3) float
        At the points.

    References
    ----------
    M. Mikkelsen, "Bump mapping unparametrized surfaces on the GPU", Journal of Graphics Tools 15(1), 2010.
    """
    a, b, c = corners.transpose(1, 0, 2)
    one, other = np.cross(c - a, normal), np.cross(normal, b - a)
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    along, up = (one * first[:, axis, None] + other * second[:, axis, None] for axis in (0, 1))
    longest = np.maximum(np.sqrt(np.maximum(dot(along, along), dot(up, up))), 1e-20)[:, None]
    return along / longest, up / longest
