"""Colours that mesh files hold at faces, corners and objects, as colours of vertices.

Sources: 3MF Materials and Properties Extension 1.2, https://3mf.io/spec; Geomview manual, section "OFF Files",
http://www.geomview.org/docs/html/OFF.html
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from orfeas.geometry import colors
from orfeas.geometry.colors import Colors

MODEL = "3d/3dmodel.model"
WHITE = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """Colours of one mesh of a file: (n, 4) sRGB and alpha of its vertices, or one colour of all of it."""

    vertices: Colors | None = None
    whole: tuple[int, int, int, int] | None = None


def spread(count: int, vertex: NDArray[np.intp], codes: Colors) -> Colors:
    """Colours of `count` vertices from pairs of a vertex and a colour: their mean in linear light, white without any.

    Parameters
    ----------
    vertex : (k,) int
    codes : (k, 4) uint8
        sRGB and alpha.
    """
    used = np.maximum(np.bincount(vertex, minlength=count), 1)
    light = colors.linear(codes[:, :3])
    mean = [np.bincount(vertex, weights=light[:, channel], minlength=count) / used for channel in range(3)]
    alpha = np.bincount(vertex, weights=codes[:, 3], minlength=count) / used
    found = np.concatenate([colors.srgb(np.stack(mean, axis=1)), np.round(alpha)[:, None].astype(np.uint8)], axis=1)
    found[np.bincount(vertex, minlength=count) == 0] = WHITE
    return _exact(found, vertex, codes)


def _exact(found: Colors, vertex: NDArray[np.intp], codes: Colors) -> Colors:
    """The colour itself, unrounded by the way through linear light, at vertices that have only one."""
    last = found.copy()
    last[vertex] = codes
    unlike = np.zeros(len(found), dtype=bool)
    unlike[vertex[(last[vertex] != codes).any(axis=1)]] = True
    return np.where(unlike[:, None], found, last)


def of_3mf(data: bytes) -> list[Paint]:
    """Paint of the objects with a mesh in a package, in their order; empty where none has any."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        name = next(name for name in archive.namelist() if MODEL in name.lower())
        text = archive.read(name)
    if b"colorgroup" not in text and b"basematerials" not in text:
        return []
    tree = etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    groups = {str(item.get("id")): _group(item, "color", "color") for item in tree.iter("{*}colorgroup")}
    bases = {str(item.get("id")): _group(item, "base", "displaycolor") for item in tree.iter("{*}basematerials")}
    found = [item for item in tree.iter("{*}object") if item.find("{*}mesh") is not None]
    return [_object(item, groups, bases) for item in found]


def _group(item: Any, tag: str, attribute: str) -> Colors:
    return np.array([_code(str(entry.get(attribute))) for entry in item.iter(f"{{*}}{tag}")], dtype=np.uint8)


def _code(text: str) -> tuple[int, ...]:
    """#RRGGBB or #RRGGBBAA."""
    return tuple(bytes.fromhex(text.lstrip("#").ljust(8, "F")[:8]))


def _object(item: Any, groups: dict[str, Colors], bases: dict[str, Colors]) -> Paint:
    """The paint of an object: that of its triangles' corners, else its own."""
    pid, own = str(item.get("pid")), item.get("pindex")
    known = groups | bases
    vertex: list[int] = []
    codes: list[tuple[int, ...]] = []
    used = set()
    for triangle in item.iter("{*}triangle"):
        group = str(triangle.get("pid", pid))
        first = triangle.get("p1", own)
        if group in known and first is not None:
            used.add(group)
            picks = (first, triangle.get("p2", first), triangle.get("p3", first))
            vertex += [int(triangle.get(name)) for name in ("v1", "v2", "v3")]
            codes += [tuple(known[group][int(pick)]) for pick in picks]
    if not vertex:
        return Paint()
    table = np.array(codes, dtype=np.uint8)
    count = sum(1 for _ in item.iter("{*}vertex"))
    if used <= bases.keys() and (table == table[0]).all():
        red, green, blue, alpha = table[0].tolist()
        return Paint(whole=(red, green, blue, alpha))
    return Paint(vertices=spread(count, np.array(vertex), table))


def of_off(data: bytes) -> Paint:
    """Paint of an OFF file: colours behind positions or behind faces, as numbers to 255 or shares of one."""
    lines = (line.split(b"#")[0].split() for line in data.splitlines())
    rows = [row for row in lines if row]
    head = rows[0][0].upper()
    if len(rows[0]) > 1:
        rows[0] = rows[0][1:]
    else:
        del rows[0]
    count, faces = int(rows[0][0]), int(rows[0][1])
    points = rows[1 : 1 + count]
    if head == b"COFF" and all(len(row) in (6, 7) for row in points):
        return Paint(vertices=_codes([row[3:] for row in points]))
    vertex: list[int] = []
    owner: list[int] = []
    shades: list[list[bytes]] = []
    for row in rows[1 + count : 1 + count + faces]:
        corners = int(row[0])
        shade = row[1 + corners :]
        if len(shade) in (3, 4):
            vertex += [int(name) for name in row[1 : 1 + corners]]
            owner += [len(shades)] * corners
            shades.append(shade)
    if not shades:
        return Paint()
    return Paint(vertices=spread(count, np.array(vertex), _codes(shades)[owner]))


def _codes(rows: list[list[bytes]]) -> Colors:
    """Colours as bytes: whole numbers to 255, or shares of one where any is written with a point."""
    values = np.array([[float(value) for value in row[:3]] for row in rows])
    shares = any(b"." in value for row in rows for value in row)
    top = 1.0 if shares else 255.0
    alpha = np.array([[float(row[3]) if len(row) > 3 else top] for row in rows])
    return np.clip(np.round(np.concatenate([values, alpha], axis=1) / top * 255.0), 0, 255).astype(np.uint8)
