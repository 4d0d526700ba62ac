"""Small things: hammer, dumbbell, key, button and coin."""

from __future__ import annotations

import numpy as np

from orfeas.geometry.parametric.kit import Kit, circle, curve, move, union, upright
from orfeas.geometry.parametric.piece import Body, Paint, body, extra, main, single

STEEL = Paint("", "metal", "steel")
GOLD = Paint("", "metal", "gold")
CHROME = Paint("", "metal", "chrome")
HANDLE = Paint("#b07a42", "wood")


def hammer(kit: Kit) -> Body:
    """A claw hammer standing on its handle."""
    grip = kit.lathe([(0, 0), *curve([(0.045, 0.0), (0.052, 0.05), (0.04, 0.25), (0.03, 0.5), (0.036, 0.86)], 24),
                      (0, 0.9)], edge=0.006).scale((1.0, 1.0, 0.75))  # fmt: skip
    eye = move(kit.box(0.1, 0.115, 0.085, edge=0.012), y=0.78)
    poll = kit.lathe([(0, 0), (0.036, 0), (0.036, 0.07), (0.055, 0.085), (0.055, 0.15), (0, 0.15)], edge=0.01)
    face = poll.rotate((0.0, 0.0, -90.0)).translate((0.04, 0.838, 0.0))
    upper = curve([(-0.04, 0.885), (-0.16, 0.87), (-0.26, 0.81), (-0.31, 0.73)], 14)
    lower = curve([(-0.3, 0.725), (-0.24, 0.77), (-0.15, 0.795), (-0.04, 0.79)], 14)
    claw = kit.plate([*upper, *lower], 0.09, edge=0.01)
    slot = kit.slab([(-0.4, -0.028), (-0.17, -0.004), (-0.17, 0.004), (-0.4, 0.028)], 1.0, edge=0.0)
    head = union([eye, face, claw - slot.translate((0.0, 0.4, 0.0))])
    return body(main("head", head, STEEL), extra("handle", grip, HANDLE))


def dumbbell(kit: Kit) -> Body:
    """Hexagonal heads on a knurled grip, lying."""
    grip = curve([(0.042, -0.22), (0.052, -0.1), (0.056, 0.0), (0.052, 0.1), (0.042, 0.22)], 20)
    bar = kit.lathe([(0, -0.3), (0.042, -0.3), *grip, (0.042, 0.3), (0, 0.3)], edge=0.0).rotate((0.0, 0.0, 90.0))
    heads = []
    for side in (-1.0, 1.0):
        head = kit.lathe([(0, 0), (0.13, 0), (0.19, 0.05), (0.19, 0.2), (0.13, 0.25), (0, 0.25)], edge=0.02, segments=6)
        lying = head.rotate((0.0, 30.0, 0.0)).rotate((0.0, 0.0, 90.0))
        heads.append(lying.translate((0.5 if side > 0 else -0.25, 0.0, 0.0)))
    return body(main("heads", union(heads), Paint("#3a3d42", "rubber")), extra("bar", bar, CHROME))


def key(kit: Kit) -> Body:
    """A key lying flat: a bow with an eye, a shaft with a groove, and teeth."""
    bow = kit.slab(circle(0.17, kit.segments, (-0.33, 0.0)), 0.06, edge=0.02)
    eye = kit.slab(circle(0.075, kit.segments, (-0.37, 0.0)), 1.0, edge=0.0).translate((0.0, -0.4, 0.0))
    cuts = [(0.5, 0.0), (0.47, 0.05), (-0.2, 0.05), (-0.2, -0.06), (0.08, -0.06), (0.11, -0.11), (0.15, -0.11),
            (0.18, -0.065), (0.22, -0.065), (0.25, -0.13), (0.29, -0.13), (0.32, -0.08), (0.35, -0.08), (0.38, -0.115),
            (0.41, -0.115), (0.47, -0.05)]  # fmt: skip
    blade = kit.slab(cuts[::-1], 0.05, edge=0.006)
    collar = move(kit.box(0.035, 0.075, 0.17, edge=0.1), x=-0.17, y=-0.0075)
    groove = move(kit.box(0.52, 0.03, 0.022, edge=0.0), x=0.17, y=0.038, z=-0.012)
    return single(union([bow, blade, collar]) - eye - groove, GOLD)


def button(kit: Kit) -> Body:
    """A button with a raised rim and four holes, lying."""
    disc = kit.lathe([(0, 0), (0.42, 0), (0.5, 0.06), (0.5, 0.12), (0.46, 0.15), (0.38, 0.15), (0.33, 0.1), (0, 0.1)],
                     edge=0.02)  # fmt: skip
    holes = [kit.cylinder(0.06, 1.0, edge=0.0).translate((x, -0.5, z)) for x in (-0.11, 0.11) for z in (-0.11, 0.11)]
    return single(disc - union(holes), Paint("#3f6fb5", "plastic"))


def coin(kit: Kit) -> Body:
    """A coin with a milled edge, a rim and a star on both faces, lying."""
    count = max(40, kit.segments)
    angle = np.arange(2 * count) / (2 * count) * 2.0 * np.pi
    radius = np.where(np.arange(2 * count) % 2 == 0, 0.5, 0.49)
    disc = kit.slab(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), 0.1, edge=0.008)
    well = kit.cylinder(0.43, 0.04, edge=0.0)
    rays = np.where(np.arange(10) % 2 == 0, 0.32, 0.135)
    turn = np.radians(90.0) + np.arange(10) * np.pi / 5.0
    star = upright(kit.plate(np.column_stack([rays * np.cos(turn), rays * np.sin(turn)]), 0.098, edge=0.0))
    blank = disc - well.translate((0.0, 0.075, 0.0)) - well.translate((0.0, -0.015, 0.0))
    return single(blank + star.translate((0.0, 0.05, 0.0)), GOLD)
