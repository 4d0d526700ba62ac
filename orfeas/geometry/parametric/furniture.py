"""Furniture: what stands on legs, and the lamp."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from orfeas.geometry.parametric.kit import Kit, curve, move, union
from orfeas.geometry.parametric.piece import Body, Paint, body, extra, main

WOOD = Paint("#a8713d", "wood")
BRASS = Paint("", "metal", "bronze")
CREAM = Paint("#f3e3bd", "ceramic")


def _leg(kit: Kit, top: tuple[float, float], foot: tuple[float, float], height: float, thick: float) -> Manifold:
    """A tapered leg from (x, z) of its foot on the ground to (x, z) of its top, cut level with the ground."""
    low, high = np.array([foot[0], 0.0, foot[1]]), np.array([top[0], height, top[1]])
    path = np.array([low - 0.1 * (high - low), low, high])
    bar = kit.rod(path, np.array([0.6, 0.64, 1.0]) * thick)
    return bar.trim_by_plane((0.0, 1.0, 0.0), 0.0)


def _legs(kit: Kit, x: float, z: float, height: float, thick: float, splay: float = 1.08) -> list[Manifold]:
    return [_leg(kit, (a * x, b * z), (a * x * splay, b * z * splay), height, thick) for a in (-1, 1) for b in (-1, 1)]


def table(kit: Kit) -> Body:
    """A top with an apron on four tapered legs."""
    top = move(kit.box(1.0, 0.055, 0.62, edge=0.012), y=0.565)
    rails = [move(kit.box(0.78, 0.07, 0.03, edge=0.004), y=0.5, z=z) for z in (-0.23, 0.23)]
    rails += [move(kit.box(0.03, 0.07, 0.46, edge=0.004), x=x, y=0.5) for x in (-0.39, 0.39)]
    legs = _legs(kit, 0.39, 0.23, 0.59, 0.042)
    return body(main("table", union([top, *rails, *legs]), WOOD), rest=(0.5, 1.0, 0.5))


def chair(kit: Kit) -> Body:
    """A seat on four legs, the back leaning, with three slats."""
    seat = move(kit.box(0.46, 0.05, 0.44, edge=0.014), y=0.43)
    front = [_leg(kit, (x, 0.17), (x * 1.1, 0.19), 0.45, 0.03) for x in (-0.18, 0.18)]
    rear = [_leg(kit, (x, -0.17), (x * 1.1, -0.2), 0.45, 0.03) for x in (-0.18, 0.18)]
    posts = [kit.rod(np.array([[x, 0.42, -0.18], [x * 1.02, 0.7, -0.205], [x * 1.04, 0.98, -0.25]]),
                     np.array([0.027, 0.024, 0.02])) for x in (-0.18, 0.18)]  # fmt: skip
    slats = [move(kit.box(0.38, 0.075, 0.026, edge=0.02).rotate((-8.0, 0.0, 0.0)), y=y, z=z)
             for y, z in ((0.56, -0.186), (0.71, -0.2), (0.86, -0.222))]  # fmt: skip
    rails = [move(kit.box(0.36, 0.025, 0.022, edge=0.004), y=0.2, z=z) for z in (-0.187, 0.182)]
    return body(main("chair", union([seat, *front, *rear, *posts, *slats, *rails]), WOOD), rest=(0.5, 0.53, 0.58))


def stool(kit: Kit) -> Body:
    """A round, slightly dished seat on three legs with a ring."""
    seat = kit.lathe([(0, 0.64), (0.27, 0.64), (0.29, 0.67), (0.29, 0.7), (0.26, 0.71), (0, 0.695)], edge=0.02)
    feet = [(np.cos(a), np.sin(a)) for a in np.radians([90.0, 210.0, 330.0])]
    legs = [_leg(kit, (0.16 * x, 0.16 * z), (0.29 * x, 0.29 * z), 0.66, 0.034) for x, z in feet]
    angle = np.arange(kit.points(1.0, 12)) / kit.points(1.0, 12) * 2.0 * np.pi
    ring = np.column_stack([0.243 * np.cos(angle), np.full(len(angle), 0.24), 0.243 * np.sin(angle)])
    return body(main("stool", union([seat, *legs, kit.rod(ring, 0.016, closed=True)]), WOOD), rest=(0.5, 1.0, 0.5))


def shelf(kit: Kit) -> Body:
    """A bookcase of three bays with a back and feet."""
    sides = [move(kit.box(0.035, 1.0, 0.3, edge=0.006), x=x) for x in (-0.3325, 0.3325)]
    boards = [move(kit.box(0.665, 0.03, 0.285, edge=0.004), y=y, z=0.0) for y in (0.05, 0.36, 0.67, 0.965)]
    back = move(kit.box(0.66, 0.93, 0.015, edge=0.0), y=0.06, z=-0.14)
    return body(main("shelf", union([*sides, *boards, back]), WOOD), rest=(0.5, 0.42, 0.5))


def lamp(kit: Kit) -> Body:
    """A table lamp: foot, stem, an open shade and its bulb."""
    base = kit.lathe([(0, 0), (0.2, 0), (0.2, 0.025), *curve([(0.17, 0.045), (0.05, 0.075), (0.026, 0.16)], 14),
                      *curve([(0.026, 0.3), (0.075, 0.38), (0.05, 0.45), (0.022, 0.5)], 18), (0.022, 0.62),
                      (0, 0.62)], edge=0.006)  # fmt: skip
    shade = kit.lathe([(0.31, 0.5), (0.325, 0.5), (0.19, 0.93), (0.175, 0.93)], edge=0.004)
    spokes = [kit.rod(np.array([[-x, 0.6 + 0.0 * x, -z], [x, 0.6, z]]), 0.009, sides=8)
              for x, z in ((0.284, 0.0), (0.0, 0.284))]  # fmt: skip
    bulb = kit.ball(0.075).translate((0.0, 0.68, 0.0))
    return body(
        main("shade", shade, CREAM), extra("base", union([base, *spokes]), BRASS),
        extra("bulb", bulb, Paint("#fff2c4", "ceramic")),
    )  # fmt: skip
