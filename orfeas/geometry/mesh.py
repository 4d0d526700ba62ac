"""The triangle mesh that stages hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Pictures that lie on a surface beside its base colour, by the same coordinates, as in glTF; first row on top.

    Attributes
    ----------
    normal : (h, w, 3) uint8 or None
        Directions against the surface: along the picture, up the picture, outward; 128 is zero.
    surface : (h, w, 3) uint8 or None
        Green multiplies the roughness, blue the metalness.
    emissive : (h, w, 3) uint8 or None
        sRGB; multiplies the emitted light.
    """

    normal: NDArray[np.uint8] | None = None
    surface: NDArray[np.uint8] | None = None
    emissive: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles with optional colour, y up, z towards the viewer, millimetres unless said otherwise.

    Attributes
    ----------
    vertices : (n, 3) float64
        Positions; welded, so that a closed surface is closed by its indices.
    faces : (m, 3) int64
        Vertex indices, counter-clockwise seen from outside.
    corner_uv : (m, 3, 2) float32 or None
        Texture coordinates of every face corner, origin bottom left. Per corner, so that seams need no split vertices.
    texture : (h, w, 3) uint8 or None
        Base colour image, sRGB, first row on top.
    vertex_colors : (n, 4) uint8 or None
        sRGB and alpha.
    maps : Maps or None
        More pictures by the same texture coordinates.
    """

    vertices: Vertices
    faces: Faces
    corner_uv: NDArray[np.float32] | None = None
    texture: NDArray[np.uint8] | None = None
    vertex_colors: NDArray[np.uint8] | None = None
    maps: Maps | None = None

    @property
    def bounds(self) -> tuple[Vertices, Vertices]:
        """The lowest and the highest corner of the box of all vertices; by columns, many times faster than by rows."""
        columns = self.vertices.T
        return np.array([one.min() for one in columns]), np.array([one.max() for one in columns])

    def moved(self, vertices: Vertices) -> Mesh:
        """The same surface with other positions."""
        return replace(self, vertices=vertices)
