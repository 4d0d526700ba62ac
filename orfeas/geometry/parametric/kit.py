"""Solids to build with: boxes, turned, extruded and swept shapes whose edges are chamfered or rounded, y up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import manifold3d
import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]
TRUNCATED_OCTAHEDRON = np.array([
    row for a in (-1, 1) for b in (-2, 2)
    for row in ((0, a, b), (a, 0, b), (a, b, 0), (0, b, a), (b, 0, a), (b, a, 0))
]) / 5.0**0.5  # fmt: skip
SHARP_RAD = np.radians(24.0)
"""Corners that turn less belong to a curve and are not broken."""


@dataclass(frozen=True, slots=True)
class Kit:
    """How finely shapes are made.

    Attributes
    ----------
    segments : int
        Around a full turn.
    edge : float
        Width of a broken edge, as a share of the shape's size.
    steps : int
        Facets of a broken edge: one is a chamfer.
    """

    segments: int = 64
    edge: float = 0.02
    steps: int = 1
    faceted: bool = False

    def box(self, width: float, height: float, depth: float, edge: float | None = None) -> Manifold:
        """A box that stands on y = 0, its edges broken."""
        half = np.array([width, height, depth]) / 2.0
        size = min(self._edge(edge, max(width, height, depth)), 0.45 * 2.0 * float(half.min()))
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
        points = (signs * (half - size))[:, None, :] + size * self.vectors()[None]
        return Manifold.hull_points(points.reshape(-1, 3)).translate((0.0, height / 2.0, 0.0))

    def ball(self, radius: float) -> Manifold:
        """A sphere around the origin; faceted, of squares and hexagons that no crease smooths away."""
        if self.faceted:
            return Manifold.hull_points(radius * TRUNCATED_OCTAHEDRON)
        share = 1.0 if radius > 0.3 else 0.75 if radius > 0.12 else 0.4
        return Manifold.sphere(radius, max(12, round(self.segments * share / 4) * 4))

    def lathe(self, profile: Sequence[Point], *, edge: float | None = None, segments: int | None = None) -> Manifold:
        """Turn a closed outline of (radius, y) around the y axis; corners away from the axis are broken."""
        outline = np.asarray(profile, dtype=np.float64)
        outline[:, 0] = np.maximum(outline[:, 0], 0.0)
        size = self._edge(edge, float(np.ptp(outline, axis=0).max()))
        broken = break_corners(outline, size, self.steps, keep=outline[:, 0] <= 1e-9)
        cross = manifold3d.CrossSection([broken], manifold3d.FillRule.EvenOdd)
        return upright(cross.revolve(segments or self.segments))

    def cylinder(
        self, radius: float, height: float, *, edge: float | None = None, sides: int | None = None
    ) -> Manifold:
        """A cylinder, or a prism of some sides, that stands on y = 0."""
        return self.lathe([(0, 0), (radius, 0), (radius, height), (0, height)], edge=edge, segments=sides)

    def plate(
        self, outline: Sequence[Point] | Floats, depth: float, *, edge: float | None = None, corners: float = 0.0
    ) -> Manifold:
        """An outline in x and y, counter-clockwise, made solid from z = -depth/2 to depth/2.

        `corners` breaks those of the outline too, in shares of the kit's edge.
        """
        points = np.asarray(outline, dtype=np.float64)
        early, late = (corners, 0.0) if self.steps == 1 else (0.0, corners)  # an arc has sides too short to move inward
        points = self._cornered(points, early)
        size = min(self._edge(edge, float(np.ptp(points, axis=0).max())), 0.45 * depth)
        while size > 1e-4 and not _keeps_sides(points, shrunk(points, size)):
            size *= 0.7
        turn = np.linspace(0.0, np.pi / 2.0, self.steps + 1)
        inset, rise = size * (1.0 - np.sin(turn)), size * (1.0 - np.cos(turn))
        back = [(i, -depth / 2.0 + r) for i, r in zip(inset, rise, strict=True)]
        levels = back + [(i, -z) for i, z in back[::-1]]
        rings = [(self._cornered(shrunk(points, inset), late), z) for inset, z in levels]
        return loft([np.column_stack([ring, np.full(len(ring), z)]) for ring, z in rings])

    def _cornered(self, outline: Floats, share: float) -> Floats:
        return break_corners(outline, self.edge * share, self.steps, keep=_is_reentrant(outline)) if share else outline

    def slab(self, outline: Sequence[Point] | Floats, height: float, *, edge: float | None = None) -> Manifold:
        """An outline seen from above (x to the right, y away from the viewer) that lies on y = 0."""
        return upright(self.plate(outline, height, edge=edge)).translate((0.0, height / 2.0, 0.0))

    def rod(self, path: Floats, radius: float | Floats, *, closed: bool = False, sides: int | None = None) -> Manifold:
        """A round bar along an (n, 3) path."""
        count = sides or (8 if self.faceted else max(10, self.segments // 3))
        return sweep(path, np.broadcast_to(radius, len(path)), count, closed=closed)

    def points(self, share: float = 1.0, least: int = 6) -> int:
        """Samples of a curve that takes a share of a turn."""
        return max(least, round(self.segments * share))

    def _edge(self, edge: float | None, size: float) -> float:
        return (self.edge if edge is None else edge * max(1.0, self.edge / 0.02)) * size

    def vectors(self) -> Floats:
        """Unit vectors that make a broken corner: six for a chamfer."""
        return np.concatenate([np.eye(3), -np.eye(3)]) if self.steps == 1 else icosphere(2 if self.steps > 3 else 1)


def icosphere(levels: int) -> Floats:
    """Unit vectors of a divided octahedron with its six poles, so boxes keep their sides exactly."""
    count = 2**levels + (2 if levels > 1 else 1)
    grid = np.array([[i, j, count - i - j] for i in range(count + 1) for j in range(count + 1 - i)], dtype=np.float64)
    angle = np.sin(grid / count * np.pi / 2.0)
    unit = angle / np.linalg.norm(angle, axis=1, keepdims=True)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    return np.unique(np.round((unit[None] * signs[:, None]).reshape(-1, 3), 12), axis=0)


def upright(solid: Manifold) -> Manifold:
    """What was built along z, along y."""
    return solid.rotate((-90.0, 0.0, 0.0))


def union(solids: Sequence[Manifold]) -> Manifold:
    """All solids as one."""
    return Manifold.batch_boolean(list(solids), manifold3d.OpType.Add)


def move(solid: Manifold, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Manifold:
    """The solid elsewhere."""
    return solid.translate((x, y, z))


def from_faces(vertices: Floats, faces: NDArray[np.int64]) -> Manifold:
    """A solid of a closed surface, turned outward if it winds inward."""
    solid = Manifold(manifold3d.Mesh64(np.ascontiguousarray(vertices), np.ascontiguousarray(faces, dtype=np.uint64)))
    if solid.volume() >= 0.0:
        return solid
    return Manifold(manifold3d.Mesh64(np.ascontiguousarray(vertices), faces[:, ::-1].astype(np.uint64).copy()))


def loft(rings: Sequence[Floats]) -> Manifold:
    """Rings of as many (x, y, z) points each, joined in order, with flat ends."""
    count, levels = len(rings[0]), len(rings)
    sides = [_between(level * count, (level + 1) * count, count) for level in range(levels - 1)]
    cap = np.asarray(manifold3d.triangulate([np.ascontiguousarray(_flattened(rings[-1]))]), dtype=np.int64)
    first = np.asarray(manifold3d.triangulate([np.ascontiguousarray(_flattened(rings[0]))]), dtype=np.int64)
    faces = np.concatenate([*sides, cap + (levels - 1) * count, first[:, ::-1]])
    return from_faces(np.concatenate(rings), faces)


def _flattened(ring: Floats) -> Floats:
    """The ring in its own plane, seen so that it winds counter-clockwise."""
    centre = ring.mean(axis=0)
    normal = np.sum(np.cross(ring - centre, np.roll(ring, -1, axis=0) - centre), axis=0)
    normal = normal / np.linalg.norm(normal)
    first = np.cross(np.eye(3)[int(np.argmin(np.abs(normal)))], normal)
    first /= np.linalg.norm(first)
    return np.asarray((ring - centre) @ np.stack([first, np.cross(normal, first)], axis=1))


def _between(lower: int, upper: int, count: int) -> NDArray[np.int64]:
    here = np.arange(count)
    there = (here + 1) % count
    one = np.stack([lower + here, lower + there, upper + there], axis=1)
    return np.concatenate([one, np.stack([lower + here, upper + there, upper + here], axis=1)])


def sweep(path: Floats, radius: Floats, sides: int, *, closed: bool) -> Manifold:
    """A tube of circles across a path, without twist: frames are carried along by reflections.

    References
    ----------
    W. Wang et al., "Computation of rotation minimizing frames", ACM TOG 27(1), 2008.
    """
    path = np.asarray(path, dtype=np.float64)
    ahead = np.roll(path, -1, axis=0) - path
    tangent = ahead + np.roll(ahead, 1, axis=0)
    if not closed:
        tangent[0], tangent[-1] = ahead[0], ahead[-2]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = _carried(path, tangent)
    angle = np.arange(sides) / sides * 2.0 * np.pi
    rings = [
        p + r * (np.cos(angle)[:, None] * s + np.sin(angle)[:, None] * np.cross(t, s))
        for p, t, s, r in zip(path, tangent, side, radius, strict=True)
    ]
    if not closed:
        return loft(rings)
    order = [_between(i * sides, (i + 1) % len(rings) * sides, sides) for i in range(len(rings))]
    return from_faces(np.concatenate(rings), np.concatenate(order))


def _carried(path: Floats, tangent: Floats) -> Floats:
    side = np.cross(tangent[0], np.eye(3)[int(np.argmin(np.abs(tangent[0])))])
    found = [side / np.linalg.norm(side)]
    for i in range(len(path) - 1):
        first = path[i + 1] - path[i]
        scale = 2.0 / float(first @ first)
        reflected = found[-1] - scale * float(first @ found[-1]) * first
        along = tangent[i] - scale * float(first @ tangent[i]) * first
        second = tangent[i + 1] - along
        length = float(second @ second)
        found.append(reflected - (2.0 / length * float(second @ reflected) * second if length > 1e-18 else 0.0))
    return np.asarray(found)


def break_corners(outline: Floats, size: float, steps: int, *, keep: NDArray[np.bool_] | None = None) -> Floats:
    """Replace each corner of a closed (n, 2) outline by an arc of some chords, as large as its sides allow."""
    before, after = np.roll(outline, 1, axis=0) - outline, np.roll(outline, -1, axis=0) - outline
    lengths = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    result: list[Floats] = []
    for i, corner in enumerate(outline):
        one, two = before[i] / max(lengths[0][i], 1e-12), after[i] / max(lengths[1][i], 1e-12)
        turn = np.pi - np.arccos(np.clip(one @ two, -1.0, 1.0))
        reach = min(size, 0.42 * lengths[0][i], 0.42 * lengths[1][i])
        if turn < SHARP_RAD or reach <= 1e-9 or (keep is not None and keep[i]):
            result.append(corner[None])
        else:
            share = np.linspace(0.0, 1.0, steps + 1)[:, None]
            result.append(corner + reach * ((1.0 - share) ** 2 * one + share**2 * two))
    return np.concatenate(result)


def shrunk(outline: Floats, inset: float) -> Floats:
    """Each side of a counter-clockwise outline moved inward; the points stay as many."""
    if inset == 0.0:
        return outline
    along = np.roll(outline, -1, axis=0) - outline
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    inward = np.column_stack([-along[:, 1], along[:, 0]])
    middle = inward + np.roll(inward, 1, axis=0)
    reach = 2.0 / np.maximum(np.einsum("ij,ij->i", middle, middle), 0.35)
    return np.asarray(outline + inset * reach[:, None] * middle)


def _is_reentrant(outline: Floats) -> NDArray[np.bool_]:
    """Corners of a counter-clockwise outline that turn to the right."""
    before, after = outline - np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0) - outline
    return np.asarray(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] < 0.0)


def _keeps_sides(before: Floats, after: Floats) -> bool:
    """Whether every side of an outline still points where it did."""
    one, two = np.roll(before, -1, axis=0) - before, np.roll(after, -1, axis=0) - after
    return bool(np.all(np.einsum("ij,ij->i", one, two) > 0.1 * np.einsum("ij,ij->i", one, one)))


def circle(radius: float, count: int, centre: Point = (0.0, 0.0), start_deg: float = 0.0) -> Floats:
    """Points of a circle, counter-clockwise."""
    angle = np.radians(start_deg) + np.arange(count) / count * 2.0 * np.pi
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def arc(radius: float, start_deg: float, end_deg: float, count: int, centre: Point = (0.0, 0.0)) -> list[Point]:
    """Points of an arc, both ends included."""
    angle = np.radians(np.linspace(start_deg, end_deg, count))
    return [(centre[0] + radius * float(np.cos(a)), centre[1] + radius * float(np.sin(a))) for a in angle]


def curve(points: Sequence[Point], count: int) -> list[Point]:
    """A smooth curve through (radius, y) points: Catmull and Rom, chords by their parameter."""
    found = spline(np.asarray(points, dtype=np.float64), count)
    return [(float(x), float(y)) for x, y in found]


def spline(knots: Floats, count: int) -> Floats:
    """A smooth (count, k) curve through (n, k) knots: Catmull and Rom, uniform in its parameter."""
    ends = np.concatenate([knots[:1], knots, knots[-1:]])
    t = np.linspace(0.0, len(knots) - 1 - 1e-9, count)
    i, u = t.astype(int), (t % 1.0)[:, None]
    a, b, c, d = ends[i], ends[i + 1], ends[i + 2], ends[i + 3]
    found = 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - 3 * c + d - a) * u**3)
    return np.asarray(found)
