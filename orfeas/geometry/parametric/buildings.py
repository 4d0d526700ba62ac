"""Buildings: house, tower, stairs, arch and bridge."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from orfeas.geometry.parametric.kit import Kit, arc, move, union
from orfeas.geometry.parametric.piece import Body, Paint, body, extra, main, single

PLASTER = Paint("#efe4cf", "ceramic")
TILES = Paint("#b5452f", "ceramic")
STONE = Paint("#9a958c", "ceramic", "stone")
DOOR = Paint("#6b4226", "wood")
GLASS = Paint("#a9d3e6", "plastic")
BRICK = Paint("#a5604a", "ceramic")


def _rounded_door(kit: Kit, width: float, height: float, depth: float) -> Manifold:
    """An opening with a round top, its foot at the origin."""
    top = arc(width / 2.0, 0.0, 180.0, kit.points(0.25, 8), (0.0, height - width / 2.0))
    return kit.plate([(-width / 2.0, 0.0), (width / 2.0, 0.0), *top], depth, edge=0.0)


def house(kit: Kit) -> Body:
    """Walls with a gable, an overhanging roof, a chimney, a door and windows with sills."""
    gable = [(-0.36, 0.0), (0.36, 0.0), (0.36, 0.42), (0.0, 0.72), (-0.36, 0.42)]
    walls = kit.plate(gable, 0.56, edge=0.006)
    slope = np.array([0.36, -0.3]) / np.hypot(0.36, 0.3)
    out = np.array([0.3, 0.36]) / np.hypot(0.36, 0.3)
    eave, ridge = np.array([0.36, 0.42]) + 0.09 * slope, np.array([0.0, 0.72])
    half = [eave, eave + 0.045 * out, ridge + np.array([0.0, 0.045 / out[1]])]
    left = [(-x, y) for x, y in half[:2]][::-1]
    outline = [tuple(eave), tuple(half[1]), tuple(half[2]), *left, tuple(ridge - np.array([0.0, 0.004]))]
    roof = kit.plate([(float(x), float(y)) for x, y in outline], 0.68, edge=0.008)
    chimney = move(kit.box(0.09, 0.26, 0.09, edge=0.006), x=0.2, y=0.54, z=-0.12)
    cap = move(kit.box(0.115, 0.03, 0.115, edge=0.006), x=0.2, y=0.79, z=-0.12)
    door = move(kit.box(0.15, 0.26, 0.03, edge=0.008), z=0.278)
    knob = kit.ball(0.014).translate((0.05, 0.13, 0.297))
    panes = [move(kit.box(0.12, 0.12, 0.02, edge=0.004), x=x, y=0.19, z=0.279) for x in (-0.22, 0.22)]
    panes.append(move(kit.box(0.1, 0.1, 0.02, edge=0.004), y=0.46, z=0.279))
    frames = [_frame(kit, x, 0.18, 0.14) for x in (-0.22, 0.22)] + [_frame(kit, 0.0, 0.45, 0.12)]
    return body(
        main("walls", walls, PLASTER), extra("roof", roof, TILES), extra("chimney", chimney + cap, BRICK),
        extra("door", door, DOOR), extra("knob", knob, Paint("", "metal", "gold")),
        extra("panes", union(panes), GLASS), extra("frames", union(frames), Paint("#fbf8f0")),
    )  # fmt: skip


def _frame(kit: Kit, x: float, y: float, side: float) -> Manifold:
    """A window frame with a cross and a sill."""
    outer, bar = kit.box(side, side, 0.034, edge=0.004), 0.014
    inner = move(kit.box(side - 0.03, side - 0.03, 1.0, edge=0.0), y=0.015)
    across = move(kit.box(side, bar, 0.03, edge=0.0), y=side / 2.0 - bar / 2.0) + kit.box(bar, side, 0.03, edge=0.0)
    sill = move(kit.box(side + 0.03, 0.016, 0.06, edge=0.003), y=-0.012, z=0.005)
    return move((outer - inner) + across + sill, x=x, y=y, z=0.279)


def tower(kit: Kit) -> Body:
    """A round castle tower with a plinth, a battlement, a pointed roof, a door and slits."""
    wall = kit.lathe([(0, 0), (0.26, 0), (0.26, 0.04), (0.22, 0.07), (0.2, 0.6), (0.25, 0.66), (0.25, 0.76),
                      (0.205, 0.76), (0.205, 0.7), (0, 0.7)], edge=0.008)  # fmt: skip
    gaps = [move(kit.box(0.07, 0.2, 0.2, edge=0.0), y=0.715, z=0.26).rotate((0.0, a, 0.0))
            for a in np.arange(10) * 36.0]  # fmt: skip
    wall = wall - union(gaps)
    turret = kit.cylinder(0.15, 0.14, edge=0.004).translate((0.0, 0.69, 0.0))
    roof = kit.lathe([(0, 0.8), (0.21, 0.8), (0.205, 0.82), (0.0, 1.12)], edge=0.006)
    door = move(_rounded_door(kit, 0.12, 0.2, 0.09), z=0.21)
    frame = move(_rounded_door(kit, 0.16, 0.225, 0.07), z=0.205)
    slits = [
        move(_rounded_door(kit, 0.035, 0.1, 0.1), y=y, z=0.18).rotate((0.0, a, 0.0))
        for a, y in ((0.0, 0.42), (60.0, 0.3), (-60.0, 0.3), (120.0, 0.42), (-120.0, 0.42), (180.0, 0.3))
    ]
    flag = kit.plate([(0.0, 0.0), (0.14, 0.035), (0.0, 0.07)], 0.012, edge=0.0).translate((0.004, 1.15, 0.0))
    pole = kit.cylinder(0.008, 0.16, edge=0.0, sides=12).translate((0.0, 1.08, 0.0))
    return body(
        main("walls", wall + turret + frame - union(slits), STONE), extra("roof", roof, Paint("#3d5a80", "ceramic")),
        extra("door", door, DOOR), extra("flag", flag + pole, Paint("#c8372d")),
    )  # fmt: skip


def stairs(kit: Kit) -> Body:
    """Six steps with nosings, solid below."""
    count, run, rise = 6, 1.0 / 6, 0.11
    points = [(0.5, 0.0)]
    for step in range(count - 1, -1, -1):
        right, top = -0.5 + (step + 1) * run, (step + 1) * rise
        points += [(right, top), (right - run - 0.018, top), (right - run - 0.018, top - 0.03),
                   (right - run, top - 0.03)]  # fmt: skip
    points += [(-0.5, 0.0)]
    outline = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    return single(kit.plate(outline, 0.5, edge=0.005), Paint("#c9b79a", "ceramic"))


def arch(kit: Kit) -> Body:
    """A round arch of wedge stones on two pillars."""
    pillars = [move(kit.box(0.2, 0.46, 0.24, edge=0.01), x=x) for x in (-0.37, 0.37)]
    feet = [move(kit.box(0.25, 0.06, 0.29, edge=0.01), x=x) for x in (-0.37, 0.37)]
    imposts = [move(kit.box(0.24, 0.045, 0.28, edge=0.01), x=x, y=0.45) for x in (-0.37, 0.37)]
    count = 11
    stones = []
    for i in range(count):
        start, end = 180.0 / count * i + 0.5, 180.0 / count * (i + 1) - 0.5
        depth, outer = (0.27, 0.51) if i == count // 2 else (0.24, 0.47)
        ring = [*arc(outer, start, end, 5, (0.0, 0.48)), *arc(0.27, end, start, 5, (0.0, 0.48))]
        stones.append(kit.plate(ring, depth, edge=0.02))
    band = [*arc(0.46, 0.0, 180.0, kit.points(0.5), (0.0, 0.48)), *arc(0.28, 180.0, 0.0, kit.points(0.5), (0.0, 0.48))]
    core = kit.plate(band, 0.22, edge=0.0)
    return single(union([*pillars, *feet, *imposts, *stones, core]), STONE)


def bridge(kit: Kit) -> Body:
    """A stone bridge of one arch, with a humped road, parapets between posts, and a ring of arch stones."""
    rail = [(x, 0.19 + 0.15 * float(np.cos(x * np.pi))) for x in np.linspace(0.49, -0.49, kit.points(0.5))]
    ends = [(-0.5, 0.0), *arc(0.25, 180.0, 0.0, kit.points(0.5)), (0.5, 0.0)]
    road = kit.plate([*ends, (0.5, rail[0][1]), *rail, (-0.5, rail[-1][1])], 0.3, edge=0.006)
    band = [*[(x, y - 0.05) for x, y in rail[::-1]], *[(x, y + 0.07) for x, y in rail]]
    coping = [*[(x, y + 0.058) for x, y in rail[::-1]], *[(x, y + 0.082) for x, y in rail]]
    walls = [move(kit.plate(band, 0.036, edge=0.0), z=z) for z in (-0.122, 0.122)]
    caps = [move(kit.plate(coping, 0.056, edge=0.004), z=z) for z in (-0.122, 0.122)]
    posts = [move(kit.box(0.07, 0.29, 0.075, edge=0.03), x=x, z=z) for x in (-0.475, 0.475) for z in (-0.125, 0.125)]
    stones = [move(_stones(kit), z=z) for z in (-0.15, 0.15)]
    return single(union([road, *walls, *caps, *posts, *stones]), STONE)


def _stones(kit: Kit, count: int = 11) -> Manifold:
    """A half ring of wedge stones with joints, their faces sunk half into what they stand at."""
    made = []
    for number in range(count):
        start, end = 180.0 / count * number + 0.7, 180.0 / count * (number + 1) - 0.7
        outer = 0.315 if number == count // 2 else 0.295
        ring = [*arc(outer, start, end, 5), *arc(0.2455, end, start, 5)]
        made.append(kit.plate(ring, 0.03, edge=0.012))
    return union(made)
