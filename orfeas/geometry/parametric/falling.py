"""Letting bodies come down on others."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold, Mesh64

from orfeas.geometry.parametric.placed import Floats, Group, Placed, box, shift, whole
from orfeas.geometry.raycast import Scene

SUNK = 0.15
"""How deep what touches enters what is below it where all becomes one solid, in the unit of a scene of 50 mm shapes."""

TOUCHING = 0.04
"""Gap between bodies that touch, at most."""


def touches(group: Group, others: Group) -> bool:
    """Whether a group lies on others, after it came down."""
    return bool(whole(group).min_gap(whole(others), 2.0 * TOUCHING) < TOUCHING)


def feet(group: Group) -> Floats:
    """(n, 3) middles of where a group stands on its ground, the largest first."""
    low, high = box(group)
    level = float(low[1] + 0.01 * (high[1] - low[1]))
    parts = whole(group).rotate((90.0, 0.0, 0.0)).slice(level).decompose()
    spots = [np.array(part.bounds()).reshape(2, 2).mean(axis=0) for part in sorted(parts, key=lambda p: -p.area())]
    return np.array([[x, low[1], -y] for x, y in spots]).reshape(-1, 3)


def apex(item: Placed) -> Floats:
    """The middle of the highest points of a body."""
    points = np.asarray(item.solid.to_mesh64().vert_properties)[:, :3]
    size = float(np.ptp(points[:, 1]))
    return np.asarray(points[points[:, 1] > points[:, 1].max() - 1e-3 * size].mean(axis=0))


def drop(group: Group, others: Group, contact: float) -> None:
    """Lower a group until it nearly touches what is below it, or stands on its ground.

    Rays up and down from all corners find where a corner meets a face. An edge may meet an edge a little earlier, so
    the group is raised again until the solids are apart.
    """
    falling, standing = whole(group), whole(others)
    floor = float(falling.bounding_box()[1] - standing.bounding_box()[1])
    fall = min(_clearance(falling, standing), floor) - abs(contact) / 2.0
    raise_by = 0.0
    for step in (0.0, *(0.01 * 2.0**n for n in range(14))):
        raise_by = step
        if (falling.translate((0.0, raise_by - fall, 0.0)) ^ standing).is_empty():
            break
    apart, touching = raise_by, raise_by / 2.0
    while apart - touching > 0.01:  # as near as it goes without overlap
        middle = (apart + touching) / 2.0
        clear = (falling.translate((0.0, middle - fall, 0.0)) ^ standing).is_empty()
        apart, touching = (middle, touching) if clear else (apart, middle)
    fall -= apart
    shift(group, np.array([0.0, -fall - (SUNK if contact < 0.0 else 0.0), 0.0]))


def _clearance(upper: Manifold, lower: Manifold) -> float:
    """Least vertical distance between corners of one and faces of the other."""
    above, below = upper.to_mesh64(), lower.to_mesh64()
    return min(_first_hit(above, below, -1.0), _first_hit(below, above, 1.0))


def _first_hit(corners: Mesh64, target: Mesh64, toward: float) -> float:
    points = np.asarray(corners.vert_properties)[:, :3].astype(np.float32)
    scene = Scene(np.asarray(target.vert_properties)[:, :3].astype(np.float32), np.asarray(target.tri_verts, np.int64))
    directions = np.tile(np.array([0.0, toward, 0.0], np.float32), (len(points), 1))
    hits = scene.first(points, directions)
    met = hits.face >= 0
    return float(hits.distance[met].min()) if met.any() else np.inf
