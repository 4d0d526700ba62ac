"""The stages from a shape to a written, checked file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Keep, Produces, StageSpec


@dataclass(frozen=True, slots=True)
class Clean(StageSpec):
    """Weld, drop degenerate faces, face outward."""

    name: ClassVar[str] = "mesh.clean"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Simplify(StageSpec):
    """Reduce a mesh to a number of triangles: exactly, or at most.

    With `measured` the report tells how far the surface moved; `target_reduction`, a share of the faces, stands in
    place of `target_faces` then, and boundaries and texture coordinates can be kept.
    """

    name: ClassVar[str] = "mesh.simplify"
    version: ClassVar[int] = 2
    weight: ClassVar[int] = 5
    target_faces: int = 30_000
    exact: bool = False
    measured: bool = False
    target_reduction: float | None = None
    preserve_boundary: bool = True
    preserve_uv: bool = True


@dataclass(frozen=True, slots=True)
class Scale(StageSpec):
    """Bring a mesh to its size in millimetres, or with a `printer` into its volume.

    `longest_mm` is the longest side; without it a printer keeps the size or makes it just small enough. `turnable`:
    it is still to be turned for the print.
    """

    name: ClassVar[str] = "mesh.scale"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5
    dimensions_mm: tuple[float, float, float] | None = None
    fit: str = "inside"
    longest_mm: float | None = None
    printer: str | None = None
    turnable: bool = True


@dataclass(frozen=True, slots=True)
class Texture(StageSpec):
    """Give a mesh its look.

    `mode` photo lays the picture on the front. Inputs: mesh, prepared picture, height field. Mode `projection` paints
    any model with pictures of its sides. Inputs: model, and for each of `views` its prepared picture. Mode `material`
    dresses it in `material`, the canonical JSON of one. Input: model. `size` is the longest side of the texture in
    texels; 0 where there is none.
    """

    name: ClassVar[str] = "mesh.texture"
    version: ClassVar[int] = 3
    weight: ClassVar[int] = 15
    timeout_s: ClassVar[float] = 600.0
    size: int = 1024
    mode: str = "photo"
    views: tuple[str, ...] = ()
    material: str = ""


@dataclass(frozen=True, slots=True)
class Export(StageSpec):
    """Write the model to a file. `recipe` is the provenance that is embedded.

    `unit` is that of the coordinates in formats that state none; a `bundle` is a zip, with a file for each part where
    the format holds one surface.
    """

    name: ClassVar[str] = "mesh.export"
    version: ClassVar[int] = 2
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    needs_config: ClassVar[bool] = True
    format: str = "glb"
    up_axis: str = "y"
    recipe: str = "{}"
    unit: str = "mm"
    bundle: bool = False


@dataclass(frozen=True, slots=True)
class Verify(StageSpec):
    """Load a written file again and measure it. The measures are its report.

    Walls are measured where `min_wall_mm` says what they are compared with; `scored`: its quality is told as well.
    """

    name: ClassVar[str] = "mesh.verify"
    produces: ClassVar[Produces] = Produces.NOTHING
    weight: ClassVar[int] = 2
    needs_config: ClassVar[bool] = True
    format: str = "glb"
    up_axis: str = "y"
    unit: str = "mm"
    min_wall_mm: float | None = None
    scored: bool = False


@dataclass(frozen=True, slots=True)
class MeasureOverlap(StageSpec):
    """How far a model's outline from the front is that of the subject. Inputs: prepared picture, model."""

    name: ClassVar[str] = "mesh.overlap"
    produces: ClassVar[Produces] = Produces.NOTHING
