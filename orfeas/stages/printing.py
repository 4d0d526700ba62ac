"""Models made ready for a printer. The geometry of printing has z up, stages hand over y up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import PRINTERS
from orfeas.domain.specs import Hollow, Orient, Place, Scale
from orfeas.geometry import printing
from orfeas.geometry.assembly import Assembly, Model, as_mesh
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.printing import Goal
from orfeas.geometry.scale import turn, turn_back
from orfeas.stages.registry import Progress, Result, implements

Matrix = NDArray[np.float64]
CANDIDATES_SHOWN = 12
Z_OF_Y: Matrix = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From y up to z up, as `scale.turn`."""


@implements(Orient)
def orient(model: Model, spec: Orient, on_progress: Progress) -> Result:
    """The model laid down in the best direction; the turn and the directions are told with z up."""
    found = printing.orient(
        turn(as_mesh(model), "z"),
        printer=PRINTERS[spec.printer],
        goal=cast(Goal, spec.goal),
        angle_deg=spec.angle_deg,
        up_axis="z",
    )
    report = {
        "goal": spec.goal,
        "matrix": found.matrix.tolist(),
        "candidates": [asdict(candidate) for candidate in found.candidates[:CANDIDATES_SHOWN]],
    }
    if isinstance(model, Assembly):
        return Result(model.moved(_affine(Z_OF_Y.T @ found.matrix @ Z_OF_Y)), report)
    return Result(turn_back(found.mesh, "z"), report)


@implements(Hollow)
def hollow(model: Model, spec: Hollow, on_progress: Progress) -> Result:
    """A shell with drains; several parts become one."""
    made = printing.hollow(
        turn(as_mesh(model), "z"),
        wall_mm=spec.wall_mm,
        drain_diameter_mm=spec.drain_diameter_mm,
        drain_count=spec.drain_count,
        grid=spec.grid,
        on_progress=on_progress,
    )
    report = {
        "volumes": {
            "solid_mm3": made.outer_volume_mm3, "cavity_mm3": made.cavity_volume_mm3, "shell_mm3": made.volume_mm3,
        },
        "thinnest_wall_mm": made.thinnest_wall_mm,
        "cavities": made.cavities,
        "grid": made.grid,
        "drains": [asdict(drain) for drain in made.drains],
    }  # fmt: skip
    return Result(turn_back(made.mesh, "z"), report)


@implements(Place)
def place(model: Model, spec: Place, on_progress: Progress) -> Result:
    """The model in the middle of the bed, and what the print will take."""
    before = turn(as_mesh(model), "z")
    placed = printing.place_on_bed(before)
    size = np.ptp(placed.vertices[np.unique(placed.faces)], axis=0)
    figures = printing.estimate(placed, PRINTERS[spec.printer], supports=spec.supports)
    report = {"estimate": {"final_size_mm": np.round(size, 6).tolist(), **figures}}
    return Result(_moved(model, placed, placed.vertices[0] - before.vertices[0]), report)


def fit_to_printer(model: Model, spec: Scale) -> Result:
    """The model in the size that was asked for, or in one that the printer can build."""
    fitted = printing.fit_to_printer(
        turn(as_mesh(model), "z"),
        PRINTERS[spec.printer or ""],
        target_size_mm=spec.longest_mm,
        turnable=spec.turnable,
    )
    report: dict[str, Any] = {"factor": fitted.factor, "size_mm": [*fitted.size_mm]}
    if fitted.factor != 1.0 and spec.longest_mm is None:
        report["warnings"] = [f"It was too large for {spec.printer} and was scaled by {fitted.factor:.4g}."]
    if isinstance(model, Assembly):
        return Result(model.moved(np.diag([*(fitted.factor,) * 3, 1.0])), report)
    return Result(turn_back(fitted.mesh, "z"), report)


def _moved(model: Model, placed: Mesh, shift: Matrix) -> Model:
    """The placed mesh with y up again; an assembly keeps its parts and moves as a whole."""
    if not isinstance(model, Assembly):
        return turn_back(placed, "z")
    matrix = np.eye(4)
    matrix[:3, 3] = Z_OF_Y.T @ shift
    return model.moved(matrix)


def _affine(turned: Matrix) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = turned
    return matrix
