"""How far two surfaces are apart, by samples on both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.geometry.measures import surface_area
from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.normals import dot, face_cross

SAMPLES = 12_000
PER_FACE_CAP = 64
CANDIDATES = 6
REFINED = ((0.1, 24), (0.02, 96))  # shares of the points, and markers looked at for them
BLOCK = 65_536

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Deviation:
    """Distances between two surfaces, the largest and the mean of both directions."""

    max_mm: float
    mean_mm: float


def deviation(one: Mesh, two: Mesh, *, samples: int = SAMPLES, seed: int = 0) -> Deviation:
    """Largest and mean distance between two surfaces, sampled on both; the mean weighs area.

    Parameters
    ----------
    one, two : Mesh
        Without faces the distance is zero.
    samples : int
        Points on each surface.
    seed : int
        Of the points' places.

    References
    ----------
    P. Cignoni, C. Rocchini, R. Scopigno, "Metro: measuring error on simplified surfaces",
    Computer Graphics Forum 17(2), 1998.
    """
    if len(one.faces) == 0 or len(two.faces) == 0:
        return Deviation(0.0, 0.0)
    rng = np.random.default_rng(seed)
    there = Surface.of(two).distances(sampled(one, samples, rng))
    back = Surface.of(one).distances(sampled(two, samples, rng))
    return Deviation(float(max(there.max(), back.max())), float((there.mean() + back.mean()) / 2.0))


def changed_deviation(one: Mesh, gone: Mask, two: Mesh, fresh: Mask, *, seed: int = 0) -> tuple[float, float]:
    """Largest and mean distance between surfaces that differ in some faces only: those `gone` of one, `fresh` in two.

    The mean is over all of both surfaces.
    """
    rng = np.random.default_rng(seed)
    largest, mean = 0.0, 0.0
    for mesh, which, other in ((one, gone, two), (two, fresh, one)):
        if not which.any() or len(other.faces) == 0:
            continue
        part = Mesh(mesh.vertices, mesh.faces[which])
        count = int(np.clip(4 * which.sum(), 200, SAMPLES))
        distance = Surface.of(other).distances(sampled(part, count, rng))
        share = surface_area(part.vertices, part.faces) / (surface_area(mesh.vertices, mesh.faces) or 1.0)
        largest, mean = max(largest, float(distance.max())), mean + 0.5 * share * float(distance.mean())
    return largest, mean


def sampled(mesh: Mesh, count: int, rng: np.random.Generator) -> Vertices:
    """Points spread evenly over the area, (count, 3)."""
    area = np.sqrt(dot(*(face_cross(mesh.vertices, mesh.faces),) * 2))
    total = np.cumsum(area)
    if total[-1] <= 0.0:
        return mesh.vertices[mesh.faces[:, 0]][:count]
    steps = (np.arange(count) + rng.random(count)) / count * total[-1]
    face = np.minimum(np.searchsorted(total, steps), len(area) - 1)
    return at(mesh.vertices, mesh.faces[face], _inside(rng.random((count, 2))))


def _inside(square: Floats) -> Floats:
    """Barycentric weights, even over a triangle, of points of the unit square (Osada et al. 2002)."""
    root = np.sqrt(square[:, 0])
    return np.stack([1.0 - root, root * (1.0 - square[:, 1]), root * square[:, 1]], axis=1)


def at(vertices: Vertices, faces: Faces, weights: Floats) -> Vertices:
    """Points of (k, 3) faces at (k, 3) barycentric weights."""
    return np.asarray(np.einsum("kc,kci->ki", weights, vertices[faces]))


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A surface that tells the nearest of its points."""

    vertices: Vertices
    faces: Faces
    tree: cKDTree
    owner: Indices

    @classmethod
    def of(cls, mesh: Mesh) -> Surface:
        """Every face is known by its middle, and by more points where it is large beside the others."""
        points, owner = _markers(mesh)
        return cls(mesh.vertices, mesh.faces, cKDTree(points, balanced_tree=False, compact_nodes=False), owner)

    def distances(self, points: Vertices) -> Floats:
        """Distance of each of the (n, 3) points to the surface."""
        distance = self.nearest(points)[0]
        # Where faces are slender the nearest markers may miss the nearest face: the far points are looked at again.
        for share, count in REFINED if len(distance) else ():
            far = np.flatnonzero(distance >= np.quantile(distance, 1.0 - share))
            distance[far] = self.nearest(points[far], count)[0]
        return distance

    def nearest(self, points: Vertices, count: int = CANDIDATES) -> tuple[Floats, Indices, Floats]:
        """Distance, face and barycentric weights of the nearest point of the surface for (n, 3) points.

        The faces of the nearest markers are looked at, so that a distance may come out a little long where faces are
        much longer than wide.
        """
        found = [self._block(points[k : k + BLOCK], count) for k in range(0, max(len(points), 1), BLOCK)]
        distance, face, weights = (np.concatenate(part) for part in zip(*found, strict=True))
        return distance, face, weights

    def _block(self, points: Vertices, most: int) -> tuple[Floats, Indices, Floats]:
        count = min(most, len(self.owner))
        _, marker = self.tree.query(points, k=count)
        face = self.owner[marker.reshape(len(points), count)]
        corners = self.vertices[self.faces[face.ravel()]]
        weights = closest_weights(np.repeat(points, count, axis=0), corners)
        gap = np.einsum("kc,kci->ki", weights, corners) - np.repeat(points, count, axis=0)
        squared = dot(gap, gap).reshape(len(points), count)
        best = squared.argmin(axis=1)
        row = np.arange(len(points))
        return np.sqrt(squared[row, best]), face[row, best], weights.reshape(len(points), count, 3)[row, best]


