"""Rays against triangles, by Embree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.errors import CapabilityMissingError
from orfeas.geometry.mesh import Faces

Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hits:
    """What each ray meets first.

    Attributes
    ----------
    face : (n,) int
        Face index, -1 where the ray meets nothing.
    u, v : (n,) float32
        Barycentric weights of the face's second and third corner.
    distance : (n,) float32
        Along the ray, in lengths of its direction.
    """

    face: NDArray[np.int32]
    u: Floats32
    v: Floats32
    distance: Floats32

    def at(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Hits:
        """Those of some rays."""
        return Hits(self.face[index], self.u[index], self.v[index], self.distance[index])


class Scene:
    """Triangles ready for ray queries.

    Embree counts in single precision and needs small coordinates: pass positions near the unit ball.
    """

    def __init__(self, vertices: Floats32, faces: Faces) -> None:
        try:
            from embreex import rtcore_scene
            from embreex.mesh_construction import TriangleMesh
        except ImportError as error:
            raise CapabilityMissingError(
                "This needs the package embreex, which has no build for this machine. Pictures of models are drawn "
                "without it, more slowly; walls, textures from photos and supports are not worked out."
            ) from error
        self._scene = rtcore_scene.EmbreeScene()
        self._mesh = TriangleMesh(
            self._scene, np.ascontiguousarray(vertices, dtype=np.float32), np.ascontiguousarray(faces, dtype=np.int32)
        )

    def first(self, origins: Floats32, directions: Floats32) -> Hits:
        """The first face on each of the (n, 3) rays."""
        found = self._scene.run(origins, directions, output=1)
        return Hits(found["primID"], found["u"], found["v"], found["tfar"])

    def reach_sky(self, origins: Floats32, directions: Floats32) -> NDArray[np.bool_]:
        """Whether each of the (n, 3) rays meets nothing."""
        return np.asarray(self._scene.run(origins, directions, query="OCCLUDED") != 0)
