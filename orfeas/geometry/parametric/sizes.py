"""How large a thing is: named sizes exactly, others in proportion to what is named."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from orfeas.domain.prompt import Scene, Thing
from orfeas.domain.prompt.scene import SIZE_MM
from orfeas.geometry.parametric.piece import Body

UNIT_MM = 50.0
NATURAL = MappingProxyType(
    {
        "table": 3.6, "chair": 2.9, "stool": 1.9, "shelf": 4.2, "house": 4.5, "tower": 5.0, "tree": 4.5,
        "mushroom": 1.4, "snowman": 3.2, "rocket": 4.0, "lamp": 1.9, "bowl": 1.5, "vase": 1.7, "bottle": 1.7,
        "hammer": 1.9, "dumbbell": 1.6, "key": 0.9, "button": 0.5, "coin": 0.5, "stairs": 3.5, "arch": 3.6,
        "bridge": 5.0, "plate": 1.5,
    }
)  # fmt: skip
"""Longest side beside a cube's, where the sentence leaves it open."""
PROPORTIONS = MappingProxyType(
    {
        "tall": (1.0, 1.55, 1.0), "short": (1.0, 0.6, 1.0), "wide": (1.5, 1.0, 1.0), "narrow": (0.62, 1.0, 1.0),
        "flat": (1.0, 0.35, 1.0), "long": (1.7, 1.0, 1.0),
    }
)  # fmt: skip
THIN, THICK = 0.6, 1.5
STANDING = frozenset({"star", "heart", "arrow", "cross", "prism", "wedge", "arch"})
FLAT = frozenset({"plate", "coin", "button", "gear", "key", "table"})


def proportioned(body: Body, thing: Thing) -> Body:
    """Tall, short, wide, narrow, flat, long, thin and thick."""
    scale = np.ones(3)
    if thing.box_mm is not None:  # before holes are drilled, which stay round
        low, high = body.bounds
        scale = np.asarray(thing.box_mm) / max(thing.box_mm) / (high - low)
    for word in thing.proportions:
        scale *= PROPORTIONS[word] if word in PROPORTIONS else _thickness(thing.shape, word)
    return body if np.all(scale == 1.0) else body.changed(lambda solid: solid.scale(tuple(scale)))


def _thickness(shape: str, word: str) -> tuple[float, float, float]:
    """Thin and thick are about the side that is the shortest by nature: its height, its depth or its girth."""
    by = THIN if word == "thin" else THICK
    if shape in FLAT:
        return (1.0, by, 1.0)
    return (1.0, 1.0, by) if shape in STANDING else (by, 1.0, by)


def sized(body: Body, thing: Thing, natural_mm: float) -> Body:
    """The body in millimetres, standing on y = 0 around the y axis."""
    low, high = body.bounds
    size = high - low
    if thing.box_mm is not None:
        scale = np.asarray(thing.box_mm) / size
    else:
        longest = thing.longest_mm or SIZE_MM.get(thing.size) or natural_mm
        scale = np.full(3, longest / float(size.max()))
    shift = -np.array([(low[0] + high[0]) / 2.0, low[1], (low[2] + high[2]) / 2.0]) * scale
    return body.changed(lambda solid: solid.scale(tuple(scale)).translate(tuple(shift)))


def natural_mm(scene: Scene, thing: Thing) -> float:
    """Longest side of a thing without a size: as it stands in nature to the first one whose millimetres are named."""
    return NATURAL.get(thing.shape, 1.0) * _reference(scene)


def _reference(scene: Scene) -> float:
    named = next((thing for thing in scene.things if thing.longest_mm or thing.box_mm), None)
    if named is not None:
        longest = named.longest_mm or max(named.box_mm or (UNIT_MM,))
        return longest / NATURAL.get(named.shape, 1.0)
    worded = next((thing for thing in scene.things if thing.size == "medium"), None)
    worded = worded or next((thing for thing in scene.things if thing.size), None)
    return UNIT_MM / NATURAL.get(worded.shape, 1.0) if worded is not None else UNIT_MM
