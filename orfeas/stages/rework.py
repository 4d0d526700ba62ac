"""Stored meshes: read, looked at, mended."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from orfeas.domain.presets import PRINTERS
from orfeas.domain.specs import Analyze, Assemble, ReadMesh, Repair
from orfeas.errors import OpenMeshError
from orfeas.geometry import exports, formats
from orfeas.geometry import repair as mending
from orfeas.geometry.analysis import analyze
from orfeas.geometry.assembly import Assembly, Model, as_mesh
from orfeas.geometry.exports import Collision
from orfeas.geometry.formats.models import Unit
from orfeas.geometry.manifoldness import topology
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.repair import Repaired
from orfeas.geometry.scale import UpAxis, turn, turn_back
from orfeas.geometry.weld import by_position
from orfeas.stages.registry import Progress, Result, implements

Y_OF_Z = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""From z up to y up, as `scale.turn_back`."""
LOOK = {"auto": None, "true": True, "false": False}
STILL_OPEN = "The mesh is still open; ask for aggressive to have a new surface made."
PARTS_MEET = "Each part is closed, but parts share edges; ask for aggressive to have them made one."
MADE_ONE = "Parts that share edges were made one."
OPEN_IN_THE_END = "The mesh could not be closed, not even by a new surface."


@implements(ReadMesh)
def read(data: bytes, spec: ReadMesh, on_progress: Progress) -> Result:
    """A stored file as a model with y up. Its report says what an asset shows of its mesh."""
    found = formats.read_model(data, spec.format, max_faces=spec.max_faces, unit=cast(Unit, spec.unit))
    model = _upright(found, cast(UpAxis, spec.up_axis))
    return Result(model, {"mesh": facts(model)} if spec.unit == "mm" else {})


@implements(Assemble)
def assemble(model: Model, spec: Assemble, on_progress: Progress) -> Result:
    """The model's parts, each with its collision shapes and levels of detail."""
    collision = None if spec.collision == "none" else cast(Collision, spec.collision)
    made = exports.assemble(model, name=spec.part_name, collision=collision, max_parts=spec.max_parts, lods=spec.lods)
    return Result(made, {"nodes": [{"name": part.name, "faces": len(part.mesh.faces)} for part in made.parts]})


@implements(Analyze)
def look(model: Model, spec: Analyze, on_progress: Progress) -> Result:
    """Everything that is known of a model, in the axes of its file."""
    axis = cast(UpAxis, spec.up_axis)
    found = analyze(
        turn(as_mesh(model), axis),
        printer=PRINTERS[spec.printer],
        min_wall_mm=spec.min_wall_mm,
        self_intersections=LOOK[spec.self_intersections],
        up_axis=axis,
        on_progress=on_progress,
    )
    return Result(None, {"analysis": found})


@implements(Repair)
def repair(model: Model, spec: Repair, on_progress: Progress) -> Result:
    """A closed surface of each part; what was done is told for all together."""
    parts = model.parts if isinstance(model, Assembly) else ()
    done = [_mended(part.mesh, spec, on_progress) for part in parts] or [_mended(as_mesh(model), spec, on_progress)]
    mended: Model = done[0].mesh
    if parts:
        mended = Assembly(tuple(replace(part, mesh=found.mesh) for part, found in zip(parts, done, strict=True)))
    closed, warnings = all(found.is_watertight for found in done), []
    if closed and len(parts) > 1 and not _closed_together(mended):
        # A file of them would be open for whoever merges equal places.
        closed, warnings = False, [PARTS_MEET]
        if spec.aggressive:
            done, warnings = [_mended(as_mesh(model), spec, on_progress)], [MADE_ONE]
            mended, closed = done[0].mesh, done[0].is_watertight
    elif not closed:
        warnings = [STILL_OPEN]
    if spec.aggressive and not closed:
        raise OpenMeshError(OPEN_IN_THE_END)
    return Result(mended, {**_together(done), "is_watertight": closed, **({"warnings": warnings} if warnings else {})})


def _closed_together(model: Model) -> bool:
    whole = as_mesh(model)
    return topology(by_position(whole.vertices, whole.faces)[1]).is_watertight


def facts(model: Model) -> dict[str, object]:
    """Faces, vertices and the sides of the box, y up."""
    mesh = as_mesh(model)
    used = mesh.vertices[mesh.faces].reshape(-1, 3)
    extents = np.round(used.max(axis=0) - used.min(axis=0), 6).tolist()
    return {"faces": len(mesh.faces), "vertices": len(np.unique(mesh.faces)), "extents_mm": extents}


def _upright(model: Model, up_axis: UpAxis) -> Model:
    """A model in its file's axes with y up."""
    if isinstance(model, Assembly):
        return model if up_axis == "y" else model.moved(Y_OF_Z)
    return turn_back(model, up_axis)


def _mended(mesh: Mesh, spec: Repair, on_progress: Progress) -> Repaired:
    return mending.repair(mesh, aggressive=spec.aggressive, on_progress=on_progress)


def _together(done: list[Repaired]) -> dict[str, Any]:
    """The figures of several repairs as those of one; operations of one name count together."""
    operations: dict[str, dict[str, Any]] = {}
    for operation in (operation for found in done for operation in found.operations):
        known = operations.setdefault(operation.name, {**asdict(operation), "count": 0})
        known["count"] += operation.count
    changes = [found.volume_change for found in done]
    return {
        "operations": list(operations.values()),
        "volume_change": changes[0] if len(changes) == 1 else None,
        "max_deviation_mm": max(found.max_deviation_mm for found in done),
        "mean_deviation_mm": sum(found.mean_deviation_mm for found in done) / len(done),
    }
