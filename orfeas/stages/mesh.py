"""Meshes: cleaned, reduced, sized, textured, written and checked."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any, cast

import numpy as np

from orfeas.config import Config
from orfeas.domain import limits
from orfeas.domain.formats import BY_BLENDER
from orfeas.domain.materials import read_material
from orfeas.domain.specs import Clean, Export, Scale, Simplify, Texture, Verify
from orfeas.errors import OrfeasError, ResultInvalidError
from orfeas.geometry import clean as cleaning
from orfeas.geometry import exports, formats, portions, texturing, verify
from orfeas.geometry import scale as sizes
from orfeas.geometry import simplify as reduction
from orfeas.geometry import texture as photo
from orfeas.geometry.analysis import scores
from orfeas.geometry.analysis.crossings import crossings
from orfeas.geometry.analysis.walls import walls
from orfeas.geometry.assembly import Assembly, Model, as_assembly, as_mesh
from orfeas.geometry.formats.archive import pack
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.scale import Fit, UpAxis
from orfeas.geometry.subject import Subject
from orfeas.stages import blender
from orfeas.stages.printing import fit_to_printer
from orfeas.stages.registry import Progress, Result, implements

MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}
"""In a unit."""
ZIPS = ("3mf", "obj", "usdz")
"""Formats that are zips, or may be."""
ZIPPED = b"PK\x03\x04"
NAME_INSIDE = "model"
"""What files inside a file or an archive are called (`model.mtl`)."""

NOT_MORE = "The mesh has {found} faces, not more than the {wanted} asked for; it is returned as it is."
LAID_OUT_ANEW = "With these faces the texture would not keep its look along its seams: it was laid out anew."
FEWER = (
    "The surface has {found} faces at this grid, fewer than the {wanted} asked for; raise octree_resolution for more."
)

NO_MORE = "The solids have {found} faces, fewer than the {wanted} asked for; a higher quality makes more."


@implements(Clean)
def clean(model: Model, spec: Clean, on_progress: Progress) -> Model:
    """Weld, drop degenerate faces, face outward; each part by itself."""
    return model.each(cleaning.clean) if isinstance(model, Assembly) else cleaning.clean(model)


@implements(Simplify)
def simplify(model: Model, spec: Simplify, on_progress: Progress) -> Result:
    """Fewer triangles: exactly so many, or at most."""
    if spec.measured:
        return _simplified(as_mesh(model), spec, on_progress)
    if isinstance(model, Assembly):
        return _reduced(model, spec, on_progress)
    reduced = reduction.simplify(model, spec.target_faces, exact=spec.exact, on_progress=on_progress)
    report: dict[str, object] = {"faces_before": len(model.faces), "faces": len(reduced.faces)}
    if spec.exact and len(model.faces) < spec.target_faces:
        report["warnings"] = [FEWER.format(found=len(model.faces), wanted=spec.target_faces)]
    return Result(reduced, report)


def _reduced(model: Assembly, spec: Simplify, on_progress: Progress) -> Result:
    """Parts that stay parts; a sentence makes only so many faces."""
    before = sum(len(part.mesh.faces) for part in model.parts)
    reduced = portions.simplify_parts(model, spec.target_faces, exact=spec.exact, on_progress=on_progress)
    report: dict[str, object] = {"faces_before": before, "faces": len(as_mesh(reduced).faces)}
    if spec.exact and before < spec.target_faces:
        report["warnings"] = [NO_MORE.format(found=before, wanted=spec.target_faces)]
    return Result(reduced, report)


def _simplified(mesh: Mesh, spec: Simplify, on_progress: Progress) -> Result:
    """The same with everything that was asked for kept, and how far the surface moved."""
    before = len(mesh.faces)
    target = spec.target_faces
    if spec.target_reduction is not None:
        target = max(limits.MESH_TARGET_FACES[0], round(before * (1.0 - spec.target_reduction)))
    done = reduction.simplify_to(
        mesh,
        target_faces=target,
        preserve_boundary=spec.preserve_boundary,
        preserve_uv=spec.preserve_uv,
        on_progress=on_progress,
    )
    kept = None if done.volume_change is None else round(100.0 * (1.0 + done.volume_change), 4)
    report: dict[str, object] = {
        "faces_before": before,
        "faces": len(done.mesh.faces),
        "target_faces": target,
        "quality_preserved": kept,
        "volume_change": done.volume_change,
        "max_deviation_mm": done.max_deviation_mm,
        "mean_deviation_mm": done.mean_deviation_mm,
        "is_watertight": done.is_watertight,
    }
    notes = [NOT_MORE.format(found=before, wanted=target)] if target >= before else []
    if spec.preserve_uv and mesh.texture is not None and done.mesh.texture is not mesh.texture:
        notes.append(LAID_OUT_ANEW)
    return Result(done.mesh, {**report, "warnings": notes} if notes else report)


@implements(Scale)
def scale(model: Model, spec: Scale, on_progress: Progress) -> Result:
    """The model in millimetres: in its box, in a printer's volume, or with a longest side of 100 mm."""
    if spec.printer is not None:
        return fit_to_printer(model, spec)
    longest_mm = spec.longest_mm or limits.DEFAULT_LONGEST_MM
    before = as_mesh(model)
    after = sizes.fit(before, dimensions_mm=spec.dimensions_mm, fit=cast(Fit, spec.fit), longest_mm=longest_mm)
    return Result(model.moved(_between(before, after)) if isinstance(model, Assembly) else after)