def _markers(mesh: Mesh) -> tuple[Vertices, Indices]:
    """Points by which faces are found: a grid on each, finer on larger ones, and the face of each point."""
    corners = mesh.vertices[mesh.faces]
    sides = corners - np.roll(corners, 1, axis=1)
    longest = np.sqrt(dot(sides, sides).max(axis=1))
    usual = max(float(np.median(longest)), float(longest.max()) / PER_FACE_CAP, 1e-300)
    steps = np.clip(np.ceil(longest / usual - 0.25), 1, PER_FACE_CAP).astype(np.intp)
    points, owner = [], []
    for step in np.unique(steps).tolist():
        face = np.flatnonzero(steps == step)
        grid = grid_weights(step)
        points.append(np.einsum("gc,kci->kgi", grid, corners[face]).reshape(-1, 3))
        owner.append(np.repeat(face, len(grid)))
    return np.concatenate(points), np.concatenate(owner)


def grid_weights(steps: int) -> Floats:
    """Middles of the steps^2 equal parts of a triangle, as barycentric weights."""
    row, column = np.nonzero(np.tri(steps, dtype=bool))
    upright = np.stack([row - column + 1 / 3, column + 1 / 3], axis=1)
    row, column = np.nonzero(np.tri(steps - 1, dtype=bool))
    turned = np.stack([row - column + 2 / 3, column + 2 / 3], axis=1)
    pair = np.concatenate([upright, turned]) / steps
    return np.column_stack([1.0 - pair.sum(axis=1), pair])


def closest_weights(points: Vertices, corners: Floats) -> Floats:
    """Barycentric weights of the nearest point of each triangle, (n, 3).

    Parameters
    ----------
    points : (n, 3) float
        One for each triangle.
    corners : (n, 3, 3) float
        Triangles; without area they count as their edges.

    References
    ----------
    C. Ericson, "Real-time collision detection", 2005, section 5.1.5.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11, d20, d21 = dot(ab, ab), dot(ab, ac), dot(ac, ac), dot(ap, ab), dot(ap, ac)
    area = d00 * d11 - d01 * d01
    safe = np.where(area > 1e-14 * d00 * d11, area, np.inf)
    v, w = (d11 * d20 - d01 * d21) / safe, (d00 * d21 - d01 * d20) / safe
    inside = (area > 1e-14 * d00 * d11) & (v >= 0.0) & (w >= 0.0) & (v + w <= 1.0)
    weights = np.column_stack([1.0 - v - w, v, w])
    outside = np.flatnonzero(~inside)
    if len(outside):
        weights[outside] = _on_edges(points[outside], corners[outside])
    return weights


def _on_edges(points: Vertices, corners: Floats) -> Floats:
    """Barycentric weights of the nearest point of each triangle's three edges."""
    tail, head = corners, np.roll(corners, -1, axis=1)
    along = head - tail
    length = dot(along, along)
    place = np.clip(dot(points[:, None] - tail, along) / np.where(length > 0.0, length, 1.0), 0.0, 1.0)
    gap = tail + place[:, :, None] * along - points[:, None]
    best = dot(gap, gap).argmin(axis=1)
    row = np.arange(len(points))
    weights = np.zeros((len(points), 3))
    weights[row, best] = 1.0 - place[row, best]
    weights[row, (best + 1) % 3] = place[row, best]
    return weights


def linear_weights(points: Floats, corners: Floats) -> Floats:
    """Barycentric weights, (m, p, 3), of points, (m, p, 3), in the planes of triangles, (m, 3, 3); not clipped."""
    a = corners[:, 0]
    ab, ac = corners[:, 1] - a, corners[:, 2] - a
    d00, d01, d11 = (np.einsum("fi,fi->f", p, q)[:, None] for p, q in ((ab, ab), (ab, ac), (ac, ac)))
    arm = points - a[:, None]
    d20, d21 = np.einsum("fpi,fi->fp", arm, ab), np.einsum("fpi,fi->fp", arm, ac)
    area = d00 * d11 - d01 * d01
    safe = np.where(area > 1e-14 * d00 * d11, area, np.inf)
    v, w = (d11 * d20 - d01 * d21) / safe, (d00 * d21 - d01 * d20) / safe
    return np.stack([1.0 - v - w, v, w], axis=2)
