"""A described scene as an assembly of closed solids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from orfeas.domain.prompt import Scene, Thing
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.parametric import fitting, forms, paint, placing, sizes
from orfeas.geometry.parametric.finish import finished
from orfeas.geometry.parametric.gears import TEETH, gear
from orfeas.geometry.parametric.kit import Kit
from orfeas.geometry.parametric.objects import OBJECTS
from orfeas.geometry.parametric.piece import Body
from orfeas.geometry.parametric.placed import Placed, longest
from orfeas.geometry.parametric.primitives import PRIMITIVES

DEFAULT_MM = 100.0
"""Longest side of a scene that names no size."""
SEGMENTS = 72
MOST_FACES = 28_000
CROWDS = ((2, 1.0), (5, 0.72), (12, 0.5), (30, 0.34))
"""Bodies in a scene, and how finely each is then made; the faces of a scene stay below some 30 000."""


def build(
    scene: Scene,
    *,
    seed: int = 0,
    segments: int = SEGMENTS,
    joined: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Assembly:
    """The scene in millimetres, y up, on y = 0.

    Parameters
    ----------
    scene : Scene
        What a prompt was understood as.
    seed : int
        Turns and shifts what lies free a little; 0 leaves it straight. A single thing is not moved.
    segments : int
        Chords of a full turn; less where the scene has many bodies.
    joined : bool
        One solid of all that touches, without colours, for printing in one piece.

    Returns
    -------
    Assembly
        A part for each surface of each body; every mesh is closed. The same arguments give the same bytes.
    """
    bodies: dict[int, Body] = {}
    for index, thing in enumerate(scene.things):
        bodies[index] = body_of(thing, scene, segments)
        if on_progress is not None:
            on_progress(0.7 * (index + 1) / len(scene.things))
    placed = placing.arrange(scene, fitting.fitted(scene, bodies), seed=seed, overlap=joined)
    scale = 1.0 if scene.names_size else DEFAULT_MM / longest(placed)
    if joined:
        return Assembly(tuple(_joined(placed, scale)))
    return Assembly(tuple(_parts(scene, placed, scale)))


def body_of(thing: Thing, scene: Scene, segments: int = SEGMENTS) -> Body:
    """One of the thing, with its form and size, standing on y = 0 around the y axis."""
    kit = kit_of(thing, _detail(scene, segments))
    made = gear(kit, thing.teeth or TEETH) if thing.shape == "gear" else BUILDERS[thing.shape](kit)
    made = forms.deform(sizes.proportioned(made, thing), thing.forms, thing.shape)
    made = forms.carve(made, _asked(scene, thing), thing.shape, kit)
    made = sizes.sized(made.changed(_without_crumbs), thing, sizes.natural_mm(scene, thing))
    return _light(made, MOST_FACES // _bodies(scene))


def _without_crumbs(solid: Manifold) -> Manifold:
    """The solid without specks that a cut left and voids that nothing leads to."""
    parts = solid.decompose()
    least = 1e-4 * float(solid.volume())
    return Manifold.compose([part for part in parts if part.volume() > least]) if len(parts) > 1 else solid


def _bodies(scene: Scene) -> int:
    return sum(thing.count for thing in scene.things)


def _light(body: Body, most: int) -> Body:
    """The body with fewer faces where it has too many; what changes is first far below what can be seen."""
    faces = sum(int(piece.solid.num_tri()) for piece in body.pieces)
    low, high = body.bounds
    tolerance = 2e-4 * float((high - low).max())
    for _ in range(6):
        if faces <= most:
            break
        limit = tolerance
        body = body.changed(lambda solid, limit=limit: solid.simplify(limit))  # type: ignore[misc]
        faces = sum(int(piece.solid.num_tri()) for piece in body.pieces)
        tolerance *= 2.0
    return body


BUILDERS = {**PRIMITIVES, **OBJECTS}


def kit_of(thing: Thing, segments: int) -> Kit:
    """Rounded, smooth and faceted are ways to make every shape."""
    words = set(thing.forms)
    if "faceted" in words:
        return Kit(segments=8, edge=0.02, faceted=True)
    if "rounded" in words:
        return Kit(segments=segments, edge=0.09, steps=5)
    if "smooth" in words:
        return Kit(segments=round(segments * 1.25), edge=0.045, steps=4)
    return Kit(segments=segments)


def _detail(scene: Scene, segments: int) -> int:
    bodies = _bodies(scene)
    share = next((share for most, share in CROWDS if bodies <= most), 0.25)
    return max(12, round(segments * share / 4) * 4)


def _asked(scene: Scene, thing: Thing) -> tuple[str, ...]:
    """The words of form; what holds something inside is open."""
    index = next(i for i, other in enumerate(scene.things) if other is thing)
    holds = any(relation.kind == "inside" and index in relation.objects for relation in scene.relations)
    closed = holds and thing.shape not in placing.HOLLOW and "hollow" not in thing.forms
    return (*thing.forms, "open") if closed else thing.forms


def _parts(scene: Scene, placed: list[Placed], scale: float) -> list[Part]:
    parts = []
    meshes: dict[int, Mesh] = {}
    for item in placed:
        thing = scene.things[item.thing]
        name = thing.shape if thing.count == 1 else f"{thing.shape} {item.number + 1}"
        many = len(item.body.pieces) > 1
        for piece in item.body.pieces:
            mesh = meshes.setdefault(id(piece), finished(piece.solid, scale))
            label = f"{name}, {piece.role}" if many else name
            parts.append(Part(label, mesh, _scaled(item.matrix, scale), paint.material(piece, thing)))
    return _named_apart(parts)


def _named_apart(parts: list[Part]) -> list[Part]:
    """Two things of one name get numbers."""
    seen: dict[str, int] = {}
    found = []
    for part in parts:
        seen[part.name] = seen.get(part.name, 0) + 1
        found.append(part if seen[part.name] == 1 else replace(part, name=f"{part.name} ({seen[part.name]})"))
    return found


def _joined(placed: list[Placed], scale: float) -> list[Part]:
    solids = [piece.solid.transform(item.matrix[:3]) for item in placed for piece in item.body.pieces]
    whole = solids[0]
    for solid in solids[1:]:
        whole = whole + solid
    return [Part("model", finished(whole, scale))]


def _scaled(matrix: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    found = matrix.copy()
    found[:3, 3] *= scale
    return found
