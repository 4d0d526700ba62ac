"""Hollow bodies: an inner shell at an even distance from the surface, and drains through the wall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orfeas.errors import EmptyMeshError, InvalidRequestError, OpenMeshError
from orfeas.geometry import colors
from orfeas.geometry.manifoldness import topology
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.orient import wound_outward
from orfeas.geometry.printing.cavity import dig
from orfeas.geometry.printing.distance import Surface
from orfeas.geometry.printing.drains import Drain, drill
from orfeas.geometry.weld import by_position, collapsed

Progress = Callable[[float], None]

FINEST_GRID = 320  # cells along the longest side: 33 million samples in a cube
SPACING = 0.7  # cells between samples of the surface
CELLS_IN_WALL = 1.2  # fewer, and neighbouring samples lie on both sides of the wall


@dataclass(frozen=True, slots=True, eq=False)
class Hollowed:
    """A hollow mesh.

    Attributes
    ----------
    mesh : Mesh
        Outer surface, cavities and drains in one closed surface.
    outer_volume_mm3, cavity_volume_mm3, volume_mm3 : float
        Of the solid that was given, of what was dug out before drains were drilled, of the material left.
    thinnest_wall_mm : float
        The least distance of the cavities from the outer surface, measured at their vertices and faces; drains aside.
    cavities : int
        Separate cavities; places too narrow for one stay solid.
    drains : tuple of Drain
    grid : int
        Cells along the longest side; more than was asked for where the wall needed them.
    """

    mesh: Mesh
    outer_volume_mm3: float
    cavity_volume_mm3: float
    volume_mm3: float
    thinnest_wall_mm: float
    cavities: int
    drains: tuple[Drain, ...]
    grid: int


def hollow(
    mesh: Mesh,
    *,
    wall_mm: float,
    drain_diameter_mm: float = 3.0,
    drain_count: int = 2,
    grid: int = 192,
    on_progress: Progress | None = None,
) -> Hollowed:
    """Dig out the inside of a closed mesh up to a wall of even thickness, and drill drains.

    Parameters
    ----------
    mesh : Mesh
        Closed; millimetres, z up. A texture becomes colours of vertices.
    wall_mm : float
        The wall is nowhere thinner.
    drain_diameter_mm, drain_count : float, int
        Holes for each cavity: the first at its lowest place, the others low and far from one another. A cavity that
        holds less than a drain is wide and long stays solid. 0 drains leaves closed cavities.
    grid : int
        Samples along the longest side; raised, up to 320, where a cell would be wider than the wall allows.
    on_progress : callable, optional
        Told 0 to 1; may raise to cancel.

    Raises
    ------
    OpenMeshError
        The mesh is not closed.
    InvalidRequestError
        The wall is too thin for the finest grid, or so thick that nothing is left to dig out, or no drain can be
        drilled.

    References
    ----------
    W. E. Lorensen, H. E. Cline, "Marching cubes", SIGGRAPH 1987, on distances to the surface; vertices are then moved
    along the direction to the surface to the exact distance.
    """
    tell = on_progress or (lambda share: None)
    solid = _closed(mesh)
    cells = _cells(solid, wall_mm, grid)
    cell = float(np.ptp(solid.vertices, axis=0).max()) / cells
    surface = Surface(solid.vertices, solid.faces, SPACING * cell)
    tell(0.2)
    smallest = drain_diameter_mm**3 * np.pi / 4.0 if drain_count else 0.0
    cavity = dig(solid, surface, wall_mm=wall_mm, cell=cell, smallest_mm3=smallest)
    if cavity is None:
        raise _no_room(wall_mm)
    tell(0.7)
    drilled, drains = drill(solid, cavity, surface, diameter_mm=drain_diameter_mm, count=drain_count)
    tell(1.0)
    return Hollowed(
        mesh=drilled,
        outer_volume_mm3=signed_volume(solid.vertices, solid.faces),
        cavity_volume_mm3=cavity.volume,
        volume_mm3=signed_volume(drilled.vertices, drilled.faces),
        thinnest_wall_mm=float(surface.distance(cavity.points).min()),
        cavities=len(cavity.pieces),
        drains=drains,
        grid=cells,
    )


def _closed(mesh: Mesh) -> Mesh:
    """Welded, outward, with colours at the vertices if at all; refused when open."""
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be hollowed.")
    first, faces = by_position(mesh.vertices, mesh.faces)
    faces = faces[~collapsed(faces)]
    painted = colors.of_vertices(mesh)
    state = topology(faces)
    solid = Mesh(mesh.vertices[first], faces, vertex_colors=None if painted is None else painted[first])
    if not state.is_watertight:
        solid = wound_outward(solid, state) if state.boundary_edges + state.non_manifold_edges == 0 else solid
        state = topology(solid.faces)
    if not state.is_watertight:
        raise OpenMeshError(
            f"Only a closed mesh has an inside to hollow; this one has {state.boundary_edges} open and "
            f"{state.non_manifold_edges} non-manifold edges. Repair it first."
        )
    return wound_outward(solid, state)


def _cells(mesh: Mesh, wall_mm: float, grid: int) -> int:
    """Cells along the longest side that resolve the wall."""
    longest = float(np.ptp(mesh.vertices, axis=0).max())
    needed = int(np.ceil(longest / wall_mm * CELLS_IN_WALL))
    if needed > FINEST_GRID:
        least = longest * CELLS_IN_WALL / FINEST_GRID
        raise InvalidRequestError(
            f"Walls of {wall_mm:g} mm are too thin for a model of {longest:.0f} mm: the finest grid has {FINEST_GRID} "
            f"cells along it. Ask for {least:.2f} mm or more, or for a smaller model.",
            errors=[{"pointer": "/wall_mm", "detail": f"At least {least:.2f} for this size."}],
        )
    return max(grid, needed)


def _no_room(wall_mm: float) -> InvalidRequestError:
    return InvalidRequestError(
        f"No place in this model is wide enough for a cavity inside walls of {wall_mm:g} mm. Ask for thinner walls or "
        "a larger model, or print it solid.",
        errors=[{"pointer": "/wall_mm", "detail": "Nothing is left to dig out."}],
    )
