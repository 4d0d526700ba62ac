"""Vessels: turned walls with a rounded lip."""

from __future__ import annotations

import numpy as np

from orfeas.geometry.parametric.kit import Floats, Kit, Point, arc, curve, spline
from orfeas.geometry.parametric.piece import Body, Paint, body, extra, main, single

PORCELAIN = Paint("#f3efe6", "ceramic")
CLAY = Paint("#b96f4a", "ceramic")
GREEN_GLASS = Paint("#4f9d78", "glass")
CORK = Paint("#c49a6c", "wood")


def _walled(outside: list[Point], wall: float, floor: float) -> list[Point]:
    """Outline of a vessel from its outer curve, foot to lip: parallel inside, round lip, flat floor."""
    curve_points = np.asarray(outside, dtype=np.float64)
    inside = _offset(curve_points, wall)
    kept = inside[(inside[:, 1] > floor) & (inside[:, 0] > 1e-3)]
    lip = arc(wall / 2.0, 0.0, 180.0, 8, (float((curve_points[-1, 0] + kept[-1, 0]) / 2.0), float(curve_points[-1, 1])))
    inner = [(float(r), float(y)) for r, y in kept[:-1][::-1]]
    return [(0.0, 0.0), *outside[:-1], *lip, *inner, (inner[-1][0] * 0.85, floor), (0.0, floor)]


def _offset(points: Floats, wall: float) -> Floats:
    """The curve moved toward the axis by a wall."""
    along = np.gradient(points, axis=0)
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    return np.asarray(points + wall * np.column_stack([-along[:, 1], along[:, 0]]))


def mug(kit: Kit) -> Body:
    """A mug with an ear that joins its wall."""
    outside = curve([(0.3, 0.0), (0.345, 0.03), (0.37, 0.1), (0.38, 0.45), (0.38, 0.86)], kit.points(0.5, 10))
    cup = kit.lathe(_walled(outside, 0.035, 0.085), edge=0.0)
    knots = np.array(
        [[0.352, 0.2], [0.43, 0.185], [0.6, 0.28], [0.63, 0.48], [0.58, 0.67], [0.43, 0.74], [0.357, 0.73]]
    )
    path = spline(knots, kit.points(0.5, 12))
    ear = kit.rod(np.column_stack([path, np.zeros(len(path))]), 0.042)
    inside = kit.cylinder(0.347, 1.0, edge=0.0).translate((0.0, 0.06, 0.0))
    return single(cup + (ear - inside), PORCELAIN)


def bowl(kit: Kit) -> Body:
    """A round bowl on a foot."""
    outside = [(0.22, 0.0), (0.22, 0.03),
               *curve([(0.2, 0.05), (0.34, 0.12), (0.45, 0.25), (0.5, 0.42)], kit.points(0.6, 10))]  # fmt: skip
    return single(kit.lathe(_walled(outside, 0.03, 0.07), edge=0.0), Paint("#dfe6e6", "ceramic"))


def vase(kit: Kit) -> Body:
    """A belly, a neck and a flared lip."""
    outside = curve([(0.17, 0.0), (0.26, 0.16), (0.31, 0.38), (0.24, 0.62), (0.13, 0.8), (0.14, 0.9), (0.21, 1.0)],
                    kit.points(0.8, 14))  # fmt: skip
    return single(kit.lathe(_walled(outside, 0.028, 0.05), edge=0.0), CLAY)


def bottle(kit: Kit) -> Body:
    """A bottle with a neck, a lip and a cork."""
    shoulder = curve([(0.15, 0.5), (0.142, 0.58), (0.06, 0.7), (0.05, 0.78)], kit.points(0.35, 10))
    outside = [(0.13, 0.0), (0.15, 0.02), (0.15, 0.25), *shoulder, (0.05, 0.88), (0.062, 0.89), (0.062, 0.94)]
    inside = [(0.03, 0.94), (0.032, 0.79), *[(r - 0.018, y - 0.008) for r, y in shoulder[::-1]], (0.132, 0.06)]
    glass = kit.lathe([(0, 0.03), (0.1, 0.012), (0.12, 0.0), *outside, *inside, (0.11, 0.045), (0, 0.06)], edge=0.004)
    cork = kit.lathe([(0, 0.88), (0.031, 0.88), (0.038, 1.0), (0, 1.0)], edge=0.008)
    return body(main("bottle", glass, GREEN_GLASS), extra("cork", cork, CORK))
