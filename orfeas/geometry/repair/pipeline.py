"""The steps of a repair, in order, and what they changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orfeas.geometry.deviation import changed_deviation
from orfeas.geometry.manifoldness import topology, torn
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.repair import dropping, holes, sheets, shells, welding
from orfeas.geometry.repair.remesh import remeshed
from orfeas.geometry.repair.state import NEW, State, dressed, named
from orfeas.geometry.weld import by_position

NUDGE = 2e-6  # of the diagonal, by which sheets are kept apart: several steps of single precision
ROUNDS = 4  # of looking at the result as a file has it, and mending again

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a step of the repair changed: its name, how often, and a sentence."""

    name: str
    count: int
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A mesh after its repair.

    Attributes
    ----------
    mesh : Mesh
        Vertices away from damage are where they were, bit for bit.
    operations : tuple of Operation
        In order; only those that changed something.
    max_deviation_mm, mean_deviation_mm : float
        Between the surfaces before and after, both ways, sampled where they differ.
    volume_change : float or None
        Share of the volume before; None where the input, repaired or not, encloses none.
    is_watertight : bool
        Every edge has two faces, wound oppositely, once equal places are merged as in a file.
    """

    mesh: Mesh
    operations: tuple[Operation, ...]
    max_deviation_mm: float
    mean_deviation_mm: float
    volume_change: float | None
    is_watertight: bool


def repair(mesh: Mesh, *, aggressive: bool = False, on_progress: Progress | None = None) -> Repaired:
    """The surface closed, manifold and facing outward, as far as that goes without making it anew.

    Parameters
    ----------
    mesh : Mesh
        Any triangles with finite places. Colours and texture coordinates stay with their faces.
    aggressive : bool
        Whether a surface that is still open is made anew from voxels, and shells within solid material are dropped.
    on_progress : callable, optional
        Told shares between 0 and 1.

    Returns
    -------
    Repaired
        Also where the surface could not be closed: `is_watertight` tells.
    """
    work = _Work(State.of(mesh), on_progress or (lambda share: None))
    if len(mesh.faces):
        work.mend()
        if aggressive:
            work.harder()
    return _report(mesh, work)


def taken_apart(mesh: Mesh, *, weld: bool = False) -> Mesh:
    """The surface with its sheets a hair apart where too many faces or fans meet; nothing else changes."""
    state = State.of(mesh)
    state = sheets.split(welding.welded(state) if weld else state)[0]
    return dressed(welding.spread(state, NUDGE * state.diagonal), mesh)


class _Work:
    """A state, and the list of what was done to it."""

    def __init__(self, state: State, report: Progress) -> None:
        self.state = state
        self.counts: dict[str, list[int | str]] = {}
        self._report = report
        self._nudge = NUDGE * state.diagonal

    def note(self, name: str, count: int, detail: str) -> None:
        """Remember an operation that changed something; the same one again adds to its count."""
        if count > 0:
            known = self.counts.get(name, [0])[0]
            total = int(known) + count
            self.counts[name] = [total, detail.format(count=total)]

    def mend(self) -> None:
        """All steps, again while a file would show damage that is left."""
        self._weld()
        self._drop()
        if not _is_sound(self.state):
            self._stitch()
            self._separate()
        self._floaters()
        self._report(0.3)
        self._fill()
        self._report(0.6)
        self._settle()
        self._bodies()
        self._report(0.8)

    def harder(self) -> None:
        """The steps that make parts of the surface anew."""
        if len(self.state.faces) and not self.state.filed.is_watertight:
            made = remeshed(self.state.mesh)
            self.state = State(made.vertices, made.faces, np.full(len(made.faces), NEW))
            self.note("voxel_remesh", 1, "Made the surface anew from voxels, as it could not be closed.")
        if self.state.filed.is_watertight:
            self.state, count = shells.without_inner(self.state)
            self.note("remove_inner_shells", count, "Dropped {count} bodies within solid material.")
        self._report(0.95)

    def _weld(self) -> None:
        before = len(named(self.state.faces))
        self.state = welding.welded(self.state)
        count = before - len(named(self.state.faces))
        self.note("merge_vertices", count, "Merged {count} vertices at the place of another one.")

    def _drop(self) -> None:
        before = len(self.state.faces)
        self.state = dropping.without_degenerate(self.state)
        self.note("drop_degenerate_faces", before - len(self.state.faces), "Dropped {count} faces without area.")
        before = len(self.state.faces)
        self.state = dropping.without_copies(self.state)
        self.note("drop_duplicate_faces", before - len(self.state.faces), "Dropped {count} copies of other faces.")

    def _stitch(self) -> None:
        self.state, count = welding.stitched(self.state)
        self.note("close_cracks", count, "Merged {count} vertices across cracks.")
        self.state, more = welding.without_junctions(self.state)
        self.note("close_junctions", more, "Split edges at {count} vertices that lay on them.")
        if count or more:
            self._drop()

    def _separate(self) -> None:
        before = len(self.state.faces)
        self.state = dropping.without_fins(self.state)
        self.note("drop_fins", before - len(self.state.faces), "Dropped {count} faces of fins and inner walls.")
        self.state, edges, vertices = sheets.split(self.state)
        self.note("split_non_manifold_edges", edges, "Split {count} edges with more than two faces.")
        if not edges:
            self.note("split_non_manifold_vertices", vertices, "Split {count} vertices that joined separate fans.")
        self.state, turned, cut = sheets.wound(self.state)
        self.note("orient_faces", turned, "Turned {count} faces to wind like their neighbours.")
        self.note("cut_one_sided", cut, "Cut {count} edges of one-sided parts.")

    def _floaters(self) -> None:
        self.state, count = shells.without_floaters(self.state)
        self.note("drop_floaters", count, "Dropped {count} bodies under 0.5 % of the largest one.")

    def _fill(self) -> None:
        self.state, flat, other = holes.filled(self.state)
        self.state = shells.without_flat_patches(self.state)
        self.state = sheets.split(self.state)[0]
        self.note("fill_planar_holes", flat, "Filled {count} flat holes.")
        self.note("fill_holes", other, "Filled {count} other holes.")

    def _settle(self) -> None:
        """Look at the surface as a file has it, and mend what equal places spoil."""
        for attempt in range(ROUNDS):
            if self.state.is_filed_well:
                return
            self.state = welding.spread(self.state, self._nudge * (attempt + 1))
            if self.state.is_filed_well:
                return
            self.state = _without_torn(self.state, everything=attempt > 0)
            if len(self.state.faces) == 0:
                return
            self._separate()
            self.state = shells.without_flat_patches(holes.filled(self.state)[0])

    def _bodies(self) -> None:
        """Bodies face outward and do not overlap."""
        if len(self.state.faces) == 0 or not topology(self.state.faces).is_watertight:
            return
        before = self.state
        self.state, count = shells.faced_outward(self.state)
        self.note("orient_bodies", count, "Turned {count} faces of bodies that faced inward.")
        before = self.state
        self.state, count = shells.united(self.state)
        if not count:
            return
        self._settle()
        if self.state.is_filed_well:
            self.note("unite_shells", count, "United {count} overlapping bodies.")
        else:
            self.state = before


def _is_sound(state: State) -> bool:
    found = topology(state.faces)
    return found.is_watertight and found.is_manifold


def _without_torn(state: State, *, everything: bool) -> State:
    """Faces left out where equal places tear the surface; with `everything` also the faces around them."""
    state = dropping.without_copies(welding.welded(state))
    if len(state.faces) == 0 or not everything:
        return state
    bad = torn(state.faces, len(state.vertices))
    return state.kept(~dropping.around(state.faces, bad)) if bad.any() else state


def _report(original: Mesh, work: _Work) -> Repaired:
    state = work.state
    fixed = dressed(state, original)
    closed = len(state.faces) > 0 and state.filed.is_watertight
    largest, mean = _moved(original, state)
    operations = tuple(Operation(name, int(count), str(detail)) for name, (count, detail) in work.counts.items())
    return Repaired(fixed, operations, largest, mean, _volume_change(original, state, closed), closed)


def _moved(original: Mesh, state: State) -> tuple[float, float]:
    """Largest and mean distance, sampled where the surfaces differ, the mean over all of the surface."""
    kept = np.flatnonzero(state.origin != NEW)
    there = original.vertices[original.faces[state.origin[kept]]].sum(axis=1)
    kept = kept[np.abs(state.vertices[state.faces[kept]].sum(axis=1) - there).max(axis=1, initial=0.0) == 0.0]
    gone, fresh = np.ones(len(original.faces), dtype=bool), np.ones(len(state.faces), dtype=bool)
    gone[state.origin[kept]], fresh[kept] = False, False
    return changed_deviation(original, gone, state.mesh, fresh)


def _volume_change(original: Mesh, state: State, closed: bool) -> float | None:
    before = abs(signed_volume(original.vertices, original.faces))
    if not closed or before <= 0.0 or not topology(by_position(original.vertices, original.faces)[1]).is_watertight:
        return None
    return signed_volume(state.vertices, state.faces) / before - 1.0
