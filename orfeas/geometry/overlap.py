"""How far a model, seen from the front, has the outline of the subject it was made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Mesh
from orfeas.geometry.raycast import Scene

SIDE = 384
"""Pixels of the box that both outlines are brought to."""
MARGIN = 2

Mask = NDArray[np.bool_]


def silhouette_overlap(alpha: NDArray[np.float32], mesh: Mesh) -> float | None:
    """Intersection over union of a subject's outline and a model's from the front.

    Both are scaled, with their proportions kept, until their longest side fills the same square, and centred: where
    and how large a subject stands in its picture is no property of its shape. The model is seen along -z without
    perspective, rendered with one ray for each pixel.

    Parameters
    ----------
    alpha : (h, w) float32
        Coverage of the subject, 0 to 1.
    mesh : Mesh
        y up, front towards +z; any unit.

    Returns
    -------
    float or None
        0 to 1; None where the subject or the model is empty.

    Raises
    ------
    CapabilityMissingError
        Embree is not available on this machine.
    """
    wanted, seen = _framed(alpha), _from_front(mesh)
    if wanted is None or seen is None:
        return None
    return float((wanted & seen).sum() / (wanted | seen).sum())


def _framed(alpha: NDArray[np.float32]) -> Mask | None:
    """The subject's outline in the square."""
    mask = alpha > 0.5
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cropped = np.ascontiguousarray(alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = SIDE / max(cropped.shape)
    size = max(1, round(cropped.shape[1] * scale)), max(1, round(cropped.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(cropped, size, interpolation=interpolation)).reshape(size[1], size[0]) > 0.5
    framed = np.zeros((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), np.bool_)
    top, left = (framed.shape[0] - size[1]) // 2, (framed.shape[1] - size[0]) // 2
    framed[top : top + size[1], left : left + size[0]] = resized
    return framed


def _from_front(mesh: Mesh) -> Mask | None:
    """The model's outline in the square."""
    if len(mesh.faces) == 0:
        return None
    used = mesh.vertices[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    longest = float(max(high[0] - low[0], high[1] - low[1]))
    if longest <= 0.0:
        return None
    radius = max(longest, float(high[2] - low[2]))
    vertices = ((mesh.vertices - (low + high) / 2.0) / radius).astype(np.float32)
    side = SIDE + 2 * MARGIN
    steps = (np.arange(side) + 0.5 - side / 2.0) * (longest / radius / SIDE)
    x, y = np.meshgrid(steps, -steps)
    origins = np.stack([x.ravel(), y.ravel(), np.full(x.size, 2.0)], axis=1).astype(np.float32)
    directions = np.tile(np.array([0.0, 0.0, -1.0], np.float32), (len(origins), 1))
    hits = Scene(vertices, mesh.faces).first(origins, directions)
    found = np.asarray(hits.face >= 0).reshape(side, side)
    return found if found.any() else None
