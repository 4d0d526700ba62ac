"""Holes through the wall of a hollow body, where liquid collects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import manifold3d
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.errors import InvalidRequestError
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.printing.cavity import Cavity
from orfeas.geometry.printing.distance import Surface, spread
from orfeas.geometry.printing.solid import Solid, mesh_of, solid_of

Floats = NDArray[np.float64]

SEGMENTS = 48  # of a drain's circle
LOWEST = 0.02  # of a cavity's height: its bottom
LOW = 0.3  # of a cavity's height: where further drains may be
APART = 1.5  # diameters between the middles of two drains
EVEN = 0.9  # cosine up to which the wall around a drain may bend
INNER = (200, 200, 200, 255)  # colour of the inside of a coloured model


@dataclass(frozen=True, slots=True)
class Drain:
    """A round hole from the outer surface into a cavity; `direction` points outward, `cavity` counts from 0."""

    position: tuple[float, float, float]
    direction: tuple[float, float, float]
    diameter_mm: float
    cavity: int


def drill(
    mesh: Mesh, cavity: Cavity, surface: Surface, *, diameter_mm: float, count: int
) -> tuple[Mesh, tuple[Drain, ...]]:
    """The mesh without its cavities, and holes to each of them.

    Raises
    ------
    InvalidRequestError
        A cavity has no place where a drain of this diameter opens it.
    """
    tools: list[Solid] = []
    drains: list[Drain] = []
    for index, piece in enumerate(cavity.pieces):
        for inner, outer in _places(piece, surface, diameter_mm, count):
            direction = (outer - inner) / np.linalg.norm(outer - inner)
            tools.append(_tool(inner, outer, direction, diameter_mm, _room(surface, inner, outer, direction)))
            drains.append(Drain(_triple(outer), _triple(direction), diameter_mm, index))
    dug = reduce(lambda solid, piece: solid - piece, cavity.solids, solid_of(mesh))
    drilled = reduce(lambda solid, tool: solid - tool, tools, dug)
    if count and len(drilled.decompose()) >= len(dug.decompose()):
        raise InvalidRequestError(
            f"No drain of {diameter_mm:g} mm opens the cavity. Ask for thinner drains, or for none with drain_count 0.",
            errors=[{"pointer": "/drain_diameter_mm", "detail": "Too wide for the cavity."}],
        )
    return _painted(mesh_of(drilled), mesh), tuple(drains)


def _places(piece: Mesh, surface: Surface, diameter: float, count: int) -> list[tuple[Floats, Floats]]:
    """Where drains begin in the cavity and end on the surface: low, on even walls, apart from one another."""
    if count == 0:
        return []
    inner = spread(piece.vertices[piece.faces], diameter / 2.0)[0]
    low, height = float(inner[:, 2].min()), float(np.ptp(inner[:, 2]))
    inner = inner[inner[:, 2] <= low + LOW * height]
    distance, outer = surface.nearest(inner)
    even = _even((outer - inner) / distance[:, None], inner, diameter)
    if even.any():
        inner, outer = inner[even], outer[even]
    bottom = np.flatnonzero(inner[:, 2] <= inner[:, 2].min() + LOWEST * height)
    spreadout = np.linalg.norm(inner[bottom] - inner[bottom].mean(axis=0), axis=1)
    chosen = [int(bottom[np.argmax(np.round(spreadout, 6))])]
    while len(chosen) < count:
        gaps = np.linalg.norm(inner[:, None] - inner[chosen], axis=2).min(axis=1)
        farthest = int(np.argmax(np.round(gaps, 6)))
        if gaps[farthest] < APART * diameter:
            break
        chosen.append(farthest)
    return [(inner[index], outer[index]) for index in chosen]


def _even(directions: Floats, places: Floats, diameter: float) -> NDArray[np.bool_]:
    """Places around which the wall faces the same way as far as a drain is wide."""
    pairs = cKDTree(places).query_pairs(diameter * 0.75, output_type="ndarray")
    bent = np.einsum("pi,pi->p", directions[pairs[:, 0]], directions[pairs[:, 1]]) < EVEN
    even = np.ones(len(places), dtype=bool)
    even[pairs[bent].ravel()] = False
    return even


def _room(surface: Surface, inner: Floats, outer: Floats, direction: Floats) -> float:
    """How far a drain may reach into the cavity: less than half way to the wall across."""
    wall = float(np.linalg.norm(outer - inner))
    steps = np.linspace(0.0, 4.0 * wall, 65)[1:]
    clear = surface.distance(inner - steps[:, None] * direction) > wall * 0.98
    reach = steps[-1] if clear.all() else steps[max(0, int(np.argmin(clear)) - 1)]
    return float(reach) / 2.0


def _tool(inner: Floats, outer: Floats, direction: Floats, diameter: float, room: float) -> Solid:
    """A cylinder from within the cavity to beyond the surface."""
    start = inner - min(diameter / 2.0, room) * direction
    end = outer + diameter / 2.0 * direction
    side = np.cross(direction, np.eye(3)[int(np.argmin(np.abs(direction)))])
    side /= np.linalg.norm(side)
    frame = np.stack([side, np.cross(direction, side), direction, start], axis=1)
    radius = diameter / 2.0
    return manifold3d.Manifold.cylinder(float(np.linalg.norm(end - start)), radius, radius, SEGMENTS).transform(frame)


def _painted(drilled: Mesh, before: Mesh) -> Mesh:
    """Surfaces that the cut has made have no colour yet."""
    if before.vertex_colors is None or drilled.vertex_colors is None:
        return drilled
    painted = drilled.vertex_colors.copy()
    painted[painted.sum(axis=1) == 0] = INNER
    return Mesh(drilled.vertices, drilled.faces, vertex_colors=painted)


def _triple(values: Floats) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
