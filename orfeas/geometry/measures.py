"""Sizes of triangle meshes."""

from __future__ import annotations

import numpy as np

from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import face_cross


def signed_volume(vertices: Vertices, faces: Faces) -> float:
    """Volume enclosed by a closed triangle mesh; negative when faces wind inward.

    Parameters
    ----------
    vertices : (n, 3) float
        Positions in millimetres.
    faces : (m, 3) int
        Vertex indices, counter-clockwise seen from outside.

    Returns
    -------
    float
        Volume in cubic millimetres.

    References
    ----------
    C. Zhang, T. Chen, "Efficient feature extraction for 2D/3D objects in mesh
    representation", ICIP 2001: sums the tetrahedra between the origin and each face.
    """
    return float(face_volumes(vertices, faces).sum())


def face_volumes(vertices: Vertices, faces: Faces) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Signed volume of the tetrahedron between each face and the middle of the bounding box, (m,)."""
    if len(faces) == 0:
        return np.zeros(0)
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0  # keeps the sum exact far from the origin
    return np.asarray(np.einsum("fi,fi->f", vertices[faces[:, 0]] - middle, face_cross(vertices, faces)) / 6.0)


def surface_area(vertices: Vertices, faces: Faces) -> float:
    """Area of all faces, in the square of the vertices' unit."""
    return float(np.linalg.norm(face_cross(vertices, faces), axis=1).sum() / 2.0)


def winding_number(point: Vertices, vertices: Vertices, faces: Faces) -> float:
    """How often a closed surface goes round a point: 1 inside, 0 outside, -1 inside a surface turned inside out.

    Parameters
    ----------
    point : (3,) float
        Not on the surface.
    vertices, faces : (n, 3) float, (m, 3) int
        The surface.

    References
    ----------
    A. van Oosterom, J. Strackee, "The solid angle of a plane triangle", IEEE
    Transactions on Biomedical Engineering 30(2), 1983.
    """
    a, b, c = (vertices[faces[:, corner]] - point for corner in range(3))
    la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
    ab, bc, ca = (np.einsum("fi,fi->f", one, two) for one, two in ((a, b), (b, c), (c, a)))
    numerator = np.einsum("fi,fi->f", a, np.cross(b, c))
    angle = 2.0 * np.arctan2(numerator, la * lb * lc + ab * lc + bc * la + ca * lb)
    return float(angle.sum() / (4.0 * np.pi))
