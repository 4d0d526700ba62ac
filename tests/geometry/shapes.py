"""Subjects drawn for the tests of the embedded engine, and what an independent library measures of a mesh."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import trimesh
from numpy.typing import NDArray

from benchmarks.drawings import DRAWINGS
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.subject import Subject, prepare


@lru_cache
def drawn(name: str) -> Subject:
    """A drawing of the gallery, prepared."""
    return prepare(np.asarray(DRAWINGS[name]()), remove_background="auto")


def rgba(mask: NDArray[np.float64], colour: tuple[int, int, int] = (200, 80, 60)) -> NDArray[np.uint8]:
    """A plain colour with this coverage."""
    return np.dstack([np.broadcast_to(np.array(colour), (*mask.shape, 3)), mask * 255]).astype(np.uint8)


def disc(side: int = 256, radius: float = 100.0) -> NDArray[np.uint8]:
    """A smooth-edged disc."""
    y, x = np.mgrid[0.5:side, 0.5:side] - side / 2
    return rgba(np.clip(radius - np.hypot(x, y) + 0.5, 0, 1))


def solid(mesh: Mesh) -> trimesh.Trimesh:
    """The mesh for trimesh, untouched."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def genus(mesh: Mesh) -> int:
    """Handles of all bodies together."""
    checked = solid(mesh)
    return int(checked.body_count - checked.euler_number // 2)
