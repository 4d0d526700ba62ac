"""Fewer triangles, the same surface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.errors import TargetUnreachableError
from orfeas.geometry import colors, seams
from orfeas.geometry.collapse import Collapser
from orfeas.geometry.decimate import decimate
from orfeas.geometry.deviation import deviation
from orfeas.geometry.manifoldness import Edges, Topology, has_twins, topology
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh, Vertices
from orfeas.geometry.repair import taken_apart
from orfeas.geometry.texturing import faithful, transfer
from orfeas.geometry.weld import by_position, collapsed, compact, same_place

# Error thresholds grow with the aggressiveness: 3 keeps the shape best and is tried first, 7 always gets there.
AGGRESSIVENESS = (3.0, 5.0, 7.0)
# One lower first takes hardly longer and halves the largest distance (measured at 500 000 to 50 000 faces: 0.014 mm at
# 1.5 and 1.8, 0.015 at 2, 0.026 at 3).
FAITHFUL = (1.8, *AGGRESSIVENESS)
# Faces kept above the target, as shares of what is to go, where the compiled simplifier would tear the surface.
MARGINS = (0.01, 0.05, 0.2, 0.5)
SAFE_COLLAPSES = 20_000  # by the exact collapser, some 100 microseconds each


@dataclass(frozen=True, slots=True, eq=False)
class Simplified:
    """A mesh with fewer triangles, and how far it is from the one it was.

    Attributes
    ----------
    max_deviation_mm, mean_deviation_mm : float
        Between both surfaces, sampled on both.
    volume_change : float or None
        Share of the volume; None unless the surface is closed.
    """

    mesh: Mesh
    max_deviation_mm: float
    mean_deviation_mm: float
    volume_change: float | None
    is_watertight: bool


def simplify_to(
    mesh: Mesh,
    *,
    target_faces: int,
    preserve_boundary: bool = True,
    preserve_uv: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> Simplified:
    """The surface with exactly so many triangles, and how far it moved.

    Parameters
    ----------
    mesh : Mesh
        Where more than two faces meet at an edge, or fans at a vertex, its sheets are taken apart first.
    target_faces : int
        Triangles wanted; one less where the surface is closed and the number odd. A mesh that has no more is returned
        as it is.
    preserve_boundary : bool
        Whether open edges stay as they are.
    preserve_uv : bool
        Whether texture coordinates stay, seams where they are; where there are too few faces for that, or the picture
        would be drawn out of shape, the texture is laid out anew. Else its colours become vertex colours.
    on_progress : callable, optional
        Told shares between 0 and 1.

    Raises
    ------
    TargetUnreachableError
        No surface of this topology with so few faces was found; `best` is the smallest number that was.
    """
    if len(mesh.faces) <= target_faces:
        closed = topology(mesh.faces).is_watertight if len(mesh.faces) else False
        return Simplified(mesh, 0.0, 0.0, 0.0 if closed else None, closed)
    fewer = exactly(mesh, target_faces, preserve_boundary, preserve_uv, on_progress or (lambda share: None))
    return _compared(mesh, fewer)


def exactly(
    mesh: Mesh,
    target_faces: int,
    preserve_boundary: bool = True,
    preserve_uv: bool = True,
    report: Callable[[float], None] = lambda share: None,
) -> Mesh:
    """What `simplify_to` makes, without measuring how far it is from the original."""
    state = topology(mesh.faces)
    sheets = mesh if state.is_manifold else taken_apart(mesh)
    try:
        return _reduced(sheets, state if sheets is mesh else None, target_faces, preserve_boundary, preserve_uv, report)
    except TargetUnreachableError:
        if len(same_place(sheets.vertices)[0]) == len(sheets.vertices):
            raise
        return _reduced(taken_apart(mesh, weld=True), None, target_faces, preserve_boundary, preserve_uv, report)


def _reduced(
    mesh: Mesh,
    state: Topology | None,
    target_faces: int,
    preserve_boundary: bool,
    preserve_uv: bool,
    report: Callable[[float], None],
) -> Mesh:
    """The simplified mesh in its colours."""

    def fewer(charts: bool) -> Mesh:
        return _simplified(
            _Task.of(
                mesh, target_faces, exact=True, keep_border=preserve_boundary, charts=charts, before=state,
                ladder=FAITHFUL,
            ),
            report,
        )  # fmt: skip

    if not preserve_uv or mesh.texture is None or mesh.corner_uv is None:
        return _colored(fewer(charts=False), mesh)
    try:
        sewn = seams.sewn(fewer(charts=True), mesh)
        return sewn if faithful(sewn, mesh) else transfer(sewn, mesh, size=max(mesh.texture.shape[:2]))
    except TargetUnreachableError:
        return transfer(fewer(charts=False), mesh, size=max(mesh.texture.shape[:2]))


def _compared(mesh: Mesh, fewer: Mesh) -> Simplified:
    """The simplified mesh with its distance from the original."""
    closed = topology(by_position(fewer.vertices, fewer.faces)[1]).is_watertight
    apart = deviation(mesh, fewer)
    before = signed_volume(mesh.vertices, mesh.faces)
    change = signed_volume(fewer.vertices, fewer.faces) / before - 1.0 if closed and before else None
    return Simplified(fewer, apart.max_mm, apart.mean_mm, change, closed)


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
    task = _Task.of(mesh, target_faces, exact=exact)
    return _colored(_simplified(task, on_progress or (lambda share: None)), mesh)


def _simplified(task: _Task, report: Callable[[float], None]) -> Mesh:
    """The first result of a task that is enough."""
    best = len(task.mesh.faces)
    for step, candidate in enumerate(task.candidates()):
        report(min(0.2 + 0.15 * step, 0.9))
        if candidate is None:
            continue
        best = min(best, len(candidate.faces))
        if task.is_enough(candidate):
            return task.restored(candidate)
    raise TargetUnreachableError(
        f"{task.target} faces cannot be reached without changing the topology; {best} can.", best=best
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
    frozen: NDArray[np.bool_] | None
    ladder: tuple[float, ...]

    @classmethod
    def of(
        cls,
        mesh: Mesh,
        target: int,
        *,
        exact: bool,
        keep_border: bool = False,
        charts: bool = False,
        before: Topology | None = None,
        ladder: tuple[float, ...] = AGGRESSIVENESS,
    ) -> _Task:
        before = before or topology(mesh.faces)
        low, high = mesh.bounds
        scale = float(np.linalg.norm(high - low)) or 1.0
        centre = (low + high) / 2.0
        wanted = target - target % 2 if before.is_watertight else target
        frozen = None
        if charts or (keep_border and before.boundary_edges):
            mesh = seams.cut(mesh) if charts else mesh
            frozen = _borders(mesh)
        plain = Mesh((mesh.vertices - centre) / scale, mesh.faces)
        return cls(plain, centre, scale, wanted, exact, before, frozen, ladder)

    def candidates(self) -> Iterator[Mesh | None]:
        """Simplified meshes, the likely one first; None for an attempt that lost something."""
        for aggressiveness in self.ladder:
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
        border = self.frozen is not None
        return Mesh(
            *decimate(
                self.mesh.vertices, self.mesh.faces, target, aggressiveness, keep_manifold=keep, keep_border=border
            )
        )

    def _finished(self, mesh: Mesh | None) -> Iterator[Mesh | None]:
        """The rest of the way by collapses that keep the topology."""
        if mesh is None or not self.target < len(mesh.faces) <= self.target + 2 * SAFE_COLLAPSES:
            return
        collapser = Collapser(mesh.vertices, mesh.faces, None if self.frozen is None else _borders(mesh))
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
        if collapsed(faces).any():
            return None
        after = topology(faces)
        if has_twins(faces, after):
            return None
        same = (after.is_watertight, after.body_count, after.euler_number) == (
            self.before.is_watertight,
            self.before.body_count,
            self.before.euler_number,
        )
        return mesh if same and after.is_manifold else None


def _borders(mesh: Mesh) -> NDArray[np.bool_]:
    """Vertices of open edges."""
    edges = Edges.of(mesh.faces)
    face, side = np.divmod(edges.order[edges.start[edges.count == 1]], 3)
    mask = np.zeros(len(mesh.vertices), dtype=bool)
    mask[mesh.faces[face, side]] = mask[mesh.faces[face, (side + 1) % 3]] = True
    return mask


def _colored(mesh: Mesh, original: Mesh) -> Mesh:
    """With the colours of the nearest original vertices."""
    painted = colors.of_vertices(original)
    if painted is None:
        return mesh
    _, nearest = cKDTree(original.vertices).query(mesh.vertices)
    return Mesh(mesh.vertices, mesh.faces, vertex_colors=painted[nearest])
