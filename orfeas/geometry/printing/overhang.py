"""Faces that a printer cannot build without something below them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import face_cross

Floats = NDArray[np.float64]
# A face whose slope equals the angle to rounding is not steeper than it: files hold single precision.
TOLERANCE = 1e-6
# A face counts as lying on the bed when it faces down within this many degrees of straight down.
BED_DEG = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """Faces as seen from below.

    Attributes
    ----------
    overhanging : (m,) bool
        Steeper than the angle and not on the bed.
    on_bed : (m,) bool
        Facing down with all corners within the first layer.
    areas : (m,) float
        In square millimetres.
    """

    overhanging: NDArray[np.bool_]
    on_bed: NDArray[np.bool_]
    areas: Floats


def slopes(vertices: Vertices, faces: Faces, *, angle_deg: float, layer_mm: float) -> Slopes:
    """Overhanging faces of a mesh that stands with its lowest point on the bed.

    Parameters
    ----------
    vertices, faces : (n, 3) float, (m, 3) int
        Millimetres, z up.
    angle_deg : float
        From the vertical: 0 is a wall, 90 a ceiling. Faces leaning out further than this overhang.
    layer_mm : float
        Faces within the first layer lie on the bed.
    """
    cross = face_cross(vertices, faces)
    areas = np.linalg.norm(cross, axis=1) / 2.0
    down = -cross[:, 2] / np.where(areas > 0.0, 2.0 * areas, 1.0)
    top = vertices[:, 2][faces].max(axis=1)
    lowest = float(vertices[:, 2][faces].min())
    on_bed = (down > np.cos(np.radians(BED_DEG))) & (top <= lowest + layer_mm)
    overhanging = (down > np.sin(np.radians(angle_deg)) + TOLERANCE) & ~on_bed
    return Slopes(overhanging, on_bed, areas)
