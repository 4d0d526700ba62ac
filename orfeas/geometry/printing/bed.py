"""The place and the size of a mesh in a printer's build volume."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Printer
from orfeas.errors import DoesNotFitError, EmptyMeshError
from orfeas.geometry.mesh import Mesh


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A mesh in its printing size.

    Attributes
    ----------
    mesh : Mesh
        The same mesh, scaled about the origin.
    factor : float
        1 where the size was kept.
    size_mm : (3,) float
        Extents along x, y, z.
    """

    mesh: Mesh
    factor: float
    size_mm: tuple[float, float, float]


def place_on_bed(mesh: Mesh) -> Mesh:
    """The mesh, z up, with its lowest point at z = 0 and the middle of its box over the origin."""
    low, high = _box(mesh)
    return mesh.moved(mesh.vertices - np.array([(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0, low[2]]))


def fit_to_printer(
    mesh: Mesh, printer: Printer, *, target_size_mm: float | None = None, turnable: bool = True
) -> Fitted:
    """The mesh in a size that the printer can build.

    Parameters
    ----------
    mesh : Mesh
        Millimetres, z up.
    printer : Printer
        Its volume, less the margin of `usable_share`, bounds the size.
    target_size_mm : float or None
        Length of the longest side. None keeps the size, or scales down to the usable volume where it is too large.
    turnable : bool
        Whether the mesh may still be turned by quarter turns (as `orient` does), so that any side may be upright.

    Raises
    ------
    DoesNotFitError
        An explicit size is larger than the printer; `largest_mm` is the longest side that fits.
    EmptyMeshError
        The mesh has no faces or no extent.
    """
    low, high = _box(mesh)
    extents = high - low
    longest = float(extents.max())
    if longest <= 0.0:
        raise EmptyMeshError("A mesh without extent cannot be brought to a size.")
    room = _room(extents, printer, turnable)
    if target_size_mm is None:
        factor = min(1.0, room)
    elif target_size_mm / longest > room * (1.0 + 1e-9):
        limit = longest * room
        raise DoesNotFitError(
            f"A longest side of {target_size_mm:g} mm is too large for the printer; this shape fits up to {limit:.1f} "
            "mm. Ask for less, or leave the size out to have it scaled down.",
            largest_mm=round(limit, 3),
        )
    else:
        factor = target_size_mm / longest
    x, y, z = (extents * factor).tolist()
    return Fitted(mesh if factor == 1.0 else mesh.moved(mesh.vertices * factor), factor, (x, y, z))


def _room(extents: NDArray[np.float64], printer: Printer, turnable: bool) -> float:
    """The largest factor at which a box of these extents fits."""
    usable = np.array(printer.volume_mm) * printer.usable_share
    turns = permutations(range(3)) if turnable else iter([(0, 1, 2)])
    sides = np.maximum(extents, 1e-12)
    return max(float((usable / sides[list(turn)]).min()) for turn in turns)


def _box(mesh: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the box of the vertices that faces use."""
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be printed.")
    used = mesh.vertices[np.unique(mesh.faces)]
    return used.min(axis=0), used.max(axis=0)
