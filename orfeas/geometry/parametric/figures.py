"""Tree, mushroom, snowman and rocket."""

from __future__ import annotations

import numpy as np

from orfeas.geometry.parametric.kit import Kit, curve, move, union
from orfeas.geometry.parametric.piece import Body, Paint, body, extra, main

LEAVES = Paint("#4c8f3c", "rubber")
BARK = Paint("#6f4a2b", "wood")
SNOW = Paint("#f4f7fa", "rubber")
COAL = Paint("#26262a", "rubber")


def tree(kit: Kit) -> Body:
    """A trunk with roots and branches under a crown of several balls."""
    trunk = kit.lathe([(0, 0), (0.12, 0), *curve([(0.11, 0.01), (0.065, 0.08), (0.05, 0.3), (0.042, 0.5)], 16),
                       (0, 0.55)], edge=0.0)  # fmt: skip
    branches = [kit.rod(np.array([[0.0, 0.28, 0.0], [0.1 * np.cos(a), 0.38, 0.1 * np.sin(a)],
                                  [0.17 * np.cos(a), 0.5, 0.17 * np.sin(a)]]), np.array([0.03, 0.024, 0.018]))
                for a in np.radians([20.0, 150.0, 265.0])]  # fmt: skip
    balls = [(0.0, 0.66, 0.0, 0.25), (0.19, 0.58, 0.05, 0.17), (-0.18, 0.6, 0.08, 0.18), (0.04, 0.57, 0.19, 0.17),
             (-0.03, 0.58, -0.19, 0.18), (0.08, 0.83, 0.02, 0.17), (-0.11, 0.78, -0.04, 0.17)]  # fmt: skip
    crown = union([kit.ball(r).translate((x, y, z)) for x, y, z, r in balls])
    return body(main("crown", crown, LEAVES), extra("trunk", union([trunk, *branches]), BARK))


def mushroom(kit: Kit) -> Body:
    """A stem with a skirt, and a cap with spots."""
    stem = kit.lathe([(0, 0), *curve([(0.14, 0.0), (0.165, 0.06), (0.12, 0.25), (0.105, 0.52)], 20), (0, 0.56)],
                     edge=0.0)  # fmt: skip
    skirt = kit.lathe([(0.09, 0.4), (0.185, 0.33), (0.19, 0.345), (0.1, 0.44)], edge=0.004)
    cap = kit.lathe([(0, 0.47), (0.2, 0.44), *curve([(0.4, 0.43), (0.42, 0.47), (0.34, 0.68), (0.17, 0.8), (0.0, 0.83)],
                                                    kit.points(0.5, 10))], edge=0.0)  # fmt: skip
    spots = []
    for number, (azimuth, height) in enumerate(
        [(a, 0.55) for a in range(0, 360, 60)] + [(a, 0.7) for a in range(30, 390, 90)]
    ):
        radius, size = (0.398, 0.06) if height < 0.6 else (0.305, 0.05 + 0.01 * (number % 2))
        spots.append(kit.ball(size).scale((0.5, 1.0, 1.0)).rotate((0.0, 0.0, 25.0 if height < 0.6 else 48.0))
                     .translate((radius, height, 0.0)).rotate((0.0, float(azimuth), 0.0)))  # fmt: skip
    spots.append(kit.ball(0.08).scale((1.0, 0.4, 1.0)).translate((0.0, 0.825, 0.0)))
    cream = Paint("#f2e8d5", "rubber")
    return body(
        main("cap", cap, Paint("#c63a2b", "ceramic")), extra("stem", stem + skirt, cream),
        extra("spots", union(spots), cream),
    )  # fmt: skip


