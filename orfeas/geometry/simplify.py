"""Fewer triangles, the same surface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from orfeas.errors import TargetUnreachableError
from orfeas.geometry import colors
from orfeas.geometry.collapse import Collapser
from orfeas.geometry.decimate import decimate
from orfeas.geometry.manifoldness import Topology, topology, twins
from orfeas.geometry.mesh import Mesh, Vertices
from orfeas.geometry.weld import by_position, collapsed, compact

# Error thresholds grow with the aggressiveness: 3 keeps the shape best and is tried first, 7 always gets there.
AGGRESSIVENESS = (3.0, 5.0, 7.0)
# Faces kept above the target, as shares of what is to go, where the compiled simplifier would tear the surface.
MARGINS = (0.01, 0.05, 0.2, 0.5)
SAFE_COLLAPSES = 20_000  # by the exact collapser, some 100 microseconds each


def simplify(mesh: Mesh, target_faces: int, *, exact: bool, on_progress: Callable[[float], None] | None = None) -> Mesh:
    """The surface with fewer triangles; a closed manifold stays one, with its bodies and handles.

    Parameters
    ----------
    mesh : Mesh
        Welded. A texture cannot follow the moved vertices: its colours become vertex colours.
    target_faces : int
        Triangles wanted.
    exact : bool
        True gives exactly `target_faces`, one less when the surface is closed and the number odd, since its faces go
        in pairs. False makes it an upper bound. A mesh that has no more is returned as it is in both cases.
    on_progress : callable, optional
        Told shares between 0 and 1.

    Raises
    ------
    TargetUnreachableError
        No surface of this topology with so few faces was found; `best` is the smallest number that was.

    References
    ----------
    M. Garland, P. Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH 1997.
    """
    if len(mesh.faces) <= target_faces:
        return mesh
    report = on_progress or (lambda share: None)
    task = _Task.of(mesh, target_faces, exact=exact)
    best = len(mesh.faces)
    for step, candidate in enumerate(task.candidates()):
        report(min(0.2 + 0.15 * step, 0.9))
        if candidate is None:
            continue
        best = min(best, len(candidate.faces))
        if task.is_enough(candidate):
            return _colored(task.restored(candidate), mesh)
    raise TargetUnreachableError(
        f"{target_faces} faces cannot be reached without changing the topology; {best} can.", best=best
    )


@dataclass(frozen=True, slots=True)
class _Task:
    """A mesh of diagonal one about the origin, what it is, and what is wanted of it."""

    mesh: Mesh
    centre: Vertices
    scale: float
    target: int
    exact: bool
    before: Topology

    @classmethod
    def of(cls, mesh: Mesh, target: int, *, exact: bool) -> _Task:
        before = topology(mesh.faces)
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        scale = float(np.linalg.norm(high - low)) or 1.0
        centre = (low + high) / 2.0
        plain = Mesh((mesh.vertices - centre) / scale, mesh.faces)
        return cls(plain, centre, scale, target - target % 2 if before.is_watertight else target, exact, before)

    def candidates(self) -> Iterator[Mesh | None]:
        """Simplified meshes, the likely one first; None for an attempt that lost something."""
        for aggressiveness in AGGRESSIVENESS:
            yield self._sound(self._fast(self.target, aggressiveness))
        for margin in MARGINS:
            rest = self.target + int(margin * (len(self.mesh.faces) - self.target)) // 2 * 2 + 2
            if rest < len(self.mesh.faces):
                yield from self._finished(self._sound(self._fast(rest, AGGRESSIVENESS[1])))
        yield from self._finished(self.mesh)

    def is_enough(self, mesh: Mesh) -> bool:
        """Whether the number of faces is the one wanted."""
        return len(mesh.faces) == self.target or (not self.exact and len(mesh.faces) < self.target)

    def restored(self, mesh: Mesh) -> Mesh:
        """In the place and size of the original."""
        return mesh.moved(mesh.vertices * self.scale + self.centre)

    def _fast(self, target: int, aggressiveness: float) -> Mesh:
        keep = self.before.is_manifold
        return Mesh(*decimate(self.mesh.vertices, self.mesh.faces, target, aggressiveness, keep_manifold=keep))

    def _finished(self, mesh: Mesh | None) -> Iterator[Mesh | None]:
        """The rest of the way by collapses that keep the topology."""
        if mesh is None or not self.target < len(mesh.faces) <= self.target + 2 * SAFE_COLLAPSES:
            return
        collapser = Collapser(mesh.vertices, mesh.faces)
        if not collapser.reduce(self.target):
            collapser.reduce(self.target, allow_flips=True)
        vertices, faces, _ = collapser.result()
        used, faces = compact(faces, len(vertices))
        yield self._sound(Mesh(vertices[used], faces))

    def _sound(self, mesh: Mesh) -> Mesh | None:
        """The mesh, unless it lost something the original has. Judged as a file stores it, in single precision."""
        if not self.before.is_manifold:
            return mesh
        _, faces = by_position(mesh.vertices * self.scale + self.centre, mesh.faces)
        if collapsed(faces).any() or twins(faces).any():
            return None
        after = topology(faces)
        same = (after.is_watertight, after.body_count, after.euler_number) == (
            self.before.is_watertight,
            self.before.body_count,
            self.before.euler_number,
        )
        return mesh if same and after.is_manifold else None


def _colored(mesh: Mesh, original: Mesh) -> Mesh:
    """With the colours of the nearest original vertices."""
    painted = colors.of_vertices(original)
    if painted is None:
        return mesh
    _, nearest = cKDTree(original.vertices).query(mesh.vertices)
    return Mesh(mesh.vertices, mesh.faces, vertex_colors=painted[nearest])
