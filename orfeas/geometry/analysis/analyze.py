"""The whole analysis of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Printer
from orfeas.errors import EmptyMeshError
from orfeas.geometry.analysis.crossings import Crossings, crossings
from orfeas.geometry.analysis.defects import Defects, Surface, defects, middles
from orfeas.geometry.analysis.problems import Problem, printability, recommended_actions
from orfeas.geometry.analysis.scores import THIN_SHARE, Scores, scores
from orfeas.geometry.analysis.walls import Walls, walls
from orfeas.geometry.measures import face_volumes, surface_area
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.printing.overhang import slopes
from orfeas.geometry.scale import UpAxis, z_up

Progress = Callable[[float], None]
SELF_INTERSECTION_FACES = 200_000
"""Up to which crossing faces are looked for unless asked otherwise."""
SKIPPED = -1


def analyze(
    mesh: Mesh,
    *,
    printer: Printer,
    min_wall_mm: float | None = None,
    self_intersections: bool | None = None,
    up_axis: UpAxis = "y",
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything that is known of a mesh, and what a printer makes of it.

    Parameters
    ----------
    mesh : Mesh
        Millimetres, in the axes that positions are answered in.
    printer : Printer
        Gives the volume to fit into, the smallest wall and the steepest overhang.
    min_wall_mm : float or None
        In place of the printer's.
    self_intersections : bool or None
        Whether to look for crossing faces; None: up to 200 000 faces.
    up_axis : "y" or "z"
        Axis of the mesh that is up when it is printed.
    on_progress : callable or None
        Told the share that is done.

    Returns
    -------
    dict
        JSON values. `self_intersections` is -1 where they were not looked for; `volume`, `center_of_mass` of the
        enclosed solid and `genus` need a watertight surface (the centre is else that of the surface).

    Raises
    ------
    EmptyMeshError
        The mesh has no faces.
    """
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be analysed.")
    tell = on_progress or (lambda share: None)
    looking = len(mesh.faces) <= SELF_INTERSECTION_FACES if self_intersections is None else self_intersections
    surface = Surface.of(mesh)
    wrong = defects(surface)
    tell(0.2)
    crossed = _crossings(surface, lambda share: tell(0.2 + 0.6 * share)) if looking else None
    tell(0.8)
    thickness = walls(surface.vertices, surface.faces)
    tell(0.95)
    whole = _Whole(mesh, surface, wrong, crossed, thickness, printer, min_wall_mm or printer.min_wall_mm, up_axis)
    return whole.report()


def _crossings(surface: Surface, tell: Progress) -> Crossings:
    return crossings(surface.vertices, surface.faces, on_progress=tell)


