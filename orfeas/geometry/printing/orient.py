"""The way up in which a mesh prints best."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from orfeas.domain.presets import Printer
from orfeas.errors import EmptyMeshError
from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.printing.overhang import slopes
from orfeas.geometry.scale import UpAxis, turn

Goal = Literal["overhang", "height", "area", "base"]
Matrix = NDArray[np.float64]
Floats = NDArray[np.float64]

HULL_FACES = 24  # largest flat sides of the convex hull that are tried
ALIKE = 0.001  # scores closer than this share of the whole are a draw, which the next criterion decides
Z_UP_OF_Y_UP: Matrix = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # as `scale.z_up`


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to lay the mesh down.

    Attributes
    ----------
    down : (3,) float
        Direction in the mesh's own axes that faces the bed.
    overhang_area_mm2, height_mm, footprint_mm2, base_mm2 : float
        Area of faces that overhang by more than the angle; height; area of the convex hull's shadow on the bed;
        area that lies on the bed.
    stable : bool
        The centre of mass stands over what lies on the bed.
    fits : bool
        It fits the printer, turned by a quarter turn on the bed if need be.
    score : float
        What the goal asks for: overhang, height or footprint (less is better), or base (more is better).
    """

    down: tuple[float, float, float]
    overhang_area_mm2: float
    height_mm: float
    footprint_mm2: float
    base_mm2: float
    stable: bool
    fits: bool
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Oriented:
    """A mesh laid down for printing.

    Attributes
    ----------
    mesh : Mesh
        z up; not yet moved to the bed.
    matrix : (3, 3) float64
        From the axes of the given mesh to those of `mesh`: vertices @ matrix.T.
    candidates : tuple of Candidate
        All that were tried, best first; the first was taken.
    """

    mesh: Mesh
    matrix: Matrix
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """What all candidates look at, z up."""

    vertices: Vertices
    faces: Faces
    centre: Floats
    hull: Vertices
    hull_cross: Floats  # normals of the hull's triangles with their areas as lengths
    diagonal: float


def orient(
    mesh: Mesh,
    *,
    printer: Printer,
    goal: Goal = "overhang",
    angle_deg: float | None = None,
    up_axis: UpAxis = "y",
) -> Oriented:
    """Lay a mesh down in the best of 26 directions and the largest flat sides of its convex hull.

    Parameters
    ----------
    mesh : Mesh
        Millimetres.
    printer : Printer
        Ways in which the mesh fits its volume go before those in which it does not.
    goal : str
        `overhang` wants the least overhanging area among the ways in which the mesh stands by itself, `height` the
        least height, `area` the least footprint and `base` the largest area on the bed. Draws are decided by
        stability, then overhang, base and height, then by the way the mesh lies already.
    angle_deg : float or None
        Faces leaning out further from the vertical overhang; the printer's angle without it.
    up_axis : "y" or "z"
        Axis that is up in `mesh`; the result has z up.

    Raises
    ------
    EmptyMeshError
        The mesh has no faces.
    """
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be laid down.")
    before = Z_UP_OF_Y_UP if up_axis == "y" else np.eye(3)
    body = _body(turn(mesh, "z") if up_axis == "y" else mesh)
    angle = printer.overhang_deg if angle_deg is None else angle_deg
    turns = [_facing_down(down) for down in _directions(body)]
    found = [_candidate(body, matrix, matrix @ before, printer, goal, angle) for matrix in turns]
    order = sorted(range(len(found)), key=lambda index: (*_rank(found[index], goal, body), index))
    matrix = _exact(_spun(body, turns[order[0]], printer) @ before)
    return Oriented(mesh.moved(mesh.vertices @ matrix.T), matrix, tuple(found[index] for index in order))


