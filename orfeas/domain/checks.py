"""Post-conditions: what a request requires of its files, compared with what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orfeas.domain.presets import PRINTERS

THIN_SHARE = 0.01
"""Share of the surface above which walls count as too thin: rays near sharp edges are always short."""

Measured = dict[str, Any]


def _flag(member: str) -> Callable[[Any, Measured], tuple[Any, bool]]:
    return lambda wanted, measured: (measured.get(member), not wanted or measured.get(member) is True)


def _at_most(member: str) -> Callable[[Any, Measured], tuple[Any, bool]]:
    return lambda wanted, measured: (measured.get(member), (measured.get(member) or 0) <= wanted)


def _at_least(member: str) -> Callable[[Any, Measured], tuple[Any, bool]]:
    return lambda wanted, measured: (measured.get(member), (measured.get(member) or 0) >= wanted)


def _single_body(wanted: Any, measured: Measured) -> tuple[Any, bool]:
    bodies = measured.get("body_count")
    return bodies, not wanted or bodies == 1


def _fits(wanted: Any, measured: Measured) -> tuple[Any, bool]:
    """Turned z up: the box of a y-up model is x, z, y in the printer's axes."""
    x, y, z = measured.get("extents_mm") or (0.0, 0.0, 0.0)
    turned = [x, z, y]
    return turned, all(size <= limit for size, limit in zip(turned, wanted, strict=True))


def _walls(wanted: Any, measured: Measured) -> tuple[Any, bool]:
    """Measured with rays against the thickest wall that the request asks for, its own or its printer's."""
    walls = measured.get("wall_thickness")
    if not walls or walls.get("thin_share") is None:
        return walls, False
    return walls, walls["thin_share"] <= THIN_SHARE


def _printer(wanted: Any, measured: Measured) -> tuple[Any, bool]:
    x, y, z = measured.get("extents_mm") or (0.0, 0.0, 0.0)
    walls, thick_enough = _walls(wanted, measured)
    return {"size_mm": [x, z, y], "wall_thickness": walls}, PRINTERS[wanted].holds((x, z, y)) and thick_enough


CHECKS: dict[str, Callable[[Any, Measured], tuple[Any, bool]]] = {
    "watertight": _flag("is_watertight"),
    "single_body": _single_body,
    "max_faces": _at_most("face_count"),
    "min_faces": _at_least("face_count"),
    "max_file_bytes": _at_most("size_bytes"),
    "fits_mm": _fits,
    "min_wall_mm": _walls,
    "printer": _printer,
}


def evaluate(require: dict[str, Any], measures: dict[str, Measured]) -> list[dict[str, Any]]:
    """One entry for each requirement and format: `{name, wanted, measured, ok, format}`."""
    found = []
    for fmt, measured in measures.items():
        for name, wanted in require.items():
            value, ok = CHECKS[name](wanted, measured)
            found.append({"name": name, "wanted": wanted, "measured": value, "ok": ok, "format": fmt})
    return found
