"""Materials and light as clients see them: preset fields, three.js members, the MTL text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.presets import Lamp, LightRig, Material, Vector

WHITE: Vector = (1.0, 1.0, 1.0)
COLORS = ("base_color", "emissive_color")
RANGES: Mapping[str, tuple[float, float]] = {
    "metalness": (0.0, 1.0),
    "roughness": (0.0, 1.0),
    "reflectivity": (0.0, 1.0),
    "opacity": (0.0, 1.0),
    "emissive_intensity": (0.0, 100.0),
    "normal_scale": (0.0, 10.0),
}
"""Smallest and largest value of each number."""


def material_text(material: Material) -> str:
    """A material as canonical JSON, for the parameters of stages."""
    return canonical_json(asdict(material))


def read_material(text: str) -> Material:
    """What `material_text` wrote."""
    members: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    return Material(**members)


def with_properties(material: Material, properties: Mapping[str, Any]) -> Material:
    """The material with some fields replaced, by their published names; values were checked before."""
    members = {_member(name): _as_value(value) for name, value in properties.items()}
    return replace(material, **members)


def material_document(name: str, material: Material) -> dict[str, Any]:
    """The fields of a preset."""
    found = asdict(material)
    emissive = found.pop("emissive")
    return {"material_type": name, **found, "emissive_color": emissive}


def material_threejs(material: Material) -> dict[str, Any]:
    """A material as three.js is given it; colours are one integer."""
    return {
        "color": packed(material.base_color),
        "metalness": material.metalness,
        "roughness": material.roughness,
        "reflectivity": material.reflectivity,
        "transparent": material.opacity < 1.0,
        "opacity": material.opacity,
        "emissive": packed(material.emissive),
        "emissiveIntensity": material.emissive_intensity,
    }


def lighting_document(name: str, rig: LightRig) -> dict[str, Any]:
    """The fields of a lighting preset."""
    return {
        "environment_type": name,
        "ambient_intensity": rig.ambient,
        "main_light_intensity": rig.main.intensity,
        "main_light_position": rig.main.position,
        "main_light_color": rig.main.color,
        "fill_light_intensity": rig.fill.intensity,
        "fill_light_position": rig.fill.position,
        "back_light_intensity": rig.back.intensity,
        "back_light_position": rig.back.position,
        "background_color": rig.background,
        "shadow_intensity": rig.shadow,
    }


def lighting_threejs(rig: LightRig) -> dict[str, Any]:
    """Lights as three.js is given them."""
    return {
        "ambient": {"intensity": rig.ambient, "color": packed(WHITE)},
        "main": _lamp_threejs(rig.main),
        "fill": _lamp_threejs(rig.fill),
        "back": _lamp_threejs(rig.back),
        "background": packed(rig.background),
        "shadowIntensity": rig.shadow,
    }


def mtl(name: str, material: Material) -> str:
    """The material in the MTL format, one datum per line.

    `Pr` and `Pm` are the extension for physically based materials (Clara.io, 2013) that common readers know.
    """
    base = _three(material.base_color)
    lines = [
        "# orfeas material",
        f"newmtl {name}",
        f"Ka {base}",
        f"Kd {base}",
        f"Ks {_three((material.reflectivity,) * 3)}",
    ]
    glow = material.emissive_intensity
    if glow > 0.0 and any(material.emissive):
        red, green, blue = material.emissive
        lines.append(f"Ke {_three((red * glow, green * glow, blue * glow))}")
    return "\n".join(
        [
            *lines,
            f"Ns {_number((1.0 - material.roughness) * 1000.0)}",
            f"d {_number(material.opacity)}",
            "illum 2",
            f"Pr {_number(material.roughness)}",
            f"Pm {_number(material.metalness)}",
            "",
        ]
    )


def packed(color: Vector) -> int:
    """A colour as one integer, red in the highest of three bytes."""
    red, green, blue = (min(255, int(channel * 255)) for channel in color)
    return red << 16 | green << 8 | blue


def _lamp_threejs(lamp: Lamp) -> dict[str, Any]:
    return {"intensity": lamp.intensity, "position": lamp.position, "color": packed(lamp.color)}


def _member(name: str) -> str:
    return "emissive" if name == "emissive_color" else name


def _as_value(value: Any) -> Any:
    return tuple(float(channel) for channel in value) if isinstance(value, list | tuple) else float(value)


def _three(numbers: tuple[float, ...]) -> str:
    return " ".join(_number(number) for number in numbers)


def _number(value: float) -> str:
    return f"{value:.6g}"
