"""Every stage of the product: name, version, queue and typed parameters.

Weights are those of the published progress table; they hold until run times were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Keep, Produces, Queue, StageSpec

Millimetres = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PrepareImage(StageSpec):
    """Cut the subject out of a picture. Input: the bytes of a stored image."""

    name: ClassVar[str] = "image.prepare"
    version: ClassVar[int] = 2
    weight: ClassVar[int] = 5
    remove_background: str = "auto"


@dataclass(frozen=True, slots=True)
class Inflate(StageSpec):
    """A height field of a silhouette; mode `auto` makes a relief where no subject was found."""

    name: ClassVar[str] = "shape.inflate"
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 45
    mode: str = "auto"


@dataclass(frozen=True, slots=True)
class Relief(StageSpec):
    """A plate whose height follows the picture (`relief`) or whose thickness does (`lithophane`)."""

    name: ClassVar[str] = "shape.relief"
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 45
    mode: str = "relief"


@dataclass(frozen=True, slots=True)
class Surface(StageSpec):
    """The closed surface of a height field at a grid."""

    name: ClassVar[str] = "shape.surface"
    octree_resolution: int = 144
    steps: int = 10
    mc_level: float = 0.0


@dataclass(frozen=True, slots=True)
class Clean(StageSpec):
    """Weld, drop degenerate faces, face outward."""

    name: ClassVar[str] = "mesh.clean"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Simplify(StageSpec):
    """Reduce a mesh to a number of triangles: exactly, or at most."""

    name: ClassVar[str] = "mesh.simplify"
    weight: ClassVar[int] = 5
    target_faces: int = 30_000
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Scale(StageSpec):
    """Bring a mesh to its size in millimetres."""

    name: ClassVar[str] = "mesh.scale"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5
    dimensions_mm: Millimetres | None = None
    fit: str = "inside"


@dataclass(frozen=True, slots=True)
class Texture(StageSpec):
    """Lay the photo on the mesh. Inputs: mesh, prepared picture, height field."""

    name: ClassVar[str] = "mesh.texture"
    weight: ClassVar[int] = 15
    size: int = 1024


@dataclass(frozen=True, slots=True)
class Export(StageSpec):
    """Write the mesh to a file. `recipe` is the provenance that is embedded."""

    name: ClassVar[str] = "mesh.export"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    format: str = "glb"
    up_axis: str = "y"
    recipe: str = "{}"


@dataclass(frozen=True, slots=True)
class Verify(StageSpec):
    """Load a written file again and measure it. The measures are its report."""

    name: ClassVar[str] = "mesh.verify"
    produces: ClassVar[Produces] = Produces.NOTHING
    weight: ClassVar[int] = 2
    format: str = "glb"
    up_axis: str = "y"


@dataclass(frozen=True, slots=True)
class RenderPreview(StageSpec):
    """A shaded picture of the mesh as PNG."""

    name: ClassVar[str] = "render.preview"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    width: int = 512
    height: int = 512
    azimuth_deg: float = 35.0
    elevation_deg: float = 20.0


SPECS: dict[str, type[StageSpec]] = {
    spec.name: spec
    for spec in (
        PrepareImage, Inflate, Relief, Surface, Clean, Simplify, Scale, Texture, Export, Verify, RenderPreview,
    )
}  # fmt: skip

__all__ = ["SPECS", "Queue", *sorted(kind.__name__ for kind in SPECS.values())]
