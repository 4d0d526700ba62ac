"""The triangle mesh of a volume's level set, in model coordinates.

References: W. E. Lorensen, H. E. Cline, "Marching cubes", SIGGRAPH 1987; T. Lewiner et al., "Efficient
implementation of marching cubes' cases with topological guarantees", 2003, for the table that is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from orfeas.errors import EmptySurfaceError
from orfeas.gpu.hunyuan3d.grid import Bounds, Grid, corners

Vertices = NDArray[np.float32]
Faces = NDArray[np.int32]


def extract(grid: Grid, level: float = 0.0) -> tuple[Vertices, Faces]:
    """The surface where the field passes through `level`, closed at the box and with faces seen from outside.

    Returns
    -------
    vertices : (n, 3) float32
        Positions in model coordinates: index / resolution of the way from the lowest to the highest corner.
    faces : (m, 3) int32
        Counter-clockwise seen from outside.

    Raises
    ------
    EmptySurfaceError
        The field does not pass through `level`.
    """
    values = grid.values.cpu().numpy()
    _require_crossing(values, level)
    reaches_box = _reaches_box(values, level)
    if reaches_box:
        values = np.pad(values, 1, constant_values=level - _far(values))
    vertices, faces = index_surface(values, level)
    if reaches_box:
        vertices = np.clip(vertices - np.float32(1), 0, grid.resolution)
        vertices, faces = _weld(vertices, faces)
    low, high = (np.array(corner) for corner in grid.bounds)
    positions = vertices / np.float64(grid.resolution) * (high - low) + low
    return positions.astype(np.float32), np.ascontiguousarray(faces[:, ::-1])


def index_surface(values: NDArray[np.float32], level: float) -> tuple[Vertices, Faces]:
    """Vertices in units of cells and faces as marching cubes gives them, wound inward; unknown cells have no faces."""
    vertices, faces, _, _ = marching_cubes(values, level, method="lewiner")  # type: ignore[no-untyped-call]
    finite = np.isfinite(vertices).all(axis=1)
    if not finite.all():
        faces = faces[finite[faces].all(axis=1)]
        vertices, faces = _used(vertices, faces)
    return vertices, faces


def reference_mapping(vertices: Vertices, octree_resolution: int, bounds: Bounds = 1.01) -> Vertices:
    """Positions of vertices in units of cells as the published program places them, for comparison only.

    It divides by `octree_resolution + 1`, which shrinks a shape towards the lowest corner of the box.
    """
    low, high = (np.array(corner) for corner in corners(bounds))
    positions: Vertices = (vertices / np.float64(octree_resolution + 1) * (high - low) + low).astype(np.float32)
    return positions


def _require_crossing(values: NDArray[np.float32], level: float) -> None:
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    if lowest < level < highest:
        return
    side = "inside" if lowest >= level else "outside"
    raise EmptySurfaceError(
        f"The whole volume is {side} the shape: its values run from {lowest:.3g} to {highest:.3g} and never pass"
        f" {level:g}. Try another seed, more steps or a clearer picture."
    )


def _reaches_box(values: NDArray[np.float32], level: float) -> bool:
    sides = (values[0], values[-1], values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1])
    return any(bool((side > level).any()) for side in sides)


def _far(values: NDArray[np.float32]) -> np.float32:
    return np.float32(1 + np.nanmax(np.abs(values)))


def _weld(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Merge vertices that the box has moved onto one another, and drop the faces that vanish by it."""
    merged, renumbered = np.unique(vertices, axis=0, return_inverse=True)
    faces = renumbered.reshape(-1)[faces].astype(faces.dtype)
    a, b, c = faces.T
    return merged, faces[(a != b) & (b != c) & (c != a)]


def _used(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    renumbered = np.cumsum(used, dtype=faces.dtype) - 1
    return vertices[used], renumbered[faces].astype(faces.dtype)