def _body(mesh: Mesh) -> _Body:
    used = mesh.vertices[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    try:
        hull = ConvexHull(used)
    except (QhullError, ValueError):  # flat: its box stands in for it
        corners = np.array(list(product(*zip(low - 1e-6, high + 1e-6, strict=True))))
        used, hull = corners, ConvexHull(corners)
    a, b, c = used[hull.simplices].transpose(1, 0, 2)
    cross = np.cross(b - a, c - a) / 2.0
    outward = np.einsum("fi,fi->f", cross, hull.equations[:, :3]) < 0.0
    cross[outward] *= -1.0
    corners = used[hull.vertices]
    return _Body(mesh.vertices, mesh.faces, _centre(mesh), corners, cross, float(np.linalg.norm(high - low)))


def _centre(mesh: Mesh) -> Floats:
    """Centre of mass of a closed surface; where there is no volume to speak of, the middle of the box."""
    corners = mesh.vertices[mesh.faces]
    low, high = corners.reshape(-1, 3).min(axis=0), corners.reshape(-1, 3).max(axis=0)
    middle = (low + high) / 2.0
    a, b, c = (corners - middle).transpose(1, 0, 2)
    parts = np.einsum("fi,fi->f", a, np.cross(b, c)) / 6.0
    total = float(parts.sum())
    if abs(total) < 1e-6 * float(np.prod(np.maximum(high - low, 1e-9))):
        return np.asarray(middle)
    found = middle + (parts[:, None] * (a + b + c)).sum(axis=0) / (4.0 * total)
    return np.asarray(np.clip(found, low, high))


def _directions(body: _Body) -> list[Floats]:
    """Ways down: as it lies, the other 25 of a cube's sides, edges and corners, the largest sides of the hull."""
    grid = [np.array(way, dtype=np.float64) for way in product((0, -1, 1), repeat=3) if any(way)]
    grid.sort(key=lambda way: (tuple(way) != (0.0, 0.0, -1.0), float(np.abs(way).sum())))
    found = [way / np.linalg.norm(way) for way in grid]
    for side in _sides(body.hull_cross):
        if all(float(side @ other) < 1.0 - 1e-6 for other in found):
            found.append(side)
    return found


def _sides(cross: Floats) -> list[Floats]:
    """Outward directions of the hull's largest flat sides, triangles of one plane taken together."""
    areas = np.linalg.norm(cross, axis=1)
    normals = cross[areas > 0.0] / areas[areas > 0.0, None]
    _, which = np.unique(np.round(normals, 4), axis=0, return_inverse=True)
    sums = np.stack([np.bincount(which.ravel(), cross[areas > 0.0][:, axis]) for axis in range(3)], axis=1)
    size = np.linalg.norm(sums, axis=1)
    largest = np.argsort(-np.round(size, 6), kind="stable")[:HULL_FACES]
    return [sums[index] / size[index] for index in largest]


def _facing_down(down: Floats) -> Matrix:
    """The smallest rotation that takes a direction to (0, 0, -1).

    Source: O. Rodrigues' formula for the rotation between two unit vectors.
    """
    target = np.array([0.0, 0.0, -1.0])
    cosine = float(down @ target)
    if cosine < -1.0 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    x, y, z = np.cross(down, target)
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return _exact(np.eye(3) + skew + skew @ skew / (1.0 + cosine))


def _exact(values: Floats) -> Floats:
    """Without the crumbs of rounding near 0 and 1, so that quarter turns are exact."""
    near = np.round(values)
    return np.asarray(np.where(np.abs(values - near) < 1e-12, near, values) + 0.0)


def _candidate(body: _Body, matrix: Matrix, whole: Matrix, printer: Printer, goal: Goal, angle: float) -> Candidate:
    """Measures of a way to lie; `whole` is the turn from the given mesh's own axes."""
    x, y, z = _exact(-whole[2]).tolist()
    turned = body.vertices @ matrix.T
    found = slopes(turned, body.faces, angle_deg=angle, layer_mm=printer.layer_mm)
    box = _extents(body.hull @ matrix.T)
    measures = {
        "overhang": float(found.areas[found.overhanging].sum()),
        "height": float(box[2]),
        "area": float(np.abs(body.hull_cross @ matrix[2]).sum() / 2.0),
        "base": float(found.areas[found.on_bed].sum()),
    }
    resting = turned[np.unique(body.faces[found.on_bed])][:, :2]
    return Candidate(
        down=(x, y, z),
        overhang_area_mm2=measures["overhang"],
        height_mm=measures["height"],
        footprint_mm2=measures["area"],
        base_mm2=measures["base"],
        stable=_inside((matrix @ body.centre)[:2], resting),
        fits=_fits(body.hull @ matrix.T, printer),
        score=measures[goal],
    )


def _rank(found: Candidate, goal: Goal, body: _Body) -> tuple[float, ...]:
    """Smaller is better; areas and heights in steps, so that rounding never decides."""
    area = ALIKE * float(np.linalg.norm(body.hull_cross, axis=1).sum())
    height = ALIKE * body.diagonal
    steps = {
        "overhang": round(found.overhang_area_mm2 / area),
        "height": round(found.height_mm / height),
        "area": round(found.footprint_mm2 / area),
        "base": -round(found.base_mm2 / area),
    }
    rest = [not found.stable, steps["overhang"], steps["base"], steps["height"]]
    falls = goal == "overhang" and not found.stable  # balanced on an edge it needs supports, overhang or not
    return (not found.fits, falls, steps[goal], *rest)


def _inside(point: Floats, resting: Floats) -> bool:
    """Whether a point lies in the convex hull of others, in the plane."""
    if len(resting) < 3:
        return False
    try:
        hull = ConvexHull(resting)
    except (QhullError, ValueError):
        return False
    return bool((hull.equations[:, :2] @ point + hull.equations[:, 2] <= 1e-9).all())


def _extents(corners: Floats) -> Floats:
    return np.asarray(np.ptp(corners, axis=0))


def _fits(corners: Floats, printer: Printer) -> bool:
    """Whether it fits in some turn about the vertical that `_spun` would choose."""
    return any(printer.holds(_box(corners @ spin.T)) for spin in _spins(corners))


def _spun(body: _Body, matrix: Matrix, printer: Printer) -> Matrix:
    """Turned about the vertical only where it does not fit otherwise: by a quarter, or along its narrowest box."""
    corners = body.hull @ matrix.T
    fitting = (spin for spin in _spins(corners) if printer.holds(_box(corners @ spin.T)))
    return np.asarray(next(fitting, np.eye(3)) @ matrix)


def _box(corners: Floats) -> tuple[float, float, float]:
    x, y, z = _extents(corners).tolist()
    return x, y, z


def _spins(corners: Floats) -> list[Matrix]:
    """Turns about z: none, a quarter, and the two that lay the smallest box around the shadow along the axes."""
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    shadow = corners[:, :2]
    try:
        outline = shadow[ConvexHull(shadow).vertices]
    except (QhullError, ValueError):
        return [np.eye(3), quarter]
    along = np.roll(outline, -1, axis=0) - outline
    angles = np.unique(np.round(np.mod(-np.arctan2(along[:, 1], along[:, 0]), np.pi / 2.0), 9))
    turned = [np.ptp(outline @ _about_z(angle)[:2, :2].T, axis=0).prod() for angle in angles]
    least = _about_z(float(angles[int(np.argmin(np.round(turned, 6)))]))
    return [np.eye(3), quarter, least, quarter @ least]


def _about_z(angle: float) -> Matrix:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
