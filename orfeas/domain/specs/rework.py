"""The stages that read stored meshes and work on them.

Between stages a model is in millimetres with y up, whatever axis its file counts as up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.presets import DEFAULT_PRINTER
from orfeas.domain.stages import Keep, Produces, StageSpec


@dataclass(frozen=True, slots=True)
class ReadMesh(StageSpec):
    """A model of the bytes of a mesh file. `unit` is that of formats that state none."""

    name: ClassVar[str] = "mesh.read"
    version: ClassVar[int] = 3
    weight: ClassVar[int] = 5
    format: str = "stl"
    up_axis: str = "y"
    unit: str = "mm"
    max_faces: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Analyze(StageSpec):
    """What is known of a model, and what a printer makes of it. The analysis is its report.

    `min_wall_mm` is the printer's where it is None; `self_intersections` is auto, true or false; `up_axis` that of the
    file, whose axes positions are given in.
    """

    name: ClassVar[str] = "mesh.analyze"
    produces: ClassVar[Produces] = Produces.NOTHING
    weight: ClassVar[int] = 10
    printer: str = DEFAULT_PRINTER
    min_wall_mm: float | None = None
    self_intersections: str = "auto"
    up_axis: str = "y"


@dataclass(frozen=True, slots=True)
class Repair(StageSpec):
    """A closed surface of a damaged one; `aggressive` makes a new surface where nothing else helps."""

    name: ClassVar[str] = "mesh.repair"
    version: ClassVar[int] = 2
    weight: ClassVar[int] = 5
    timeout_s: ClassVar[float] = 600.0
    keep: ClassVar[Keep] = Keep.INTERMEDIATE
    aggressive: bool = False


@dataclass(frozen=True, slots=True)
class Assemble(StageSpec):
    """A model with its collision bodies and its levels of detail as further parts.

    `collision` is none, box, convex_hull or convex_parts; `lods` are numbers of faces.
    """

    name: ClassVar[str] = "mesh.assemble"
    weight: ClassVar[int] = 15
    timeout_s: ClassVar[float] = 600.0
    collision: str = "none"
    max_parts: int = 8
    lods: tuple[int, ...] = ()
    part_name: str = "model"
