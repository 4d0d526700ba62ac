"""Materials of mesh files: what glTF says itself, what trimesh found in the others."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import trimesh

from orfeas.domain.presets import Material
from orfeas.geometry import colors
from orfeas.geometry.formats.gltf import PLAIN, ROUGHNESS

DIELECTRIC = 0.5  # reflectivity that gives the 0.04 of glTF
WHITE = (1.0, 1.0, 1.0)
HEADER = 20  # bytes before the JSON of a glb file


def document(data: bytes, file_format: str) -> dict[str, Any]:
    """The JSON of a glTF file whose header has been checked."""
    found: dict[str, Any] = json.loads(_text(data) if file_format == "glb" else data)
    return found


def _text(data: bytes) -> bytes:
    return data[HEADER : HEADER + struct.unpack_from("<I", data, 12)[0]]


def numbered(data: bytes, file_format: str) -> tuple[bytes, list[Material | None]]:
    """A glTF file whose materials have their numbers as names, and the materials.

    trimesh rounds colours to 8 bits and drops extensions; by the names its meshes lead to what the file says.
    """
    found = document(data, file_format)
    entries = found.get("materials", [])
    for index, entry in enumerate(entries):
        entry["name"] = str(index)
    text = json.dumps(found, separators=(",", ":")).encode()
    materials = [_from_gltf(entry) for entry in entries]
    if file_format == "gltf":
        return text, materials
    text += b" " * (-len(text) % 4)
    rest = data[HEADER + struct.unpack_from("<I", data, 12)[0] :]
    head = struct.pack("<4sIII4s", b"glTF", 2, HEADER + len(text) + len(rest), len(text), b"JSON")
    return head + text + rest, materials


def _from_gltf(entry: dict[str, Any]) -> Material | None:
    """A material by the names of glTF 2.0, section 3.9; None where an extension replaces them."""
    extensions = entry.get("extensions", {})
    if "KHR_materials_pbrSpecularGlossiness" in extensions:
        return None
    surface = entry.get("pbrMetallicRoughness", {})
    r, g, b, alpha = _clipped(surface.get("baseColorFactor", [1.0, 1.0, 1.0, 1.0]))
    glow = _clipped(entry.get("emissiveFactor", [0.0, 0.0, 0.0]))
    strength = float(extensions.get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1.0))
    return Material(
        (r, g, b),
        float(surface.get("metallicFactor", 1.0)),
        float(surface.get("roughnessFactor", 1.0)),
        _reflectivity(extensions.get("KHR_materials_specular", {})),
        opacity=alpha if entry.get("alphaMode") == "BLEND" else 1.0,
        emissive=(glow[0], glow[1], glow[2]),
        emissive_intensity=strength if any(glow) else 0.0,
        normal_scale=min(10.0, max(0.0, float(entry.get("normalTexture", {}).get("scale", 1.0)))),
    )


def _clipped(values: list[float]) -> list[float]:
    return [min(1.0, max(0.0, float(value))) for value in values]


def _reflectivity(specular: dict[str, Any]) -> float:
    """What gives that reflection head on, 0.16 r^2 where glTF starts from 0.04."""
    color = _mean(specular.get("specularColorFactor", [1.0, 1.0, 1.0]))
    share = float(specular.get("specularFactor", 1.0)) * color
    return round(min(1.0, float(np.sqrt(max(0.0, share))) / 2.0), 6)


def _mean(values: list[float]) -> float:
    return float(sum(float(value) for value in values) / len(values))


def of_part(shape: Any, file_format: str, known: list[Material | None], *, colored: bool) -> Material | None:
    """The surface that a file gives a mesh; None where it is plain, or white under the mesh's colours."""
    found = getattr(shape.visual, "material", None)
    if isinstance(found, trimesh.visual.material.PBRMaterial):
        material = known[int(found.name)] if known and found.name else None
        material = material or _from_pbr(found, file_format)
    elif isinstance(found, trimesh.visual.material.SimpleMaterial) and not colored and found.name:
        material = of_code(np.asarray(found.diffuse).tolist())
    else:
        return None
    return None if _is_plain(material, file_format, colored=colored) else material


def of_code(code: Any) -> Material:
    """A dull surface of an sRGB colour with alpha, 0 to 255."""
    r, g, b = colors.linear(np.array(code[:3], dtype=np.uint8)).tolist()
    return Material((r, g, b), 0.0, ROUGHNESS, DIELECTRIC, opacity=code[3] / 255.0)


def _from_pbr(found: Any, file_format: str) -> Material:
    """What trimesh read: linear in glTF, codes as they are shown in COLLADA, which tells no roughness of its own."""
    factor = found.baseColorFactor
    code = np.full(4, 255, dtype=np.uint8) if factor is None else np.asarray(factor, dtype=np.uint8)
    is_shown = file_format == "dae"
    base = colors.linear(code[:3]) if is_shown else code[:3] / 255.0
    r, g, b = (float(value) for value in base)
    glow = _clipped([0.0] * 3 if found.emissiveFactor is None else list(found.emissiveFactor)[:3])
    metal = 1.0 if found.metallicFactor is None else float(found.metallicFactor)
    rough = 1.0 if found.roughnessFactor is None else float(found.roughnessFactor)
    return Material(
        (r, g, b),
        metal,
        ROUGHNESS if is_shown and rough == 1.0 else rough,
        DIELECTRIC,
        opacity=float(code[3]) / 255.0,
        emissive=(glow[0], glow[1], glow[2]),
        emissive_intensity=1.0 if any(glow) else 0.0,
    )


def _is_plain(material: Material, file_format: str, *, colored: bool) -> bool:
    """Whether it is the surface that is written for a mesh without a material."""
    grey = colors.linear(np.array([round(255 * PLAIN[0])] * 3, dtype=np.uint8)) if file_format == "dae" else PLAIN[:3]
    base = WHITE if colored else tuple(grey)
    dull = (material.metalness, material.roughness, material.reflectivity) == (0.0, ROUGHNESS, DIELECTRIC)
    dull &= material.normal_scale == 1.0
    return dull and material.opacity == 1.0 and not any(material.emissive) and np.allclose(material.base_color, base)
