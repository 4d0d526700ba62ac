"""Convex shapes around a mesh: its box, its hull, and a few parts that follow its hollows."""

from __future__ import annotations

from itertools import product

import manifold3d
import numpy as np
from numpy.typing import NDArray

from orfeas.errors import EmptyMeshError
from orfeas.geometry.mesh import Mesh, Vertices
from orfeas.geometry.printing.solid import Solid, mesh_of, solid_of
from orfeas.geometry.simplify import simplify

Floats = NDArray[np.float64]

MOST_CORNERS = 255  # the limit of convex shapes in PhysX, which common engines use
PLAIN_FACES = 6000  # a mesh is reduced to so many before it is cut: cuts follow hollows, not details
CUTS = 7  # planes tried along each axis
CONVEX = 0.02  # a part whose hull holds less than this share of the whole beside it counts as convex
FLAT = 1e-4  # of the diagonal: thickness given to hulls of flat meshes
BALANCE = 0.05  # weight of the difference between the two sides of a cut, as in the source
SMALLEST = 1e-4  # of the whole: slivers that a cut leaves
# Inward faces of a box whose corners are numbered by the bits x, y, z.
BOX_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 7, 5], [4, 6, 7], [0, 5, 1], [0, 4, 5], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]], dtype=np.int64
)  # fmt: skip


def box(mesh: Mesh) -> Mesh:
    """The box of a mesh along its axes, twelve faces."""
    low, high = _used(mesh).min(axis=0), _used(mesh).max(axis=0)
    corners = np.array(list(product((0.0, 1.0), repeat=3)))[:, ::-1]
    return Mesh(low + corners * (high - low), BOX_FACES[:, ::-1].copy())


def hull(mesh: Mesh) -> Mesh:
    """The convex hull of a mesh, of at most 255 corners; a flat one is made a little thick."""
    points = _used(mesh)
    found = manifold3d.Manifold.hull_points(points)
    if found.is_empty() or found.volume() <= 0.0:
        diagonal = float(np.linalg.norm(np.ptp(points, axis=0))) or 1.0
        around = np.array(list(product((-1.0, 1.0), repeat=3))) * diagonal * FLAT
        found = manifold3d.Manifold.hull_points((points[:, None] + around).reshape(-1, 3))
    return _plain(found)


def convex_parts(mesh: Mesh, *, max_parts: int = 8) -> list[Mesh]:
    """Convex parts that together follow a closed mesh, largest first.

    The part whose hull holds the most empty space is cut in two by the best of planes along the axes and the main
    axes of the part, until all are nearly convex or there are as many as allowed; then each part's hull is taken.

    Parameters
    ----------
    mesh : Mesh
        Closed.
    max_parts : int
        At least 1, which gives the hull of the whole.

    Raises
    ------
    OpenMeshError
        The mesh is not closed.

    References
    ----------
    K. Mamou, F. Ghorbel, "A simple and efficient approach for 3D mesh approximate convex decomposition", ICIP 2009,
    cuts by planes; the measure here is the volume between a part and its hull.
    """
    solid = solid_of(Mesh(mesh.vertices, mesh.faces))
    if max_parts == 1:
        return [hull(mesh)]
    if len(mesh.faces) > PLAIN_FACES:
        solid = solid_of(simplify(Mesh(mesh.vertices, mesh.faces), PLAIN_FACES, exact=True))
    whole = max(float(solid.hull().volume()), 1e-30)
    parts = [solid]
    while len(parts) < max_parts:
        gaps = [_gap(part) for part in parts]
        worst = int(np.argmax(np.round(gaps, 9)))
        if gaps[worst] < CONVEX * whole:
            break
        halves = _cut(parts[worst], whole)
        if halves is None:
            break
        parts[worst : worst + 1] = halves
    hulls = [part.hull() for part in parts]
    return [_plain(found) for found in sorted(hulls, key=lambda found: -found.volume())]


def _plain(found: Solid) -> Mesh:
    """A hull as a mesh; of too many corners, those furthest out in evenly spread directions are kept.

    Source: A. Gonzalez, "Measurement of areas on a sphere using Fibonacci and latitude-longitude lattices",
    Mathematical Geosciences 42, 2010, for the directions.
    """
    mesh = mesh_of(found)
    if len(mesh.vertices) <= MOST_CORNERS:
        return mesh
    turn = np.arange(MOST_CORNERS) * np.pi * (3.0 - np.sqrt(5.0))
    height = 1.0 - (2.0 * np.arange(MOST_CORNERS) + 1.0) / MOST_CORNERS
    around = np.sqrt(1.0 - height**2)
    directions = np.stack([around * np.cos(turn), around * np.sin(turn), height], axis=1)
    furthest = np.unique((mesh.vertices @ directions.T).argmax(axis=0))
    return mesh_of(manifold3d.Manifold.hull_points(mesh.vertices[furthest]))


def _gap(part: Solid) -> float:
    """Volume between a part and its hull."""
    return float(part.hull().volume() - part.volume())


def _cut(part: Solid, whole: float) -> list[Solid] | None:
    """The two sides of the plane that leaves the least empty space in their hulls, rather even ones.

    The first cut of a ring gains nothing and makes the next ones gain. None where nothing can be cut.
    """
    best, least = None, np.inf
    for normal, offset in _planes(part):
        sides = [side for side in part.split_by_plane(normal, offset) if side.volume() > SMALLEST * whole]
        if len(sides) == 2:
            space = sum(float(side.hull().volume()) for side in sides)
            space += BALANCE * abs(float(sides[0].volume() - sides[1].volume()))
            if space < least - 1e-9 * whole:
                best, least = sides, space
    return best


def _planes(part: Solid) -> list[tuple[list[float], float]]:
    """Planes across the axes and the main axes of a part, evenly and where many of its vertices lie."""
    points = np.asarray(part.to_mesh64().vert_properties, dtype=np.float64)[:, :3]
    _, main = np.linalg.eigh(np.cov(points.T))
    axes = [*np.eye(3), *(axis for axis in main.T if np.abs(axis).max() < 0.999)]
    found = []
    for axis in axes:
        along = points @ axis
        low, high = float(along.min()), float(along.max())
        even = np.linspace(low, high, CUTS + 2)[1:-1]
        found += [(axis.tolist(), float(offset)) for offset in (*even, *_ledges(along, low, high))]
    return found


def _ledges(along: Floats, low: float, high: float) -> Floats:
    """The places between the ends where most vertices share a coordinate: steps and shoulders."""
    steps, counts = np.unique(np.round((along - low) / max(high - low, 1e-30), 4), return_counts=True)
    inner = (steps > 0.01) & (steps < 0.99) & (counts >= 4)
    best = np.argsort(-counts[inner], kind="stable")[:CUTS]
    return np.asarray(low + steps[inner][best] * (high - low))


def _used(mesh: Mesh) -> Vertices:
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces has no box.")
    return np.asarray(mesh.vertices[np.unique(mesh.faces)])
