"""How good a mesh is, and how well it prints, as figures of 0 to 100."""

from __future__ import annotations

from dataclasses import dataclass

OPEN, NON_MANIFOLD = 30.0, 20.0
MOST_DEGENERATE, MOST_CROSSING = 20.0, 30.0
TOO_LARGE, THIN = 20.0, 10.0
THIN_SHARE = 0.01
"""Of the area, above which thin walls count."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Of the mesh by itself, and of printing it."""

    quality: float
    printability: float


def scores(
    *,
    is_watertight: bool,
    is_manifold: bool,
    degenerate_share: float,
    intersecting_share: float,
    fits: bool = True,
    thin_share: float | None = None,
) -> Scores:
    """Points left of 100 after what is wrong with a mesh.

    Parameters
    ----------
    degenerate_share, intersecting_share : float
        Of the faces, 0 to 1.
    fits : bool
        Within the printer's usable volume.
    thin_share : float or None
        Of the area, 0 to 1; None where it is not known.
    """
    lost = OPEN * (not is_watertight) + NON_MANIFOLD * (not is_manifold)
    lost += min(MOST_DEGENERATE, degenerate_share * 100.0) + min(MOST_CROSSING, intersecting_share * 100.0)
    quality = max(0.0, 100.0 - lost)
    printed = quality - TOO_LARGE * (not fits) - THIN * (thin_share is not None and thin_share > THIN_SHARE)
    return Scores(round(quality, 3), round(max(0.0, printed), 3))
