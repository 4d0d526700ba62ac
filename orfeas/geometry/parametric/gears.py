"""Spur gears with involute flanks."""

from __future__ import annotations

import numpy as np

from orfeas.geometry.parametric.kit import Floats, Kit, upright
from orfeas.geometry.parametric.piece import Body, Paint, single

TEETH = 16
PRESSURE_RAD = np.radians(20.0)
STEEL = Paint("#8d9299", "metal", "steel")


def gear(kit: Kit, teeth: int = TEETH) -> Body:
    """A flat gear with a bore, a hub and a sunk web, of outer diameter one."""
    wheel = upright(kit.plate(outline(teeth), 0.16, edge=min(0.012, 0.1 / teeth))).translate((0.0, 0.08, 0.0))
    root = 0.5 * (teeth - 2.5) / (teeth + 2.0)
    if root > 0.28:
        ring = kit.lathe([(0.21, 0.12), (root - 0.05, 0.12), (root - 0.05, 0.3), (0.21, 0.3)], edge=0.0)
        wheel = wheel - ring - ring.mirror((0.0, 1.0, 0.0)).translate((0.0, 0.16, 0.0))
    hub = kit.cylinder(min(0.2, root * 0.75), 0.24, edge=0.03).translate((0.0, -0.0, 0.0))
    bore = kit.cylinder(min(0.1, root * 0.4), 2.0, edge=0.0).translate((0.0, -1.0, 0.0))
    return single(wheel + hub - bore, STEEL)


def outline(teeth: int) -> Floats:
    """Counter-clockwise (n, 2) outline of outer diameter one.

    References
    ----------
    ISO 53:1998, basic rack: pressure angle 20 degrees, addendum 1 and dedendum 1.25 modules.
    """
    module = 1.0 / (teeth + 2.0)
    pitch, outer = teeth * module / 2.0, 0.5
    base, root = pitch * np.cos(PRESSURE_RAD), pitch - 1.25 * module
    radii = np.linspace(max(base, root), outer, 6 if teeth > 30 else 8)
    half = np.pi / (2.0 * teeth) + _involute(base / pitch) - np.array([_involute(base / r) for r in radii])
    half = np.maximum(half, 0.12 * np.pi / teeth)
    flank = np.concatenate([[(root, half[0] + 0.1 * np.pi / teeth)], np.column_stack([radii, half])])
    if flank[0, 0] >= flank[1, 0] - 1e-4:
        flank = flank[1:]
    tooth = np.concatenate([flank * (1.0, -1.0), flank[::-1]])
    turns = np.arange(teeth) / teeth * 2.0 * np.pi
    radius = np.tile(tooth[:, 0], teeth)
    angle = (turns[:, None] + tooth[None, :, 1]).ravel()
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _involute(cosine: float) -> float:
    """tan(a) - a of the pressure angle with this cosine."""
    angle = float(np.arccos(min(1.0, cosine)))
    return float(np.tan(angle)) - angle
