"""How thick the walls of a mesh are, by rays from its faces inward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.errors import CapabilityMissingError
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Faces, Vertices
from orfeas.geometry.normals import face_cross
from orfeas.geometry.raycast import Scene

SAMPLES = 4096
SAMPLES_WITHOUT_EMBREE = 256  # each looks at every face
SEED = 0
LIFT = 1e-5  # of the mesh's radius: a ray starts below its own face, well above single precision
BLOCK = 1 << 20  # rays times faces at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Walls:
    """Thickness in millimetres (k,) below the points (k, 3) whose rays met another face."""

    points: Vertices
    thickness: Floats

    def figures(self, min_wall_mm: float) -> dict[str, Any]:
        """As the analysis gives them; None where no ray met anything."""
        if len(self.thickness) == 0:
            found: dict[str, Any] = dict.fromkeys(("min_mm", "p5_mm", "median_mm", "thin_share"))
        else:
            least, low, middle = np.percentile(self.thickness, [0, 5, 50])
            found = {"min_mm": round(float(least), 4), "p5_mm": round(float(low), 4)}
            found["median_mm"] = round(float(middle), 4)
            found["thin_share"] = round(float(self.thin(min_wall_mm).mean()), 6)
        return {**found, "samples": len(self.thickness), "seed": SEED}

    def thin(self, min_wall_mm: float) -> NDArray[np.bool_]:
        """Which walls are thinner; a wall of just that thickness is not, to a thousandth."""
        return np.asarray(self.thickness < min_wall_mm * 0.999)


def walls(vertices: Vertices, faces: Faces, *, samples: int | None = None) -> Walls:
    """Distances along inward rays from points spread evenly over the area, always the same ones.

    Parameters
    ----------
    vertices, faces : (n, 3) float, (m, 3) int
        Millimetres; a mesh that is inside out as a whole is taken the other way round.
    samples : int or None
        Rays; None takes 4096, and 256 on machines without Embree, where rays look at every face.
    """
    cross = face_cross(vertices, faces)
    total = np.cumsum(np.linalg.norm(cross, axis=1))
    if len(faces) == 0 or total[-1] <= 0.0:
        return Walls(np.zeros((0, 3)), np.zeros(0))
    if signed_volume(vertices, faces) < 0.0:
        cross = -cross
    low, high = vertices[faces].min(axis=(0, 1)), vertices[faces].max(axis=(0, 1))
    middle, radius = (low + high) / 2.0, float(np.linalg.norm(high - low)) / 2.0
    small = (vertices - middle) / radius
    try:
        scene = Scene(small.astype(np.float32), faces)
    except CapabilityMissingError:
        scene = None
    count = samples or (SAMPLES if scene else SAMPLES_WITHOUT_EMBREE)
    points, face = _points(small, faces, total, count)
    inward = -cross[face] / np.linalg.norm(cross[face], axis=1)[:, None]
    origins = points + inward * LIFT
    if scene is not None:
        hits = scene.first(origins.astype(np.float32), inward.astype(np.float32))
        reach = np.where(hits.face >= 0, hits.distance.astype(np.float64), np.inf)
    else:
        reach = _nearest(origins, inward, small[faces])
    met = np.isfinite(reach)
    return Walls(points[met] * radius + middle, (reach[met] + LIFT) * radius)


def _points(vertices: Vertices, faces: Faces, total: Floats, count: int) -> tuple[Floats, NDArray[np.intp]]:
    """Points inside faces, even over the area, and their faces."""
    rng = np.random.default_rng(SEED)
    face = np.searchsorted(total, (np.arange(count) + rng.random(count)) / count * total[-1])
    face = np.minimum(face, len(faces) - 1)
    root, second = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1.0 - root, root * (1.0 - second), root * second], axis=1)
    return np.einsum("pk,pki->pi", weights, vertices[faces[face]]), face


def _nearest(origins: Floats, directions: Floats, triangles: Floats) -> Floats:
    """Distance to the first triangle on each ray, infinite where there is none.

    Source: T. Moeller, B. Trumbore, "Fast, minimum storage ray/triangle intersection", 1997.
    """
    nearest = np.full(len(origins), np.inf)
    step = max(1, BLOCK // len(origins))
    for start in range(0, len(triangles), step):
        a, b, c = triangles[start : start + step].transpose(1, 0, 2)
        p = np.cross(directions[:, None], c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1.0 / np.einsum("rfi,fi->rf", p, b - a)
            apart = origins[:, None] - a
            u = np.einsum("rfi,rfi->rf", apart, p) * scale
            q = np.cross(apart, b - a)
            v = np.einsum("ri,rfi->rf", directions, q) * scale
            t = np.einsum("fi,rfi->rf", c - a, q) * scale
        hit = (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t > 0.0)
        nearest = np.minimum(nearest, np.where(hit, t, np.inf).min(axis=1))
    return nearest
