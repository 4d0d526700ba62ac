"""Rows, rings, grids and stacks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from orfeas.geometry.parametric.falling import drop
from orfeas.geometry.parametric.placed import Floats, Group, box, shift

GAP = 0.14
"""Space between neighbours, as a share of their size."""


def ring_radius(width: float, count: int) -> float:
    return width * (1.0 + GAP) / (2.0 * float(np.sin(np.pi / max(count, 2))))


def laid_out(groups: list[Group], layout: str, contact: float, room: float = 0.0) -> None:
    """Groups in a row, ring, grid or stack around the origin."""
    sizes = np.array([np.ptp(box(group), axis=0) for group in groups])
    if layout == "stack":
        for lower, upper in pairwise(groups):
            under, around = box(lower), box(upper)
            offset = under.mean(axis=0) - around.mean(axis=0)
            offset[1] = under[1, 1] + 0.02 * sizes[0, 1] - around[0, 1]
            shift(upper, offset)
            drop(upper, lower, contact)
        return
    for group, spot in zip(groups, _spots(sizes, layout, room), strict=True):
        around = box(group)
        middle = around.mean(axis=0)
        shift(group, np.array([spot[0] - middle[0], -around[0, 1], spot[1] - middle[2]]))


def _spots(sizes: Floats, layout: str, room: float) -> Floats:
    """Middles of the groups in x and z."""
    count = len(sizes)
    widest = float(sizes[:, [0, 2]].max())
    if layout == "ring" and count > 1:
        radius = ring_radius(float(np.hypot(sizes[:, 0], sizes[:, 2]).max()), count)
        angle = np.arange(count) / count * 2.0 * np.pi + np.pi / 2.0
        return radius * np.column_stack([np.cos(angle), np.sin(angle)])
    if layout == "grid":
        columns = int(np.ceil(np.sqrt(count)))
        place = np.arange(count)
        step = sizes.max(axis=0) + GAP * widest
        return np.column_stack([place % columns * step[0], place // columns * step[2]]).astype(np.float64)
    gap = max(GAP * widest, room + 2.0 * GAP * room)
    right = np.cumsum(sizes[:, 0] + gap) - gap
    return np.column_stack([right - sizes[:, 0] / 2.0, np.zeros(count)])
