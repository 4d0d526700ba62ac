"""OBJ files of several parts.

Sources: Wavefront, "Object Files (.obj)" and "MTL material format", 1995.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from orfeas.domain.materials import mtl
from orfeas.geometry import colors
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.formats.archive import pack
from orfeas.geometry.formats.images import png
from orfeas.geometry.formats.parts import unlike
from orfeas.geometry.formats.text import HEAD, faces_with, texture_lines, vertex_lines

BLANK = re.compile(r"\s+")
PLAIN_MTL = "newmtl {name}\nKa 0 0 0\nKd {light} {light} {light}\nKs 0 0 0\nd 1\nillum 1\nPr 0.8\nPm 0\n"


def write_parts(assembly: Assembly, name: str) -> bytes:
    """An OBJ file with an object for each part; with materials or textures, a zip of it with them."""
    names = unlike(BLANK.sub("_", part.name) for part in assembly.parts)
    mixed = any(_has_colors(part) for part in assembly.parts)
    rich = any(part.material or colors.is_textured(part.mesh) for part in assembly.parts)
    body = [HEAD, f"mtllib {name}.mtl\n" if rich else ""]
    vertex = coordinate = 0
    materials, pictures = [HEAD], {}
    for part, label in zip(assembly.parts, names, strict=True):
        lines, coordinates = _object(_white(part) if mixed else part, label, vertex, coordinate, rich)
        body.append(lines)
        vertex, coordinate = vertex + len(part.mesh.vertices), coordinate + coordinates
        materials.append(_material(part, label))
        if part.mesh.texture is not None and colors.is_textured(part.mesh):
            pictures[f"{label}.png"] = png(part.mesh.texture)
    text = "".join(body).encode()
    if not rich:
        return text
    return pack({f"{name}.obj": text, f"{name}.mtl": "".join(materials).encode(), **pictures})


def _has_colors(part: Part) -> bool:
    return part.mesh.vertex_colors is not None and not colors.is_textured(part.mesh)


def _white(part: Part) -> Part:
    """White at the vertices that have no colour: readers want it at all of a file's or at none."""
    mesh = part.mesh
    if mesh.vertex_colors is not None:
        return part
    white = np.full((len(mesh.vertices), 4), 255, dtype=np.uint8)
    return replace(part, mesh=replace(mesh, vertex_colors=white))


def _object(part: Part, label: str, vertex: int, coordinate: int, material: bool) -> tuple[str, int]:
    """The lines of a part whose numbers follow those of the parts before it, and how many coordinates it has."""
    mesh = part.placed
    head = (
        f"o {label}\n"
        + vertex_lines(mesh, colored=mesh.vertex_colors is not None)
        + ("" if not material else f"usemtl {label}\n")
    )
    if not colors.is_textured(mesh):
        return head + faces_with(mesh.faces + 1 + vertex), 0
    lines, corners, count = texture_lines(mesh)
    return head + lines + "s 1\n" + faces_with(mesh.faces + 1 + vertex, corners + 1 + coordinate), count


def _material(part: Part, label: str) -> str:
    light = 1 if colors.is_colored(part.mesh) else 0.8
    text = mtl(label, part.material) if part.material else PLAIN_MTL.format(name=label, light=light)
    return text + (f"map_Kd {label}.png\n" if colors.is_textured(part.mesh) else "")
