"""The objects of the vocabulary by name."""

from __future__ import annotations

from types import MappingProxyType

from orfeas.geometry.parametric import buildings, figures, furniture, tools, vessels
from orfeas.geometry.parametric.piece import Builder

OBJECTS: MappingProxyType[str, Builder] = MappingProxyType(
    {
        "table": furniture.table, "chair": furniture.chair, "stool": furniture.stool, "shelf": furniture.shelf,
        "house": buildings.house, "tower": buildings.tower, "tree": figures.tree, "mushroom": figures.mushroom,
        "snowman": figures.snowman, "rocket": figures.rocket, "lamp": furniture.lamp, "mug": vessels.mug,
        "bowl": vessels.bowl, "vase": vessels.vase, "bottle": vessels.bottle, "hammer": tools.hammer,
        "dumbbell": tools.dumbbell, "key": tools.key, "button": tools.button, "coin": tools.coin,
        "stairs": buildings.stairs, "arch": buildings.arch, "bridge": buildings.bridge,
    }
)  # fmt: skip
