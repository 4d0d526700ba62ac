"""Fewer triangles for a model of several parts, each of which stays a part with its own surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orfeas.errors import TargetUnreachableError
from orfeas.geometry.assembly import Assembly, Model, as_mesh
from orfeas.geometry.simplify import simplify

FEWEST = 4
"""Faces of a closed surface: a tetrahedron."""


def simplify_parts(
    assembly: Assembly,
    target_faces: int,
    *,
    exact: bool,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Model:
    """The parts with so many triangles together, each with its share of them.

    Parameters
    ----------
    assembly : Assembly
        Parts with closed surfaces.
    target_faces : int
        Triangles in all; one less where it is odd.
    exact : bool
        Exactly so many, or at most. A model that has no more is returned as it is.

    Returns
    -------
    Mesh or Assembly
        One mesh with colours of vertices where the parts cannot have so few each.
    """
    counts = [len(part.mesh.faces) for part in assembly.parts]
    if sum(counts) <= target_faces:
        return assembly
    try:
        wanted = shares(counts, target_faces)
        done = []
        for index, (part, most) in enumerate(zip(assembly.parts, wanted, strict=True)):
            done.append(replace(part, mesh=simplify(part.mesh, most, exact=exact)))
            on_progress((index + 1) / len(counts))
        return Assembly(tuple(done))
    except TargetUnreachableError:
        return simplify(as_mesh(assembly), target_faces, exact=exact, on_progress=on_progress)


def shares(counts: list[int], total: int) -> list[int]:
    """An even number for each count, in proportion, `total` together or one less; at least a tetrahedron each.

    Raises
    ------
    TargetUnreachableError
        There are more parts than `total` has tetrahedra.
    """
    pairs, fewest = total // 2, FEWEST // 2
    if pairs < fewest * len(counts):
        raise TargetUnreachableError(
            f"{len(counts)} parts have at least {FEWEST} faces each.", best=FEWEST * len(counts)
        )
    exact = [max(fewest, pairs * count / sum(counts)) for count in counts]
    found = [max(fewest, int(share)) for share in exact]
    by_rest = sorted(range(len(counts)), key=lambda place: (found[place] - exact[place], place))
    position = 0
    while sum(found) != pairs:
        step = 1 if sum(found) < pairs else -1
        place = by_rest[position % len(counts)] if step > 0 else max(range(len(counts)), key=lambda at: found[at])
        found[place] += step
        position += 1
    return [2 * share for share in found]
