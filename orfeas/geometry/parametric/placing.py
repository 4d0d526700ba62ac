"""Where things stand: rows, rings, grids and stacks, and what lies on, in and beside what."""

from __future__ import annotations

import numpy as np

from orfeas.domain.prompt import Relation
from orfeas.domain.prompt import Scene as Description
from orfeas.geometry.parametric.falling import SUNK, apex, drop, feet, touches
from orfeas.geometry.parametric.fitting import inner_width, reach, sheltered
from orfeas.geometry.parametric.layouts import GAP, laid_out, ring_radius
from orfeas.geometry.parametric.piece import Body
from orfeas.geometry.parametric.placed import Floats, Group, Placed, box, shift

CONTACT = 0.01
"""Gap between what touches, mm in a scene of 50 mm shapes: apart for every reader that welds by position."""
TURN_DEG, SHIFT = 9.0, 0.05
HOLLOW = frozenset({"bowl", "mug", "vase", "tube", "torus", "bottle"})


def arrange(scene: Description, bodies: dict[int, Body], *, seed: int, overlap: bool = False) -> Group:
    """Every body in its place."""
    return _Arrangement(scene, bodies, seed, -SUNK if overlap else CONTACT).run()


class _Arrangement:
    def __init__(self, scene: Description, bodies: dict[int, Body], seed: int, contact: float) -> None:
        self._scene = scene
        self._bodies = bodies
        self._contact = contact
        self._random = np.random.default_rng(seed) if seed else None
        self._groups: dict[int, Group] = {}
        self._relations = {relation.subject: relation for relation in scene.relations}
        self._sides: dict[int, int] = {}
        self._alone = sum(thing.count for thing in scene.things) == 1

    def run(self) -> Group:
        """Things without a relation first, then what relates to them."""
        self._relations = sheltered(self._scene, self._bodies, self._relations)
        roots = [index for index in range(len(self._scene.things)) if index not in self._relations]
        self._settle_roots(roots)
        waiting = [index for index in range(len(self._scene.things)) if index in self._relations]
        while waiting:
            ready = [i for i in waiting if all(o in self._groups for o in self._relations[i].objects)]
            for index in ready:
                self._settle(self._relations[index])
            waiting = [index for index in waiting if index not in ready]
        placed = [item for index in sorted(self._groups) for item in self._groups[index]]
        around = box(placed)
        middle = (around[0] + around[1]) / 2.0
        for item in placed:
            item.shift(np.array([-middle[0], -around[0, 1], -middle[2]]))
        return placed

    def _settle_roots(self, roots: list[int]) -> None:
        """Side by side, with room between those that something comes between."""
        between = {r.objects: r.subject for r in self._relations.values() if r.kind == "between"}
        for index in roots:
            room = next((self._width(s) for objects, s in between.items() if objects == (index,)), 0.0)
            self._groups[index] = self._group(index, room=room)
        pair = next((objects for objects in between if len(objects) == 2 and set(objects) <= set(roots)), None)
        if pair is not None:
            roots = [index for index in roots if index not in pair] + list(pair)
        if self._scene.layout in ("ring", "grid", "stack") and len(roots) > 1:
            laid_out([self._groups[index] for index in roots], self._scene.layout, self._contact)
            return
        right = 0.0
        for index in roots:
            group = self._groups[index]
            around = box(group)
            room = self._width(between[pair]) if pair is not None and index == pair[1] else 0.0
            gap = GAP * float(np.ptp(around, axis=0)[[0, 2]].max()) if right else 0.0
            shift(group, np.array([right + max(gap, room + 2 * gap if room else 0.0) - around[0, 0], 0.0, 0.0]))
            right = box(group)[1, 0]

    def _width(self, index: int) -> float:
        return float(np.ptp(box(self._group(index, quiet=True)), axis=0)[0])

    def _group(self, index: int, *, room: float = 0.0, quiet: bool = False, around: bool = False) -> Group:
        """The bodies of a thing to each other, in the order of their numbers."""
        thing, body = self._scene.things[index], self._bodies[index]
        group = [Placed(index, number, body, np.eye(4)) for number in range(thing.count)]
        for item in group:
            if not quiet:
                self._turn(item)
        layout = thing.layout or ("grid" if thing.count > 5 and not around else "row")
        laid_out([[item] for item in group], layout, self._contact, room)
        return group

    def _turn(self, item: Placed) -> None:
        if self._random is not None and not self._alone:
            angle = np.radians(TURN_DEG) * self._random.uniform(-1.0, 1.0)
            c, s = float(np.cos(angle)), float(np.sin(angle))
            item.matrix[:3, :3] = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])

    def _settle(self, relation: Relation) -> None:
        others = [item for index in relation.objects for item in self._groups[index]]
        place = {"on": self._on, "inside": self._inside, "around": self._around, "between": self._between}
        if relation.kind in place:
            place[relation.kind](relation.subject, others)
        elif relation.kind == "under":
            self._under(relation.subject, others)
        else:
            self._next_to(relation, others)

    def _on(self, index: int, others: Group) -> None:
        """One on each where they are as many; else all on the first, next to what lies there already."""
        group = self._group(index)
        if len(group) == len(others) > 1:
            for item, other in zip(group, others, strict=True):
                self._rest([item], other)
        elif len(others) > 1:
            self._rest_on_all(group, others)
        else:
            self._rest(group, others[0])
        self._groups[index] = group

    def _rest_on_all(self, group: Group, others: Group) -> None:
        """Over the middle of several bodies."""
        self._under_feet(group, others)
        self._lower(group, others, box(others).mean(axis=0), others)
        if not touches(group, others):
            self._step_on(group, others[0], others)

    def _under_feet(self, group: Group, others: Group) -> None:
        """Bodies that something with as many feet or more stands on are put below them, each on its own ground."""
        spots = feet(group)
        carries = {index for relation in self._relations.values() for index in relation.objects
                   if relation.subject in self._groups}  # fmt: skip
        is_fixed = any(item.thing in carries or item.thing in self._relations for item in others)
        if is_fixed or len(group) > 1 or not 1 < len(others) <= len(spots):
            return
        middle = box(others).mean(axis=0) - box(group).mean(axis=0)
        before = [item.matrix.copy() for item in others]
        for item, spot in zip(others, _spread(spots, len(others)), strict=True):
            offset = spot + middle - item.bounds.mean(axis=0)
            item.shift(np.array([offset[0], 0.0, offset[2]]))
        standing = [item for items in self._groups.values() for item in items]
        if any(_overlap(item.bounds, other.bounds) for item in others for other in standing if other is not item):
            for item, matrix in zip(others, before, strict=True):
                item.matrix = matrix

    def _lower(self, group: Group, others: Group, spot: Floats, obstacles: Group) -> None:
        """Let a group come down on others, its middle over a spot."""
        around, under = box(group), box(others)
        middle = around.mean(axis=0)
        top = under[1, 1] + 0.02 * float(np.ptp(under))
        shift(group, np.array([spot[0] - middle[0], top - around[0, 1], spot[2] - middle[2]]))
        drop(group, obstacles, self._contact)

    def _step_on(self, group: Group, other: Placed, others: Group) -> None:
        """Stand with a foot on the top of a body that the group would come down around."""
        foot, middle = feet(group)[0], box(group).mean(axis=0)
        self._lower(group, others, apex(other) + middle - foot, others)

    def _rest(self, group: Group, other: Placed) -> None:
        """Let a group come down on a body from above where it carries things."""
        around, under = box(group), other.bounds
        size = under[1] - under[0]
        rest = other.body.rest
        spot = under[0] + size * np.array(rest if rest is not None else (0.5, 1.0, 0.5))
        if rest is not None:
            spot[:] = _carried(other, np.array(rest))
        top = under[1, 1] if rest is None or rest[1] >= 1.0 else spot[1]
        neighbours = [item for items in self._groups.values() for item in items if item.thing != group[0].thing]
        start = np.array([spot[0], top + 0.02 * size.max(), spot[2]])
        start[[0, 2]] += self._shifted(size, around) if self._random is not None else 0.0
        middle = (around[0] + around[1]) / 2.0
        shift(group, start - np.array([middle[0], around[0, 1], middle[2]]))
        self._avoid(group, neighbours, other, size)
        obstacles = [item for item in neighbours if _above(box(group), item.bounds)]
        drop(group, obstacles or [other], self._contact)
        if not touches(group, neighbours):
            self._step_on(group, other, neighbours)

    def _shifted(self, size: Floats, around: Floats) -> Floats:
        """A little to the side, as far as there is room."""
        assert self._random is not None
        free = np.maximum(size - np.ptp(around, axis=0), 0.0)[[0, 2]]
        return np.asarray(np.minimum(SHIFT * size[[0, 2]], 0.25 * free) * self._random.uniform(-1.0, 1.0, 2))

    def _avoid(self, group: Group, neighbours: Group, other: Placed, size: Floats) -> None:
        """Make room for several groups on one body: those there already go to the left."""
        here = [index for index, relation in self._relations.items()
                if relation.kind == "on" and other.thing in relation.objects and index in self._groups]  # fmt: skip
        if not here:
            return
        right = max(box(self._groups[index])[1, 0] for index in here)
        left = min(box(self._groups[index])[0, 0] for index in here)
        around = box(group)
        gap = 0.06 * size[0]
        total = right - left + gap + float(np.ptp(around[:, 0]))
        start = float(np.mean(other.bounds[:, 0])) - total / 2.0
        for index in here:
            shift(self._groups[index], np.array([start - left, 0.0, 0.0]))
        shift(group, np.array([start + right - left + gap - around[0, 0], 0.0, 0.0]))

    def _inside(self, index: int, others: Group) -> None:
        """Down from above into the middle; several one after the other."""
        group = self._group(index, quiet=True)
        other = others[0]
        lying: Group = [other]
        middle = other.bounds.mean(axis=0)
        for number, item in enumerate(group):
            self._turn(item)
            around = item.bounds
            spread = 0.0 if len(group) == 1 else 0.24 * inner_width(other.body)
            angle = 2.0 * np.pi * number / len(group)
            spot = middle + spread * np.array([np.cos(angle), 0.0, np.sin(angle)])
            spot[1] = max(body.bounds[1, 1] for body in lying) + 0.02 * float(np.ptp(around))
            centre = around.mean(axis=0)
            item.shift(spot - np.array([centre[0], around[0, 1], centre[2]]))
            drop([item], lying, self._contact)
            lying.append(item)
        self._groups[index] = group

    def _under(self, index: int, others: Group) -> None:
        """On the ground below the first."""
        group = self._group(index)
        under = others[0].bounds
        middle = box(group).mean(axis=0)
        shift(group, np.array([under[:, 0].mean() - middle[0], under[0, 1] - box(group)[0, 1],
                                under[:, 2].mean() - middle[2]]))  # fmt: skip
        self._groups[index] = group

    def _around(self, index: int, others: Group) -> None:
        """In a ring, each turned outward; a single ring encloses."""
        inner = box(others)
        middle, ground = inner.mean(axis=0), inner[0, 1]
        count = self._scene.things[index].count
        if count == 1 and self._scene.things[index].shape in ("torus", "tube"):
            group = self._group(index, quiet=True)
            offset = middle - box(group).mean(axis=0)
            offset[1] = inner[1, 1] + 0.1 * float(np.ptp(inner)) - box(group)[0, 1]
            shift(group, offset)
            if len(others) == 1 and inner_width(group[0].body, (0.5,)) > 2.0 * reach(others[0].body):
                shift(group, np.array([0.0, ground - box(group)[0, 1], 0.0]))
            else:
                drop(group, others, self._contact)
            self._groups[index] = group
            return
        if count == 1:
            self._next_to(Relation("beside", index, (others[0].thing,)), others)
            return
        group = self._group(index, quiet=True, around=True)
        size = np.ptp(group[0].bounds, axis=0)
        apart = (float(np.hypot(*np.ptp(inner, axis=0)[[0, 2]])) + float(np.hypot(size[0], size[2]))) / 2.0
        radius = max(apart * (1.0 + GAP), ring_radius(float(np.hypot(size[0], size[2])), count))
        for number, item in enumerate(group):
            angle = 2.0 * np.pi * number / count + np.pi / 2.0
            item.matrix = np.eye(4)
            c, s = float(np.sin(-angle + np.pi / 2.0)), float(np.cos(-angle + np.pi / 2.0))
            item.matrix[:3, :3] = np.array([[s, 0.0, -c], [0.0, 1.0, 0.0], [c, 0.0, s]])
            item.matrix[:3, 3] = middle + radius * np.array([np.cos(angle), 0.0, np.sin(angle)])
            item.matrix[1, 3] = ground
        self._groups[index] = group

    def _between(self, index: int, others: Group) -> None:
        """Half way between the first two, or beside the one there is."""
        group = self._group(index)
        if len(others) < 2:
            self._next_to(Relation("beside", index, (others[0].thing,)), others)
            return
        one, two = others[0].bounds, others[-1 if len({o.thing for o in others}) > 1 else 1].bounds
        middle = box(group).mean(axis=0)
        spot = (min(one[1, 0], two[1, 0]) + max(one[0, 0], two[0, 0])) / 2.0
        depth = (one[:, 2].mean() + two[:, 2].mean()) / 2.0
        shift(group, np.array([spot - middle[0], one[0, 1] - box(group)[0, 1], depth - middle[2]]))
        self._groups[index] = group

    def _next_to(self, relation: Relation, others: Group) -> None:
        """Right, left, in front or behind, clear of everything there; two beside take both sides."""
        group = self._group(relation.subject)
        split = relation.kind == "beside" and len(group) > 1 and not self._scene.things[relation.subject].layout
        if split:
            half = (len(group) + 1) // 2
            for part, sign in ((group[:half], 1), (group[half:], -1)):
                laid_out([[item] for item in part], "row", self._contact)
                self._clear(part, others, 0, sign)
        elif relation.kind == "beside":
            key = others[0].thing
            sign = 1 if self._sides.get(key, 0) % 2 == 0 else -1
            self._sides[key] = self._sides.get(key, 0) + 1
            self._clear(group, others, 0, sign)
        else:
            self._clear(group, others, 2, 1 if relation.kind == "front" else -1)
        self._groups[relation.subject] = group

    def _clear(self, group: Group, others: Group, axis: int, sign: int) -> None:
        """Move a group to a side until it is clear of all that stands there."""
        inner, around = box(others), box(group)
        offset = inner.mean(axis=0) - around.mean(axis=0)
        offset[1] = inner[0, 1] - around[0, 1]
        gap = GAP * float(np.ptp(around[:, [0, 2]], axis=0).max())
        edge = inner[1, axis] + gap - around[0, axis] if sign > 0 else inner[0, axis] - gap - around[1, axis]
        offset[axis] = edge
        shift(group, offset)
        standing = [item for items in self._groups.values() for item in items] + [o for o in others if o not in group]
        for _ in range(8):
            mine = box(group)
            hit = next((item.bounds for item in standing if item not in group and _overlap(mine, item.bounds)), None)
            if hit is None:
                return
            push = hit[1, axis] + gap - mine[0, axis] if sign > 0 else hit[0, axis] - gap - mine[1, axis]
            shift(group, np.eye(3)[axis] * push)


def _carried(other: Placed, rest: Floats) -> Floats:
    """The point where things rest, in the scene."""
    low, high = other.body.bounds
    return np.asarray(other.matrix[:3, :3] @ (low + rest * (high - low)) + other.matrix[:3, 3])


def _spread(spots: Floats, count: int) -> Floats:
    """Some of the spots, each as far as may be from those before."""
    chosen = [0]
    while len(chosen) < count:
        away = np.linalg.norm(spots[:, None] - spots[chosen][None], axis=2).min(axis=1)
        chosen.append(int(np.argmax(away)))
    return spots[sorted(chosen)]


def _above(mine: Floats, other: Floats) -> bool:
    """Whether boxes overlap seen from above, the second not above the first."""
    apart = (mine[0] >= other[1]) | (other[0] >= mine[1])
    return not (apart[0] or apart[2]) and bool(other[0, 1] < mine[1, 1])


def _overlap(mine: Floats, other: Floats) -> bool:
    return bool(np.all(mine[0] < other[1] - 1e-9) and np.all(other[0] < mine[1] - 1e-9))
