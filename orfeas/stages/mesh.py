"""Meshes: cleaned, reduced, sized, textured, written and checked."""

from __future__ import annotations

from typing import cast

from orfeas.domain import limits
from orfeas.domain.specs import Clean, Export, Scale, Simplify, Texture, Verify
from orfeas.errors import OrfeasError, ResultInvalidError
from orfeas.geometry import clean as cleaning
from orfeas.geometry import formats, verify
from orfeas.geometry import scale as sizes
from orfeas.geometry import simplify as reduction
from orfeas.geometry import texture as texturing
from orfeas.geometry.field import HeightField
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.scale import Fit, UpAxis
from orfeas.geometry.subject import Subject
from orfeas.stages.registry import Progress, Result, implements

NAME_INSIDE = "model"
"""What files inside a file or an archive are called (`model.mtl`)."""

FEWER = (
    "The surface has {found} faces at this grid, fewer than the {wanted} asked for; raise octree_resolution for more."
)


@implements(Clean)
def clean(mesh: Mesh, spec: Clean, on_progress: Progress) -> Mesh:
    """Weld, drop degenerate faces, face outward."""
    return cleaning.clean(mesh)


@implements(Simplify)
def simplify(mesh: Mesh, spec: Simplify, on_progress: Progress) -> Result:
    """Fewer triangles: exactly so many, or at most."""
    reduced = reduction.simplify(mesh, spec.target_faces, exact=spec.exact, on_progress=on_progress)
    report: dict[str, object] = {"faces_before": len(mesh.faces), "faces": len(reduced.faces)}
    if spec.exact and len(mesh.faces) < spec.target_faces:
        report["warnings"] = [FEWER.format(found=len(mesh.faces), wanted=spec.target_faces)]
    return Result(reduced, report)


@implements(Scale)
def scale(mesh: Mesh, spec: Scale, on_progress: Progress) -> Mesh:
    """The mesh in millimetres: its box, or a longest side of 100 mm."""
    fit = cast(Fit, spec.fit)
    return sizes.fit(mesh, dimensions_mm=spec.dimensions_mm, fit=fit, longest_mm=limits.DEFAULT_LONGEST_MM)


@implements(Texture)
def texture(mesh: Mesh, found: Subject, field: HeightField, spec: Texture, on_progress: Progress) -> Mesh:
    """The photo on the front, its rim's colours on sides and back."""
    return texturing.project(mesh, found, field, size=spec.size)


@implements(Export)
def export(mesh: Mesh, spec: Export, on_progress: Progress) -> bytes:
    """One file with its provenance inside where the format can carry it."""
    up_axis = cast(UpAxis, spec.up_axis)
    return formats.write(mesh, spec.format, up_axis=up_axis, provenance=spec.recipe, name=NAME_INSIDE)


@implements(Verify)
def check(data: bytes, spec: Verify, on_progress: Progress) -> Result:
    """Load the written file again and measure it."""
    try:
        measures = verify.measure(data, spec.format, up_axis=cast(UpAxis, spec.up_axis))
    except OrfeasError as error:
        raise ResultInvalidError(f"The written {spec.format} file could not be loaded again: {error.detail}") from error
    return Result(None, {"measures": measures})
