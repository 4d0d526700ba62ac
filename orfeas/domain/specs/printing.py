"""The stages that make a model ready for a printer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.presets import DEFAULT_PRINTER
from orfeas.domain.stages import StageSpec


@dataclass(frozen=True, slots=True)
class Orient(StageSpec):
    """Turn a model into the direction that is best for printing it. The turn and the candidates are its report.

    `goal` is overhang, height, area or base; `angle_deg` is the steepest overhang that needs no support, counted from
    the vertical; `printer` names the volume that it should fit into.
    """

    name: ClassVar[str] = "mesh.orient"
    weight: ClassVar[int] = 5
    goal: str = "overhang"
    angle_deg: float = 45.0
    printer: str = DEFAULT_PRINTER


@dataclass(frozen=True, slots=True)
class Hollow(StageSpec):
    """Leave a shell of a solid, with holes to drain it."""

    name: ClassVar[str] = "mesh.hollow"
    version: ClassVar[int] = 2
    weight: ClassVar[int] = 20
    timeout_s: ClassVar[float] = 600.0
    wall_mm: float = 2.0
    drain_diameter_mm: float = 3.0
    drain_count: int = 2
    grid: int = 192


@dataclass(frozen=True, slots=True)
class Place(StageSpec):
    """Put a model in the middle of a printer's bed. What the print will take is its report."""

    name: ClassVar[str] = "mesh.place"
    weight: ClassVar[int] = 2
    printer: str = DEFAULT_PRINTER
    supports: bool = False
