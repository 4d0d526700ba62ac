"""3MF and COLLADA.

Sources: 3MF Core Specification 1.3 and Materials and Properties Extension 1.2, https://3mf.io/spec;
COLLADA 1.4.1, https://www.khronos.org/files/collada_spec_1_4.pdf
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import colors
from orfeas.geometry.formats.archive import pack
from orfeas.geometry.formats.text import NUMBER, places, rows
from orfeas.geometry.mesh import Mesh

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
MODEL_RELATION = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
OWN = "urn:orfeas:provenance:1"
COLLADA = "http://www.collada.org/2005/11/COLLADASchema"
# COLLADA requires a date; a file must not tell when it was made.
EPOCH = "1980-01-01T00:00:00Z"

CONTENT_TYPES = (
    f'{DECLARATION}<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>\n'
)
RELATIONS = (
    f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rel0" Target="/3D/3dmodel.model" Type="{MODEL_RELATION}"/></Relationships>\n'
)


def write_3mf(mesh: Mesh, provenance: Mapping[str, Any], name: str) -> bytes:
    """A 3MF package in millimetres; colours, sampled at the vertices, as a colour group."""
    painted = colors.of_vertices(mesh)
    group, use = ("", "") if painted is None else (color_group(painted), ' pid="1" pindex="0"')
    head = f'{group}<object id="2" type="model" name={quoteattr(name)}{use}>\n'
    resources = head + mesh_element(mesh, painted) + "</object>\n"
    return packed(document(resources, 2, provenance, name, coloured=painted is not None))


def packed(model: str) -> bytes:
    """The package around a model."""
    files = {"[Content_Types].xml": CONTENT_TYPES, "_rels/.rels": RELATIONS, "3D/3dmodel.model": model}
    return pack({path: text.encode() for path, text in files.items()})


def document(resources: str, item: int, provenance: Mapping[str, Any], name: str, *, coloured: bool) -> str:
    """A 3MF model of these resources that builds one of them."""
    namespaces = f'xmlns="{CORE}" xmlns:o="{OWN}"' + (f' xmlns:m="{MATERIAL}"' if coloured else "")
    recipe = json.dumps(dict(provenance), separators=(",", ":"), ensure_ascii=False)
    return (
        f'{DECLARATION}<model unit="millimeter" xml:lang="en-US" {namespaces}>\n'
        f'<metadata name="Title">{escape(name)}</metadata>\n<metadata name="Application">orfeas</metadata>\n'
        f'<metadata name="o:provenance">{escape(recipe)}</metadata>\n'
        f'<resources>\n{resources}</resources>\n<build><item objectid="{item}"/></build>\n</model>\n'
    )


def mesh_element(mesh: Mesh, painted: NDArray[np.uint8] | None, group: int = 1) -> str:
    """Vertices and triangles, which name the colours of a group."""
    return (
        "<mesh>\n<vertices>\n"
        + rows(f'<vertex x="{NUMBER}" y="{NUMBER}" z="{NUMBER}"/>\n', places(mesh))
        + "</vertices>\n<triangles>\n"
        + _triangles(mesh, painted, group)
        + "</triangles>\n</mesh>\n"
    )


def _palette(painted: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """The different colours and the colour of each vertex."""
    codes = np.ascontiguousarray(painted).view(">u4").ravel()
    distinct, which = np.unique(codes, return_inverse=True)
    return distinct.astype(">u4").view(np.uint8).reshape(-1, 4), which.ravel()


def color_group(painted: NDArray[np.uint8], group: int = 1) -> str:
    """The different colours of vertices."""
    palette, _ = _palette(painted)
    return (
        f'<m:colorgroup id="{group}">\n' + rows('<m:color color="#%02X%02X%02X%02X"/>\n', palette) + "</m:colorgroup>\n"
    )


def _triangles(mesh: Mesh, painted: NDArray[np.uint8] | None, group: int) -> str:
    if painted is None:
        return rows('<triangle v1="%d" v2="%d" v3="%d"/>\n', mesh.faces)
    _, which = _palette(painted)
    line = f'<triangle v1="%d" v2="%d" v3="%d" pid="{group}" p1="%d" p2="%d" p3="%d"/>\n'
    return rows(line, np.concatenate([mesh.faces, which[mesh.faces]], axis=1))


def write_dae(mesh: Mesh, up_axis: str, name: str) -> bytes:
    """A COLLADA file that counts metres: millimetres under a node scaled 0.001; colours at the vertices."""
    painted = colors.of_vertices(mesh)
    label = escaped(name)
    color_source = "" if painted is None else source("colors", np.round(painted / 255.0, 4), "RGBA")
    color_input = "" if painted is None else '<input semantic="COLOR" source="#colors" offset="0" set="0"/>'
    plain = "1 1 1 1" if painted is not None else "0.8 0.8 0.8 1"
    faces = " ".join(map(str, mesh.faces.ravel().tolist()))
    return (
        f'{DECLARATION}<COLLADA xmlns="{COLLADA}" version="1.4.1">\n'
        "<asset><contributor><authoring_tool>orfeas</authoring_tool></contributor>"
        f'<created>{EPOCH}</created><modified>{EPOCH}</modified><unit name="meter" meter="1"/>'
        f"<up_axis>{up_axis.upper()}_UP</up_axis></asset>\n"
        '<library_effects><effect id="effect"><profile_COMMON><technique sid="common"><lambert>'
        f"<diffuse><color>{plain}</color></diffuse></lambert></technique></profile_COMMON></effect></library_effects>\n"
        '<library_materials><material id="material"><instance_effect url="#effect"/></material></library_materials>\n'
        f'<library_geometries><geometry id="geometry" name="{label}"><mesh>\n'
        + source("positions", places(mesh), "XYZ")
        + color_source
        + '<vertices id="vertices"><input semantic="POSITION" source="#positions"/></vertices>\n'
        f'<triangles count="{len(mesh.faces)}" material="surface">'
        f'<input semantic="VERTEX" source="#vertices" offset="0"/>{color_input}<p>{faces}</p></triangles>\n'
        "</mesh></geometry></library_geometries>\n"
        f'<library_visual_scenes><visual_scene id="scene"><node id="node" name="{label}">'
        "<scale>0.001 0.001 0.001</scale>"
        '<instance_geometry url="#geometry"><bind_material><technique_common>'
        '<instance_material symbol="surface" target="#material"/></technique_common></bind_material>'
        "</instance_geometry></node></visual_scene></library_visual_scenes>\n"
        f'<scene><instance_visual_scene url="#scene"/></scene>\n</COLLADA>\n'
    ).encode()


def escaped(name: str) -> str:
    """A name inside quotes."""
    return escape(name, {'"': "&quot;"})


def source(name: str, values: NDArray[np.float64], axes: str) -> str:
    """A COLLADA source of rows of numbers."""
    numbers = rows(" ".join([NUMBER] * len(axes)) + "\n", values)
    params = "".join(f'<param name="{axis}" type="float"/>' for axis in axes)
    return (
        f'<source id="{name}"><float_array id="{name}-array" count="{values.size}">{numbers}</float_array>'
        f'<technique_common><accessor source="#{name}-array" count="{len(values)}" stride="{len(axes)}">'
        f"{params}</accessor></technique_common></source>\n"
    )