@dataclass(frozen=True, slots=True, eq=False)
class _Whole:
    """What was found, to be put together."""

    mesh: Mesh
    surface: Surface
    wrong: Defects
    crossed: Crossings | None
    walls: Walls
    printer: Printer
    min_wall_mm: float
    up_axis: UpAxis

    def report(self) -> dict[str, Any]:
        found = self._problems()
        points = self._scores()
        return {
            **self._counts(),
            **self._sizes(),
            "wall_thickness": self.walls.figures(self.min_wall_mm),
            **self._overhang(),
            "quality_score": points.quality,
            "printability_score": points.printability,
            "printability": printability(found),
            "recommended_actions": recommended_actions(found),
        }

    @property
    def _degenerate(self) -> int:
        return int(self.wrong.degenerate.sum()) + len(self.surface.collapsed_places)

    def _counts(self) -> dict[str, Any]:
        state = self.surface.topology
        return {
            "is_watertight": state.is_watertight,
            "is_manifold": state.is_manifold,
            "vertex_count": state.vertex_count,
            "face_count": len(self.mesh.faces),
            "edge_count": state.edge_count,
            "body_count": state.body_count,
            "euler_number": state.euler_number,
            "genus": state.genus,
            "holes_count": self.wrong.holes,
            "boundary_edges": len(self.wrong.boundary),
            "non_manifold_edges": len(self.wrong.non_manifold),
            "inverted_faces": int(self.wrong.inverted.sum()),
            "duplicate_faces": int(self.wrong.duplicate.sum()),
            "degenerate_faces": self._degenerate,
            "self_intersections": SKIPPED if self.crossed is None else self.crossed.pairs,
        }

    def _sizes(self) -> dict[str, Any]:
        vertices, faces = self.surface.vertices, self.surface.faces
        low, high = self._box()
        volume, centre = _volume_and_centre(self.surface)
        return {
            "volume": volume,
            "surface_area": surface_area(vertices, faces),
            "center_of_mass": None if centre is None else _rounded(centre),
            "bounding_box": {"min": _rounded(low), "max": _rounded(high), "size": _rounded(high - low)},
        }

    def _box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        used = self.mesh.vertices[self.mesh.faces].reshape(-1, 3)
        return used.min(axis=0), used.max(axis=0)

    def _overhang(self) -> dict[str, Any]:
        faces = self.surface.faces
        if len(faces) == 0:
            return {"overhang_area": 0.0, "overhang_share": 0.0}
        vertices = self.surface.vertices if self.up_axis == "z" else z_up(self.surface.vertices)
        seen = slopes(vertices, faces, angle_deg=self.printer.overhang_deg, layer_mm=self.printer.layer_mm)
        area, total = float(seen.areas[seen.overhanging].sum()), float(seen.areas.sum())
        return {"overhang_area": round(area, 4), "overhang_share": round(area / total, 6) if total else 0.0}

    def _scores(self) -> Scores:
        faces, state = len(self.mesh.faces), self.surface.topology
        crossing = 0 if self.crossed is None else int(self.crossed.faces.sum())
        return scores(
            is_watertight=state.is_watertight,
            is_manifold=state.is_manifold,
            degenerate_share=self._degenerate / faces,
            intersecting_share=crossing / faces,
            fits=self._fits(),
            thin_share=self.walls.figures(self.min_wall_mm)["thin_share"],
        )

    def _fits(self) -> bool:
        return self.printer.holds(self._size_z_up())

    def _size_z_up(self) -> tuple[float, float, float]:
        low, high = self._box()
        x, y, z = (high - low).tolist()
        return (x, y, z) if self.up_axis == "z" else (x, z, y)

    def _problems(self) -> list[Problem]:
        surface, wrong = self.surface, self.wrong
        listed = [
            Problem("holes", wrong.holes, lambda: middles(surface, wrong.boundary)),
            Problem("non_manifold_edges", len(wrong.non_manifold), lambda: middles(surface, wrong.non_manifold)),
            Problem("non_manifold_vertices", len(wrong.joints), lambda: surface.vertices[wrong.joints]),
            Problem("inverted_faces", int(wrong.inverted.sum()), lambda: surface.centres[wrong.inverted]),
            Problem("duplicate_faces", int(wrong.duplicate.sum()), lambda: surface.centres[wrong.duplicate]),
            Problem("degenerate_faces", self._degenerate, self._degenerate_places),
            *self._crossing_problem(),
            *self._printer_problems(),
        ]
        return [problem for problem in listed if problem.count]

    def _degenerate_places(self) -> NDArray[np.float64]:
        return np.concatenate([self.surface.collapsed_places, self.surface.centres[self.wrong.degenerate]])

    def _crossing_problem(self) -> list[Problem]:
        if (crossed := self.crossed) is None:
            return []
        return [Problem("self_intersections", crossed.pairs, lambda: self.surface.centres[crossed.faces])]

    def _printer_problems(self) -> list[Problem]:
        found = []
        if not self._fits():
            size = " x ".join(f"{side:.1f}" for side in self._size_z_up())
            room = " x ".join(f"{side * self.printer.usable_share:.1f}" for side in self.printer.volume_mm)
            found.append(Problem("too_large", 1, detail=f"it measures {size} mm, and {room} mm can be used"))
        thin = self.walls.thin(self.min_wall_mm)
        if len(thin) and thin.mean() > THIN_SHARE:
            detail = f"{self.walls.thickness.min():.2f} mm at the thinnest, {self.min_wall_mm:g} mm needed"
            found.append(Problem("thin_walls", int(thin.sum()), lambda: self.walls.points[thin], detail))
        return found


def _volume_and_centre(surface: Surface) -> tuple[float | None, NDArray[np.float64] | None]:
    """Volume, None unless watertight, and centre of mass: of the solid if it has a volume, else of the surface."""
    if len(surface.faces) == 0:
        return None, None
    corners = surface.vertices[surface.faces]
    if surface.topology.is_watertight:
        volumes = face_volumes(surface.vertices, surface.faces)
        total = float(volumes.sum())
        if total != 0.0:
            middle = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2.0
            # Centroid of the tetrahedron on each face; its fourth corner is the middle of the box.
            centres = (corners.sum(axis=1) + middle) / 4.0
            return total, np.asarray(volumes @ centres / total)
        return total, None
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return None, np.asarray(areas @ corners.mean(axis=1) / areas.sum()) if areas.any() else None


def _rounded(place: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 6) for value in place]
