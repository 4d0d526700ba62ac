"""The texels of an atlas that lie on a surface: where in space each is, and the picture made of their colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Mesh
from orfeas.geometry.raycast import Scene
from orfeas.geometry.texturing.charts import Unwrapped, flattened

Floats32 = NDArray[np.float32]
BAND = 1 << 20
"""Texels looked at together, which bounds the memory at any size."""


@dataclass(frozen=True, slots=True, eq=False)
class Texels:
    """Texels with their places on a surface.

    Attributes
    ----------
    place : (n,) int
        In the picture, row by row.
    face : (n,) int
        The face that each lies on.
    weights : (n, 3) float32
        Barycentric.
    """

    place: NDArray[np.intp]
    face: NDArray[np.intp]
    weights: Floats32

    def points(self, mesh: Mesh) -> NDArray[np.float64]:
        """Positions, (n, 3)."""
        return np.asarray(np.einsum("nc,nci->ni", self.weights, mesh.vertices[mesh.faces[self.face]]), dtype=np.float64)

    def of_corners(self, values: NDArray[np.floating]) -> Floats32:
        """Values of the face corners, (m, 3, k), at the texels, (n, k)."""
        return np.asarray(np.einsum("nc,nck->nk", self.weights, values[self.face]), dtype=np.float32)


def texels(unwrapped: Unwrapped) -> Iterator[Texels]:
    """All texels whose centres lie in a chart, some rows at a time: found by rays on the charts."""
    width, height = unwrapped.width, unwrapped.height
    assert unwrapped.mesh.corner_uv is not None
    flat = flattened(unwrapped.mesh.corner_uv)
    scene = Scene(flat, np.arange(len(flat)).reshape(-1, 3))
    rows = max(1, BAND // width)
    for start in range(0, height, rows):
        found = _band(scene, width, height, start, min(height, start + rows))
        if len(found.place):
            yield found


def bled(picture: NDArray[np.uint8], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture with every other texel in the colour of the nearest covered one, so that no filter meets a seam."""
    if covered.all() or not covered.any():
        return picture
    _, label = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(int(label.max()) + 1, dtype=np.intp)
    nearest[label[covered]] = np.flatnonzero(covered)
    return np.asarray(picture.reshape(-1, 3)[nearest[label]])


def _band(scene: Scene, width: int, height: int, start: int, end: int) -> Texels:
    column, row = np.meshgrid(np.arange(width), np.arange(start, end))
    x, y = (column.ravel() + 0.5) / width, 1.0 - (row.ravel() + 0.5) / height
    origins = np.stack([x, y, np.ones_like(x)], axis=1).astype(np.float32)
    down = np.tile(np.array([0.0, 0.0, -1.0], dtype=np.float32), (len(x), 1))
    hits = scene.first(origins, down)
    met = np.flatnonzero(hits.face >= 0)
    u, v = hits.u[met], hits.v[met]
    weights = np.stack([1.0 - u - v, u, v], axis=1).astype(np.float32)
    return Texels(met + start * width, hits.face[met].astype(np.intp), weights)
