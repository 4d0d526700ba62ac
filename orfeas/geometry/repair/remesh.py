"""A new surface around what a damaged one encloses, by voxels: closed whatever the input is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import ConvexHull, QhullError
from skimage.measure import marching_cubes

from orfeas.geometry.deviation import at, grid_weights
from orfeas.geometry.manifoldness import bodies, topology
from orfeas.geometry.measures import face_volumes
from orfeas.geometry.mesh import Mesh, Vertices
from orfeas.geometry.normals import dot, face_cross
from orfeas.geometry.repair.state import named
from orfeas.geometry.weld import by_position, collapsed

ACROSS = 32  # voxels across the shortest side of the box
FEWEST, MOST = 96, 256  # voxels along the longest side
MOST_VOXELS = 4_000_000
PADDING = 4
MOST_POINTS = 4_000_000
SOLID_SHARE = 0.02  # of the volume by flood: less than that is no solid
LEVELS = (0.5, 0.47, 0.53, 0.43)
OFF_LEVEL = 0.01  # no sample is nearer to the level, so that no two corners of the surface meet

Floats = NDArray[np.float64]
Grid = NDArray[np.float32]


def remeshed(mesh: Mesh) -> Mesh:
    """A closed, oriented surface of positive volume around a surface of any kind.

    Two fields are tried. The winding number of the surface, smoothed by a voxel, is computed by Fourier transforms and
    bridges holes. Where the surface encloses nothing that way (a sheet, faces in disorder), voxels that cannot be
    reached from outside are solid.

    Parameters
    ----------
    mesh : Mesh
        At least one face with an extent; the resolution follows from the shortest side of its box.

    References
    ----------
    M. Kazhdan, "Reconstruction of solid models from oriented point sets", Symposium on Geometry Processing 2005.
    A. Jacobson, L. Kavan, O. Sorkine-Hornung, "Robust inside-outside segmentation using generalized winding
    numbers", SIGGRAPH 2013.
    """
    grid = _Grid.around(mesh)
    flood = grid.flooded()
    winding = grid.winding()
    least = SOLID_SHARE * float(flood.sum())
    if float((winding > 0.5).sum()) > least:
        found = _surface(winding, grid)
        if found is not None:
            return found
    found = _surface(flood, grid)
    return found if found is not None else _hull(mesh)


class _Grid:
    """Voxels around a surface, and the surface as points with the area each stands for."""

    def __init__(self, mesh: Mesh, step: float) -> None:
        used = mesh.vertices[named(mesh.faces)]
        self.step = step
        self.low = used.min(axis=0) - PADDING * step
        sides = np.ceil(np.ptp(used, axis=0) / step).astype(int) + 1 + 2 * PADDING
        self.shape = tuple(fft.next_fast_len(int(side), real=True) for side in sides)
        self.points, self.areas = _points(mesh, 0.5 * step)

    @classmethod
    def around(cls, mesh: Mesh) -> _Grid:
        size = np.ptp(mesh.vertices[named(mesh.faces)], axis=0)
        longest = float(size.max()) or 1.0
        step = float(np.clip(size.min() / ACROSS, longest / MOST, longest / FEWEST))
        voxels = float(np.prod(size / step + 2 * PADDING + 1))
        return cls(mesh, step * max(1.0, (voxels / MOST_VOXELS) ** (1 / 3)))

    def winding(self) -> Grid:
        """About 1 inside, 0 outside, one half on the surface.

        The divergence of the area vectors, spread over the voxels near each point, is the Laplacian of the field.
        """
        waves = [np.asarray(fft.fftfreq(n, self.step)) for n in self.shape[:2]]
        waves.append(np.asarray(fft.rfftfreq(self.shape[2], self.step)))
        axes = [
            2.0 * np.pi * wave.reshape([-1 if k == axis else 1 for k in range(3)]) for axis, wave in enumerate(waves)
        ]
        total = np.zeros([len(wave) for wave in waves], dtype=np.complex64)
        for axis in range(3):
            total += (1j * axes[axis]).astype(np.complex64) * fft.rfftn(self._spread(self.areas[:, axis]))
        square = axes[0] ** 2 + axes[1] ** 2 + axes[2] ** 2
        square[0, 0, 0] = 1.0
        smooth = np.exp(-0.5 * square * (0.6 * self.step) ** 2)
        total *= (smooth / square / self.step**3).astype(np.float32)
        field = np.asarray(fft.irfftn(total, s=self.shape), dtype=np.float32)
        border = np.concatenate([field[[0, -1]].ravel(), field[:, [0, -1]].ravel(), field[:, :, [0, -1]].ravel()])
        field -= np.median(border)
        level = float(np.mean(self._sampled(field)))
        return np.asarray(field * np.float32(0.5 / level) if level > 0.05 else np.zeros_like(field))

    def flooded(self) -> Grid:
        """1 in voxels that the surface goes through or encloses, smoothed."""
        cell = tuple(np.round((self.points - self.low) / self.step).astype(np.intp).T)
        solid = np.zeros(self.shape, dtype=bool)
        solid[cell] = True
        closed = ndimage.binary_closing(solid, iterations=2)
        filled = ndimage.binary_fill_holes(closed | solid)
        return np.asarray(ndimage.gaussian_filter(np.asarray(filled, dtype=np.float32), 0.7), dtype=np.float32)

    def _spread(self, values: Floats) -> Grid:
        """Values at the points shared among the eight voxels around each."""
        place = (self.points - self.low) / self.step
        corner = np.floor(place).astype(np.intp)
        share = place - corner
        strides = np.array([self.shape[1] * self.shape[2], self.shape[2], 1])
        flat, size = corner @ strides, int(np.prod(self.shape))
        total = np.zeros(size, dtype=np.float64)
        for bits in np.ndindex(2, 2, 2):
            step = np.array(bits)
            weight = np.prod(np.where(step, share, 1.0 - share), axis=1)
            total += np.bincount(flat + int(step @ strides), weights=values * weight, minlength=size)[:size]
        return total.reshape(self.shape).astype(np.float32)

    def _sampled(self, field: Grid) -> Grid:
        some = self.points[:: max(1, len(self.points) // 50_000)]
        return np.asarray(ndimage.map_coordinates(field, ((some - self.low) / self.step).T, order=1))


def _points(mesh: Mesh, spacing: float) -> tuple[Vertices, Vertices]:
    """Points on the surface no further apart than a spacing, with the area vectors they stand for."""
    corners = mesh.vertices[mesh.faces]
    sides = corners - np.roll(corners, 1, axis=1)
    longest = np.sqrt(dot(sides, sides).max(axis=1))
    area = face_cross(mesh.vertices, mesh.faces) / 2.0
    steps = np.clip(np.ceil(longest / spacing), 1, 512).astype(np.intp)
    while (steps.astype(np.float64) ** 2).sum() > MOST_POINTS and steps.max() > 1:
        steps = np.maximum(1, steps // 2)
    points, areas = [], []
    for step in np.unique(steps).tolist():
        face = np.flatnonzero(steps == step)
        weights = grid_weights(step)
        many = len(weights)
        places = at(mesh.vertices, np.repeat(mesh.faces[face], many, axis=0), np.tile(weights, (len(face), 1)))
        points.append(places)
        areas.append(np.repeat(area[face] / many, many, axis=0))
    return np.concatenate(points), np.concatenate(areas)


def _surface(field: Grid, grid: _Grid) -> Mesh | None:
    """The surface at a level of about one half, without specks; None where none is closed."""
    for axis in range(3):
        edge = np.moveaxis(field, axis, 0)
        edge[0] = edge[-1] = 0.0
    for level in LEVELS:
        off = field - np.float32(level)
        off[np.abs(off) < OFF_LEVEL] = OFF_LEVEL
        if off.max() <= 0.0:
            continue
        vertices, faces, _, _ = marching_cubes(off, 0.0)  # type: ignore[no-untyped-call]
        mesh = Mesh(grid.low + vertices.astype(np.float64) * grid.step, faces[:, ::-1].astype(np.int64))
        mesh = _without_specks(mesh)
        _, merged = by_position(mesh.vertices, mesh.faces)
        state = topology(merged)
        if not collapsed(merged).any() and state.is_watertight and state.is_manifold:
            return mesh
    return None


def _without_specks(mesh: Mesh) -> Mesh:
    count, body = bodies(mesh.faces)
    volume = np.bincount(body, weights=face_volumes(mesh.vertices, mesh.faces), minlength=count)
    sign = np.sign(volume[np.abs(volume).argmax()])
    faces = mesh.faces[(np.abs(volume) >= 0.005 * np.abs(volume).max())[body]]
    return Mesh(mesh.vertices, faces if sign > 0.0 else np.ascontiguousarray(faces[:, ::-1]))


def _hull(mesh: Mesh) -> Mesh:
    """The convex hull; of a flat thing a box around it."""
    used = mesh.vertices[named(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    thick = max(float((high - low).max()), 1e-6) / MOST
    box = np.stack(np.meshgrid(*np.stack([low, np.maximum(high, low + thick)], axis=1), indexing="ij"), -1)
    for points in (used, box.reshape(-1, 3)):
        try:
            hull = ConvexHull(points)
        except (QhullError, ValueError):
            continue
        faces = np.asarray(hull.simplices, dtype=np.int64)
        inward = np.einsum("fi,fi->f", face_cross(points, faces), hull.equations[:, :3]) < 0.0
        return Mesh(points, np.where(inward[:, None], faces[:, ::-1], faces))
    return mesh