def _between(before: Mesh, after: Mesh) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The (4, 4) matrix that scales along the axes and moves one mesh to the other."""
    extents = np.ptp(before.vertices, axis=0)
    factors = np.divide(np.ptp(after.vertices, axis=0), extents, out=np.ones(3), where=extents > 0.0)
    matrix = np.diag([*factors, 1.0])
    matrix[:3, 3] = after.vertices.min(axis=0) - factors * before.vertices.min(axis=0)
    return matrix


@implements(Texture)
def texture(model: Model, *inputs: Any, spec: Texture, on_progress: Progress) -> Result:
    """A material on every part, or photos: on the front of what was made of one, or on all sides of anything."""
    if spec.mode == "material":
        return Result(texturing.dressed(model, read_material(spec.material)))
    if spec.mode == "projection":
        return _projected(as_mesh(model), dict(zip(spec.views, inputs, strict=True)), spec, on_progress)
    return Result(photo.project(as_mesh(model), *inputs, size=spec.size))


def _projected(mesh: Mesh, pictures: dict[str, Subject], spec: Texture, on_progress: Progress) -> Result:
    """The pictures of its sides on the mesh; how much of it they show."""
    done = texturing.project(mesh, pictures, size=spec.size, on_progress=on_progress)
    return Result(done.mesh, {"uv_coverage": round(done.coverage, 6), "share_seen": round(done.seen, 6)})


@implements(Export)
def export(model: Model, spec: Export, on_progress: Progress, config: Config | None = None) -> Result:
    """One file with its provenance inside where the format can carry it; `packed`: it is a zip."""
    up_axis = cast(UpAxis, spec.up_axis)
    model = in_unit(model, 1.0 / MILLIMETRES[spec.unit])
    if spec.format in BY_BLENDER:
        glb = formats.write(model, "glb", provenance=spec.recipe, name=NAME_INSIDE)
        data = blender.from_glb(glb, spec.format, program=config.blender if config else None)
        return Result(pack({f"{NAME_INSIDE}.{spec.format}": data}) if spec.bundle else data)
    if spec.bundle:
        parts = as_assembly(model, NAME_INSIDE)
        return Result(exports.bundle(parts, spec.format, up_axis=up_axis, provenance=spec.recipe, name=NAME_INSIDE))
    data = formats.write(model, spec.format, up_axis=up_axis, provenance=spec.recipe, name=NAME_INSIDE)
    return Result(data, {"packed": True} if spec.format == "obj" and data[:4] == ZIPPED else {})


@implements(Verify)
def check(data: bytes, spec: Verify, on_progress: Progress, config: Config | None = None) -> Result:
    """Load the written file again and measure it."""
    try:
        measures = _measured(data, spec, config.blender if config else None)
    except OrfeasError as error:
        raise ResultInvalidError(f"The written {spec.format} file could not be loaded again: {error.detail}") from error
    return Result(None, {"measures": measures})


def in_unit(model: Model, factor: float) -> Model:
    """The model in another unit."""
    if factor == 1.0:
        return model
    if isinstance(model, Assembly):
        return model.moved(np.diag([factor, factor, factor, 1.0]))
    return model.moved(model.vertices * factor)


def _measured(data: bytes, spec: Verify, program: str | None) -> dict[str, Any]:
    """What the bytes hold, in millimetres with y up."""
    written = _first_file(data, spec.format)
    if spec.format in BY_BLENDER:  # y up again on the way back
        mesh = formats.read(blender.to_glb(written, spec.format, program=program), "glb")
    else:
        mesh = sizes.turn_back(formats.read(written, spec.format), cast(UpAxis, spec.up_axis))
    mesh = as_mesh(in_unit(mesh, MILLIMETRES[spec.unit]))
    found = {**verify.measures(mesh), "size_bytes": len(data)}
    if spec.min_wall_mm is not None:
        found["wall_thickness"] = walls(mesh.vertices, mesh.faces).figures(spec.min_wall_mm)
    return {**found, **_quality(mesh, found)} if spec.scored else found


def _first_file(data: bytes, file_format: str) -> bytes:
    """The model in a bundle, which is its first file; any other file as it is."""
    if data[:4] != ZIPPED or file_format in ZIPS:
        return data
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return archive.read(archive.namelist()[0])


def _quality(mesh: Mesh, found: dict[str, Any]) -> dict[str, Any]:
    """Crossing triangles, and the points that are left of 100."""
    crossed = crossings(mesh.vertices, mesh.faces)
    points = scores(
        is_watertight=found["is_watertight"],
        is_manifold=found["is_manifold"],
        degenerate_share=found["degenerate_faces"] / found["face_count"],
        intersecting_share=float(crossed.faces.mean()),
    )
    return {"self_intersections": crossed.pairs, "quality_score": points.quality}
