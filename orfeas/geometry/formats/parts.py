"""Models of several parts on their way into files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.errors import EmptyMeshError
from orfeas.geometry import colors
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.scale import UpAxis

CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")  # no XML file may hold them
LONGEST_NAME = 120
UPRIGHT = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""From y up to z up, as `scale.z_up`."""


def prepared(assembly: Assembly, up_axis: UpAxis) -> Assembly:
    """The parts with faces, this axis up, each with a name of its own; none is mirrored by its transform.

    Raises
    ------
    EmptyMeshError
        No part has faces.
    """
    kept = [part for part in assembly.parts if len(part.mesh.faces)]
    if not kept:
        raise EmptyMeshError("A model without faces cannot be written.")
    turn = UPRIGHT if up_axis == "z" else np.eye(4)
    names = unlike(part.name for part in kept)
    turned = (replace(part, name=name, transform=turn @ part.transform) for part, name in zip(kept, names, strict=True))
    return Assembly(tuple(baked(part) if _mirrors(part) else part for part in turned))


def baked(part: Part) -> Part:
    """The part with its mesh in its place."""
    return replace(part, mesh=part.placed, transform=np.eye(4))


def unlike(names: Iterable[str]) -> list[str]:
    """Names that differ: without control characters, later ones of a kind numbered."""
    found: list[str] = []
    for name in names:
        base = CONTROL.sub(" ", name).strip()[:LONGEST_NAME] or "part"
        free, number = base, 2
        while free in found:
            free, number = f"{base}_{number}", number + 1
        found.append(free)
    return found


def painted(part: Part) -> NDArray[np.uint8] | None:
    """Colours of the vertices of a part that has some, its material's base colour applied; (n, 4) sRGB and alpha."""
    if not colors.is_colored(part.mesh):
        return None
    return Assembly((replace(part, transform=np.eye(4)),)).merged().vertex_colors if part.material else _own(part)


def _own(part: Part) -> NDArray[np.uint8] | None:
    return colors.of_vertices(part.mesh)


def base_rgba(part: Part) -> tuple[int, int, int, int] | None:
    """The base colour of a part's material, sRGB and alpha; None without one."""
    if part.material is None:
        return None
    red, green, blue = colors.srgb(np.asarray([part.material.base_color], dtype=np.float32))[0].tolist()
    return red, green, blue, round(part.material.opacity * 255)


def _mirrors(part: Part) -> bool:
    return bool(np.linalg.det(part.transform[:3, :3]) < 0.0)
