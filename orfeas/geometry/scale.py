"""Size, place and axes of a finished model."""

from __future__ import annotations

from typing import Literal

import numpy as np

from orfeas.errors import EmptyMeshError
from orfeas.geometry.mesh import Mesh, Vertices

Fit = Literal["inside", "stretch"]
UpAxis = Literal["y", "z"]


def fit(
    mesh: Mesh,
    *,
    dimensions_mm: tuple[float, float, float] | None,
    fit: Fit = "inside",
    longest_mm: float = 100.0,
) -> Mesh:
    """The mesh in its size, standing on the ground.

    Parameters
    ----------
    mesh : Mesh
        y up, any unit.
    dimensions_mm : (width, height, depth) or None
        Box along x, y and z in millimetres; None scales the longest side to `longest_mm`.
    fit : "inside" or "stretch"
        `inside` keeps proportions and fills the box on its tightest axis, `stretch` fills all three. An axis along
        which the mesh is flat cannot be filled and keeps its extent of zero.
    longest_mm : float
        Longest side without `dimensions_mm`.

    Returns
    -------
    Mesh
        Millimetres; the middle of its box over the origin in x and z, its lowest point at y = 0, which is where
        slicers put the bed and game engines the floor.

    Raises
    ------
    EmptyMeshError
        The mesh has no faces or no extent.
    """
    used = mesh.vertices[np.unique(mesh.faces)]
    if len(used) == 0 or not (extents := used.max(axis=0) - used.min(axis=0)).any():
        raise EmptyMeshError("A mesh without extent cannot be brought to a size.")
    box = np.full(3, longest_mm) if dimensions_mm is None else np.asarray(dimensions_mm, dtype=np.float64)
    ratios = np.divide(box, extents, out=np.full(3, np.inf), where=extents > 0.0)
    factors = ratios if fit == "stretch" and dimensions_mm is not None else np.full(3, ratios.min())
    factors = np.where(np.isfinite(factors), factors, 1.0)
    low, high = used.min(axis=0), used.max(axis=0)
    anchor = np.array([(low[0] + high[0]) / 2.0, low[1], (low[2] + high[2]) / 2.0])
    return mesh.moved((mesh.vertices - anchor) * factors)


def turn(mesh: Mesh, up_axis: UpAxis) -> Mesh:
    """The mesh, which has y up, with this axis up: a quarter turn about x, so that the front (z) comes to face -y."""
    return mesh if up_axis == "y" else mesh.moved(z_up(mesh.vertices))


def turn_back(mesh: Mesh, up_axis: UpAxis) -> Mesh:
    """The mesh, read from a file with this axis up, with y up."""
    return mesh if up_axis == "y" else mesh.moved(y_up(mesh.vertices))


def z_up(vertices: Vertices) -> Vertices:
    """(x, y, z) to (x, -z, y)."""
    return np.ascontiguousarray(vertices[:, [0, 2, 1]] * np.array([1.0, -1.0, 1.0]))


def y_up(vertices: Vertices) -> Vertices:
    """(x, y, z) to (x, z, -y): undoes `z_up`."""
    return np.ascontiguousarray(vertices[:, [0, 2, 1]] * np.array([1.0, 1.0, -1.0]))
