"""COLLADA files of several parts. Identifiers are the names of the parts, which common readers take for names.

Source: COLLADA 1.4.1, https://www.khronos.org/files/collada_spec_1_4.pdf
"""

from __future__ import annotations

import re

import numpy as np

from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.formats.parts import base_rgba, painted, unlike
from orfeas.geometry.formats.text import NUMBER, places
from orfeas.geometry.formats.xml import COLLADA, DECLARATION, EPOCH, escaped, source

UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
PLAIN = (0.8, 0.8, 0.8, 1.0)
WHITE = (1.0, 1.0, 1.0, 1.0)


def write_parts(assembly: Assembly, up_axis: str, name: str) -> bytes:
    """A COLLADA file that counts metres, with a geometry, a material and a node for each part."""
    labels = unlike(_identifier(part.name) for part in assembly.parts)
    parts = list(zip(labels, assembly.parts, strict=True))
    return (
        f'{DECLARATION}<COLLADA xmlns="{COLLADA}" version="1.4.1">\n'
        "<asset><contributor><authoring_tool>orfeas</authoring_tool></contributor>"
        f'<created>{EPOCH}</created><modified>{EPOCH}</modified><unit name="meter" meter="1"/>'
        f"<up_axis>{up_axis.upper()}_UP</up_axis></asset>\n"
        f"<library_effects>{''.join(_effect(label, part) for label, part in parts)}</library_effects>\n"
        f"<library_materials>{''.join(_material(label, part) for label, part in parts)}</library_materials>\n"
        f"<library_geometries>{''.join(_geometry(label, part) for label, part in parts)}</library_geometries>\n"
        f'<library_visual_scenes><visual_scene id="orfeas-scene"><node id="orfeas-root" name="{escaped(name)}">'
        f"<scale>0.001 0.001 0.001</scale>{''.join(_node(label, part) for label, part in parts)}"
        "</node></visual_scene></library_visual_scenes>\n"
        '<scene><instance_visual_scene url="#orfeas-scene"/></scene>\n</COLLADA>\n'
    ).encode()


def _identifier(name: str) -> str:
    """A name as XML allows it for identifiers."""
    plain = UNSAFE.sub("_", name)
    return plain if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain}"


def _effect(label: str, part: Part) -> str:
    """A Lambert surface; where vertices have colours, those hold the base colour already."""
    base = base_rgba(part)
    plain = PLAIN if base is None else tuple(channel / 255.0 for channel in base)
    red, green, blue, opacity = WHITE if painted(part) is not None else plain
    material = part.material
    glow = "" if material is None else _glow(material.emissive, material.emissive_intensity)
    clear = "" if opacity >= 1.0 else _transparency(opacity)
    return (
        f'<effect id="{label}-effect"><profile_COMMON><technique sid="common"><lambert>{glow}'
        f"<diffuse><color>{red:.4g} {green:.4g} {blue:.4g} 1</color></diffuse>{clear}"
        "</lambert></technique></profile_COMMON></effect>\n"
    )


def _glow(color: tuple[float, float, float], intensity: float) -> str:
    if intensity <= 0.0 or not any(color):
        return ""
    red, green, blue = (min(1.0, channel * intensity) for channel in color)
    return f"<emission><color>{red:.4g} {green:.4g} {blue:.4g} 1</color></emission>"


def _transparency(opacity: float) -> str:
    return (
        '<transparent opaque="A_ONE"><color>1 1 1 1</color></transparent>'
        f"<transparency><float>{opacity:.4g}</float></transparency>"
    )


def _material(label: str, part: Part) -> str:
    effect = f'<instance_effect url="#{label}-effect"/>'
    return f'<material id="{label}-material" name="{escaped(part.name)}">{effect}</material>'


def _geometry(label: str, part: Part) -> str:
    colours = painted(part)
    color_source = "" if colours is None else source(f"{label}-colors", np.round(colours / 255.0, 4), "RGBA")
    color_input = "" if colours is None else f'<input semantic="COLOR" source="#{label}-colors" offset="0" set="0"/>'
    faces = " ".join(map(str, part.mesh.faces.ravel().tolist()))
    return (
        f'<geometry id="{label}" name="{escaped(part.name)}"><mesh>\n'
        + source(f"{label}-positions", places(part.mesh), "XYZ")
        + color_source
        + f'<vertices id="{label}-vertices"><input semantic="POSITION" source="#{label}-positions"/></vertices>\n'
        f'<triangles count="{len(part.mesh.faces)}" material="surface">'
        f'<input semantic="VERTEX" source="#{label}-vertices" offset="0"/>{color_input}<p>{faces}</p></triangles>\n'
        "</mesh></geometry>\n"
    )


def _node(label: str, part: Part) -> str:
    matrix = " ".join(NUMBER % value for value in part.transform.ravel().tolist())
    return (
        f'<node id="{label}-node" name="{escaped(part.name)}"><matrix>{matrix}</matrix>'
        f'<instance_geometry url="#{label}"><bind_material><technique_common>'
        f'<instance_material symbol="surface" target="#{label}-material"/></technique_common></bind_material>'
        "</instance_geometry></node>\n"
    )