def snowman(kit: Kit) -> Body:
    """Three balls, a carrot, coal, a hat, a scarf and arms."""
    balls = [kit.ball(r).translate((0.0, y, 0.0)) for r, y in ((0.28, 0.25), (0.205, 0.6), (0.15, 0.87))]
    snow = union(balls).trim_by_plane((0.0, 1.0, 0.0), 0.015)
    carrot = kit.lathe([(0, 0), (0.032, 0), (0, 0.2)], edge=0.0).rotate((90.0, 0.0, 0.0)).translate((0.0, 0.87, 0.13))
    eyes = [kit.ball(0.021).translate((x, 0.915, 0.135)) for x in (-0.055, 0.055)]
    buttons = [kit.ball(0.022).translate((0.0, y, z)) for y, z in ((0.52, 0.188), (0.6, 0.203), (0.68, 0.188))]
    brim = kit.cylinder(0.175, 0.022, edge=0.03).translate((0.0, 0.98, 0.0))
    hat = kit.lathe([(0, 0.97), (0.11, 0.97), (0.118, 1.17), (0, 1.17)], edge=0.04)
    angle = np.arange(kit.points(0.6, 10)) / kit.points(0.6, 10) * 2.0 * np.pi
    scarf = kit.rod(np.column_stack([0.122 * np.cos(angle), np.full(len(angle), 0.755), 0.122 * np.sin(angle)]), 0.042,
                    closed=True)  # fmt: skip
    tail = move(kit.box(0.075, 0.2, 0.035, edge=0.06), x=0.075, y=0.55, z=0.19).rotate((0.0, 0.0, 0.0))
    arms = []
    for s in (-1.0, 1.0):
        arms.append(kit.rod(np.array([[s * 0.16, 0.63, 0.0], [s * 0.3, 0.7, 0.02], [s * 0.45, 0.8, 0.03]]),
                            np.array([0.018, 0.015, 0.011]), sides=10))  # fmt: skip
        arms += [kit.rod(np.array([[s * 0.38, 0.755, 0.025], [s * 0.43, 0.84 if up else 0.74, 0.05]]), 0.009, sides=8)
                 for up in (True, False)]  # fmt: skip
    return body(
        main("snow", snow, SNOW), extra("nose", carrot, Paint("#ef7d22")), extra("coal", union(eyes + buttons), COAL),
        extra("hat", brim + hat, COAL), extra("scarf", scarf + tail, Paint("#c2332e", "rubber")),
        extra("arms", union(arms), BARK),
    )  # fmt: skip


def rocket(kit: Kit) -> Body:
    """A hull with a nose, a window, three swept fins and a nozzle."""
    count = kit.points(0.6, 12)
    hull = kit.lathe([(0, 0.1), *curve([(0.1, 0.1), (0.16, 0.28), (0.165, 0.5), (0.135, 0.74)], count), (0, 0.74)],
                     edge=0.0)  # fmt: skip
    nose = kit.lathe([(0, 0.735), *curve([(0.1365, 0.735), (0.1, 0.87), (0.045, 0.98), (0.0, 1.04)], count)], edge=0.0)
    nozzle = kit.lathe([(0.0, 0.12), (0.06, 0.12), (0.095, 0.03), (0.08, 0.03), (0.05, 0.09), (0.0, 0.09)], edge=0.004)
    outline = [(0.12, 0.12), (0.24, 0.0), (0.31, 0.0), *curve([(0.31, 0.0), (0.29, 0.17), (0.15, 0.42)], 10)[1:],
               (0.1, 0.4)]  # fmt: skip
    fins = [kit.plate(outline, 0.035, edge=0.02).rotate((0.0, a, 0.0)) for a in (90.0, 210.0, 330.0)]
    angle = np.arange(kit.points(0.5, 10)) / kit.points(0.5, 10) * 2.0 * np.pi
    rims, panes = [], []
    for y, r in ((0.6, 0.056), (0.43, 0.036)):
        z = 0.152 if y > 0.5 else 0.16
        rims.append(kit.rod(np.column_stack([r * np.cos(angle), y + r * np.sin(angle), np.full(len(angle), z)]), 0.014,
                            closed=True))  # fmt: skip
        panes.append(kit.ball(r).scale((1.0, 1.0, 0.35)).translate((0.0, y, z - 0.006)))
    red = Paint("#cf3a2d", "plastic")
    steel = Paint("", "metal", "steel")
    return body(
        main("hull", hull, Paint("#eceae4", "plastic")), extra("nose", nose, red), extra("fins", union(fins), red),
        extra("nozzle", nozzle, Paint("#4a4c50", "metal")), extra("rims", union(rims), steel),
        extra("windows", union(panes), Paint("#7fc4e8")),
    )  # fmt: skip
