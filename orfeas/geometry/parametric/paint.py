"""Surfaces of named colours and materials."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from orfeas.domain.presets import MATERIALS, Material, Vector
from orfeas.domain.prompt import Thing
from orfeas.geometry.parametric.piece import Paint, Piece

KINDS = MappingProxyType(
    {
        "steel": "#9aa0a8", "iron": "#5d5f63", "aluminium": "#c8cbce", "copper": "#c0703f", "bronze": "#94703a",
        "gold": "#dcab2e", "silver": "#cfcfd2", "chrome": "#dadee2", "oak": "#b58a52", "pine": "#d9b878",
        "walnut": "#5c3d26", "crystal": "#e6f4fa", "porcelain": "#f6f4ef", "clay": "#b5623f", "stone": "#8d8a84",
        "marble": "#e6e3de",
    }
)  # fmt: skip
"""sRGB of the kinds of material."""
ROUGHNESS = MappingProxyType({"chrome": 0.08, "gold": 0.22, "silver": 0.2, "iron": 0.55, "steel": 0.3, "crystal": 0.03,
                              "porcelain": 0.2, "clay": 0.85, "stone": 0.9, "marble": 0.25})  # fmt: skip


def material(piece: Piece, thing: Thing) -> Material:
    """The surface of a piece: what the words say where it is a main one, else its own."""
    own = piece.paint
    if not piece.main:
        return surface(own)
    if thing.material:
        chosen = Paint(thing.color, thing.material, thing.kind)
    else:
        chosen = Paint(thing.color or own.color, own.material, "" if thing.color else own.kind)
    found = surface(chosen)
    return replace(found, base_color=_shaded(found.base_color, thing.shade))


def surface(paint: Paint) -> Material:
    """A material preset in its own colour, its kind's or the one given."""
    preset = MATERIALS[paint.material]
    code = paint.color or KINDS.get(paint.kind, "")
    base = linear(code) if code else preset.base_color
    return replace(preset, base_color=base, roughness=ROUGHNESS.get(paint.kind, preset.roughness))


def linear(code: str) -> Vector:
    """Linear light of `#rrggbb`, IEC 61966-2-1."""
    red, green, blue = (_decoded(int(code[place : place + 2], 16) / 255.0) for place in (1, 3, 5))
    return (red, green, blue)


def _decoded(code: float) -> float:
    return round(code / 12.92 if code <= 0.04045 else float(((code + 0.055) / 1.055) ** 2.4), 6)


def _shaded(base: Vector, shade: str) -> Vector:
    """Light is half way to white, dark a third as bright, in linear light."""
    if not shade:
        return base
    red, green, blue = (c + (1.0 - c) * 0.4 if shade == "light" else c * 0.33 for c in base)
    return (red, green, blue)
