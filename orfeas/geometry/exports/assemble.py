"""A model with its collision shapes and levels of detail."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from orfeas.errors import InvalidRequestError
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Model, Part, as_assembly
from orfeas.geometry.exports.convex import box, convex_parts, hull
from orfeas.geometry.formats.archive import pack
from orfeas.geometry.formats.parts import unlike
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.scale import UpAxis
from orfeas.geometry.simplify import simplify_to

Collision = Literal["box", "convex_hull", "convex_parts"]
Reduce = Callable[[Mesh, int], Mesh]
COLLISIONS: tuple[str, ...] = get_args(Collision)

NODELESS = frozenset({"stl", "ply", "off"})
"""Formats that hold one surface: further nodes need a file each."""
LEAST_FACES = 4  # of a closed surface
UNSAFE = re.compile(r"[^\w.-]+")


def assemble(
    model: Model,
    *,
    name: str = "model",
    collision: Collision | None = None,
    max_parts: int = 8,
    lods: Sequence[int] = (),
    reduce: Reduce | None = None,
) -> Assembly:
    """The parts of a model, each followed by its collision shapes and levels of detail.

    Parameters
    ----------
    model : Mesh or Assembly
        Millimetres.
    name : str
        Of the part that a single mesh becomes.
    collision : str or None
        `box` around a part along its own axes, its `convex_hull`, or `convex_parts` that follow its hollows. Named
        `<part>_collision_1` and so on.
    max_parts : int
        Most convex parts of one part.
    lods : sequence of int
        Faces of each level, most first, named `<part>_lod_1` and so on. Several parts share a level's faces by their
        own counts. A level with as many faces as the model, or more, is the model again.
    reduce : callable, optional
        Simplifier: (mesh, faces) to mesh; by default the quadric one.

    Raises
    ------
    OpenMeshError
        Convex parts of a mesh that is not closed.
    InvalidRequestError
        The levels do not fall, or have fewer faces than a closed surface needs.
    """
    _check(lods)
    parts = as_assembly(model, name).parts
    parts = tuple(replace(part, name=label) for part, label in zip(parts, unlike(p.name for p in parts), strict=True))
    total = sum(len(part.mesh.faces) for part in parts)
    made: list[Part] = []
    for part in parts:
        made.append(part)
        shapes = _collisions(part.mesh, collision, max_parts)
        made += [
            replace(part, name=f"{part.name}_collision_{number}", mesh=shape, material=None)
            for number, shape in enumerate(shapes, 1)
        ]
        counts = [max(LEAST_FACES, count * len(part.mesh.faces) // total) for count in lods]
        made += [
            replace(part, name=f"{part.name}_lod_{number}", mesh=mesh)
            for number, mesh in enumerate(_levels(part.mesh, counts, reduce or _reduced), 1)
        ]
    return Assembly(tuple(made))


def bundle(
    assembly: Assembly,
    file_format: str,
    *,
    up_axis: UpAxis = "y",
    provenance: Mapping[str, Any] | str = "{}",
    name: str = "model",
) -> bytes:
    """A zip of one file with all nodes or, where the format holds one surface, of a file for each part."""
    if file_format not in NODELESS:
        data = formats.write(assembly, file_format, up_axis=up_axis, provenance=provenance, name=name)
        packed = data[:4] == b"PK\x03\x04" and file_format == "obj"
        return data if packed else pack({f"{name}.{file_format}": data})
    names = unlike(UNSAFE.sub("_", part.name) for part in assembly.parts)
    files = {
        f"{label}.{file_format}": formats.write(
            Assembly((part,)), file_format, up_axis=up_axis, provenance=provenance, name=label
        )
        for part, label in zip(assembly.parts, names, strict=True)
    }
    return pack(files)


def _check(lods: Sequence[int]) -> None:
    falling = all(one > two for one, two in itertools.pairwise(lods))
    if not falling or any(count < LEAST_FACES for count in lods):
        raise InvalidRequestError(
            f"Levels of detail need face counts that fall, of {LEAST_FACES} or more each.",
            errors=[{"pointer": "/lods", "detail": f"Falling counts of at least {LEAST_FACES}."}],
        )


def _collisions(mesh: Mesh, collision: Collision | None, max_parts: int) -> list[Mesh]:
    match collision:
        case None:
            return []
        case "box":
            return [box(mesh)]
        case "convex_hull":
            return [hull(mesh)]
        case "convex_parts":
            return convex_parts(mesh, max_parts=max_parts)


def _reduced(mesh: Mesh, faces: int) -> Mesh:
    return simplify_to(mesh, target_faces=faces).mesh


def _levels(mesh: Mesh, counts: Sequence[int], reduce: Reduce) -> Iterator[Mesh]:
    """Each level made of the one before it, which is nearly as good as making it of the whole and far quicker."""
    for count in counts:
        mesh = mesh if count >= len(mesh.faces) else reduce(mesh, count)
        yield mesh
