"""What a run of agents aims for, compared with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orfeas.domain.checks import CHECKS

DEFAULT_GOAL: dict[str, Any] = {"watertight": True, "min_quality_score": 70.0}
MEASURED_AS = {"min_silhouette_iou": "silhouette_iou", "min_quality_score": "quality_score", "max_seconds": "seconds"}
ORDER = (
    "watertight", "min_quality_score", "min_silhouette_iou", "min_faces", "fits_mm", "min_wall_mm", "max_faces",
    "max_seconds",
)  # fmt: skip
"""In which failed goals are seen to: what makes a new shape or surface before what only changes its size or count."""


def verdicts(goal: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{wanted, measured, ok}` of each goal; what could not be measured does not hold."""
    return {name: _verdict(name, goal[name], dict(measured)) for name in ORDER if name in goal}


def failed(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The goals that do not hold, in the order in which they are seen to."""
    return [name for name in ORDER if name in found and not found[name]["ok"]]


def _verdict(name: str, wanted: Any, measured: dict[str, Any]) -> dict[str, Any]:
    if name in CHECKS:
        value, ok = CHECKS[name](wanted, measured)
        return {"wanted": wanted, "measured": value, "ok": bool(ok and value is not None)}
    value = measured.get(MEASURED_AS[name])
    if value is None:
        return {"wanted": wanted, "measured": None, "ok": False}
    return {"wanted": wanted, "measured": value, "ok": value <= wanted if name == "max_seconds" else value >= wanted}
