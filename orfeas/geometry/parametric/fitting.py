"""Sizes and sides that follow from what things are to each other: in, around, on and under."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from orfeas.domain.prompt import Relation
from orfeas.domain.prompt import Scene as Description
from orfeas.geometry.parametric.piece import Body
from orfeas.geometry.parametric.placed import Floats

SHELTERS = frozenset({"table", "chair", "stool", "bridge", "arch"})
"""What has room below it."""


def fitted(scene: Description, bodies: dict[int, Body]) -> dict[int, Body]:
    """What lies inside something, or is a ring around it, fits where its size is not named."""
    found = dict(bodies)
    for relation in scene.relations:
        thing, other = scene.things[relation.subject], found[relation.objects[0]]
        if relation.kind == "on" and thing.shape in SHELTERS:
            _match(scene, found, relation)
        if thing.names_size:
            continue
        size = found[relation.subject].bounds[1] - found[relation.subject].bounds[0]
        if relation.kind == "inside":
            room = 0.62 * inner_width(other) / float(max(size[0], size[2]))
            found[relation.subject] = _scaled(found[relation.subject], min(1.0, room / max(1.0, thing.count**0.5)))
        elif relation.kind == "around" and thing.shape == "torus" and thing.count == 1:
            found[relation.subject] = _ring_around(found[relation.subject], other)
    return found


def reach(body: Body) -> float:
    """Largest distance from the upright axis."""
    points = np.asarray(body.whole.to_mesh64().vert_properties)[:, :3]
    return float(np.hypot(points[:, 0], points[:, 2]).max())


def inner_width(body: Body, heights: tuple[float, ...] = (0.35, 0.8)) -> float:
    """Free width inside, at its narrower of two heights; the outer width of what has no room."""
    low, high = body.bounds
    far = float(np.ptp(np.array([low, high]), axis=0).max()) * 2.0
    widths = []
    for share in heights:
        y = float(low[1] + share * (high[1] - low[1]))
        for x, z in ((far, 0.0), (0.0, far)):
            hits = body.whole.ray_cast((1e-4, y, 1e-4), (x + 1e-4, y, z + 1e-4))
            widths += [2.0 * float(np.hypot(hit.position[0], hit.position[2])) for hit in hits[:1]]
    return min(widths, default=float((high - low)[[0, 2]].min()))


def _match(scene: Description, bodies: dict[int, Body], relation: Relation) -> None:
    """No legs that stand around what should carry them: what names no size is widened or made smaller."""
    subject, support = relation.subject, relation.objects[0]
    sizes = (np.ptp(bodies[index].bounds, axis=0) for index in (subject, support))
    ratio = 1.1 * float(np.divide(*sizes)[[0, 2]].max())
    if ratio <= 1.0 or scene.things[support].count > 1:
        return
    if not scene.things[support].names_size:
        bodies[support] = _scaled(bodies[support], ratio)
    elif not scene.things[subject].names_size:
        bodies[subject] = _scaled(bodies[subject], 1.0 / ratio)


def _ring_around(ring: Body, other: Body) -> Body:
    """A slender ring that leaves room for what it is around."""
    radius = 1.06 * reach(other)
    low, high = ring.bounds
    thick = float(high[1] - low[1]) / 2.0
    middle = float(high[0]) - thick

    def bend(points: Floats) -> Floats:
        away = np.hypot(points[:, 0], points[:, 2])
        share = 0.16 * radius / thick
        pulled = (radius + 0.16 * radius + (away - middle) * share) / away
        return np.column_stack([points[:, 0] * pulled, points[:, 1] * share, points[:, 2] * pulled])

    return ring.changed(lambda solid: solid.warp_batch(bend))


def _scaled(body: Body, factor: float) -> Body:
    return body.changed(lambda solid: solid.scale((factor, factor, factor)))


def sheltered(scene: Description, bodies: dict[int, Body], relations: dict[int, Relation]) -> dict[int, Relation]:
    """`under` what has no room below it is the other way round: that lies on top."""
    found = dict(relations)
    for index, relation in relations.items():
        if relation.kind != "under" or _has_room(scene, bodies, relation):
            continue
        other = relation.objects[0]
        del found[index]
        if other in found:
            found[index] = replace(relation, kind="beside")
        else:
            found[other] = Relation("on", other, (index,))
    return found


def _has_room(scene: Description, bodies: dict[int, Body], relation: Relation) -> bool:
    """Whether the first thing can stand on the ground under the second."""
    if scene.things[relation.objects[0]].shape not in SHELTERS or scene.things[relation.subject].count > 1:
        return False
    shelter, body = bodies[relation.objects[0]], bodies[relation.subject]
    middle = (shelter.bounds[0] + shelter.bounds[1]) / 2.0
    moved = body.whole.translate((float(middle[0]), 0.0, float(middle[2])))
    return bool((moved ^ shelter.whole).is_empty())
