"""Light that leaves a surface towards the eye, under a rig of lamps and in a look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Lamp, LightRig
from orfeas.geometry.normals import dot
from orfeas.geometry.rendering.brdf import Reflectance, highlight, mirrored
from orfeas.geometry.rendering.environment import environment
from orfeas.geometry.rendering.looks import Look
from orfeas.geometry.rendering.surfaces import Finish, Points

Floats32 = NDArray[np.float32]

LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # of linear light, ITU-R BT.709


@dataclass(frozen=True, slots=True)
class Lights:
    """A rig as shading needs it: the (3, 3) unit directions to main, fill and back light and their (3, 3) colours."""

    ambient: float
    toward: Floats32
    color: Floats32
    shadow: float

    @property
    def main_share(self) -> float:
        """How much of the light on level ground is of the main lamp."""
        falling = self.color @ LUMA * np.maximum(self.toward[:, 1], 0.0)
        return float(falling[0] / max(self.ambient + falling.sum(), 1e-6))

    @classmethod
    def of(cls, rig: LightRig) -> Lights:
        """Lamps are directional: they shine from their positions to the origin."""
        lamps: tuple[Lamp, ...] = (rig.main, rig.fill, rig.back)
        toward = np.array([lamp.position for lamp in lamps], dtype=np.float32)
        color = np.array([np.array(lamp.color) * lamp.intensity for lamp in lamps], dtype=np.float32)
        return cls(rig.ambient, toward / np.linalg.norm(toward, axis=1, keepdims=True), color, rig.shadow)


def shade(points: Points, finish: Finish, seen: Floats32 | None, lights: Lights, look: Look) -> Floats32:
    """Linear light from the points towards the eye, (n, 3).

    Parameters
    ----------
    points, finish : Points, Finish
        Where, and of what.
    seen : (n, 2) float32 or None
        Shares of sky and main light that arrive; None for all.
    lights, look : Lights, Look
        What shines, and how it is drawn.
    """
    normal, view = points.normal, points.view
    one = np.ones(len(points), dtype=np.float32)
    sky = one if seen is None else 1.0 - look.occlusion * (1.0 - seen[:, 0])
    key = one if seen is None or look.spread <= 0.0 else 1.0 - lights.shadow * (1.0 - seen[:, 1])
    surface = Reflectance.of(finish)
    arriving = np.repeat((lights.ambient * sky)[:, None], 3, axis=1).astype(np.float32)
    gleam = np.zeros_like(arriving)
    for index, (toward, color) in enumerate(zip(lights.toward, lights.color, strict=True)):
        cosine = normal @ toward
        share = key if index == 0 else 0.5 + 0.5 * sky
        lit = np.maximum((cosine + look.wrap) / (1.0 + look.wrap) if look.wrap else cosine, 0.0) * share
        arriving += np.asarray(lit[:, None] * color, dtype=np.float32)
        direct = np.maximum(cosine, 0.0) * share
        above = np.flatnonzero(direct > 1e-4)
        if len(above):
            part = Reflectance(*(getattr(surface, name)[above] for name in surface.__slots__))
            bright = highlight(part, normal[above], view[above], toward)
            gleam[above] += bright * (direct[above, None] * color)
    if look.steps:
        arriving = _stepped(arriving, look.steps, look.softness)
        gleam = _stepped(gleam, 1, max(look.softness * 0.5, 0.05))
    if look.flat:
        arriving = _flattened(arriving, sky, key, look.flat)
    light = surface.diffuse * arriving + gleam * (1.0 - look.flat)
    facing = np.clip(dot(normal, view), 0.0, 1.0)
    if look.environment:
        light += _mirrored(points, surface, facing, sky, lights, look)
    if look.rim:
        light += _rim(normal, facing, sky, look)
    return np.asarray(light + finish.emissive, dtype=np.float32)


def _mirrored(
    points: Points, surface: Reflectance, facing: Floats32, sky: Floats32, lights: Lights, look: Look
) -> Floats32:
    """The surroundings in the surface, as bright as the ambient light, darker in cavities."""
    normal, view = points.normal, points.view
    along = 2.0 * facing[:, None] * normal - view
    # Source: S. Lagarde, C. de Rousiers, "Moving Frostbite to PBR", SIGGRAPH 2014, listing 26.
    open_share = np.clip((facing + sky) ** np.exp2(-16.0 * surface.roughness - 1.0) - 1.0 + sky, 0.0, 1.0)
    strength = np.float32(look.environment * surroundings(lights))
    found = mirrored(surface, facing) * (environment(along, surface.roughness) * open_share * strength)[:, None]
    if look.coat:
        fresnel = 0.04 + 0.96 * (1.0 - facing) ** 5
        found += (look.coat * fresnel * environment(along, np.full_like(facing, 0.1)) * strength * sky)[:, None]
    return np.asarray(found, dtype=np.float32)


def surroundings(lights: Lights) -> float:
    """Brightness of the environment under a rig: its ambient light and a part of what its lamps throw on the walls."""
    return float(lights.ambient + 0.45 * (lights.color @ LUMA).sum())


def _rim(normal: Floats32, facing: Floats32, sky: Floats32, look: Look) -> Floats32:
    """Light along the outline, of one colour on the model's +x side and another across."""
    strength = look.rim * (1.0 - facing) ** 7 * (0.3 + 0.7 * sky)
    side = np.clip(0.5 + 0.8 * normal[:, :1], 0.0, 1.0)
    color = side * np.array(look.rim_color, np.float32) + (1.0 - side) * np.array(look.rim_across, np.float32)
    return np.asarray(strength[:, None] * color, dtype=np.float32)


def _flattened(arriving: Floats32, sky: Floats32, key: Floats32, share: float) -> Floats32:
    """Light that is nearly the same everywhere; cavities and cast shadows stay visible."""
    plain = 0.45 + 0.55 * sky * (0.55 + 0.45 * key)
    return np.asarray(arriving * (1.0 - share) + (share * plain)[:, None], dtype=np.float32)


def _stepped(light: Floats32, steps: int, softness: float) -> Floats32:
    """Light in even bands of brightness that keep its colour; `softness` is the share of a band that blends."""
    bright = np.maximum(light @ LUMA, 1e-6)
    level = np.sqrt(np.minimum(bright, 1.4)) * steps
    whole = np.floor(level)
    blend = np.clip((level - whole - 0.5) / max(softness, 1e-3) + 0.5, 0.0, 1.0)
    banded = ((whole + blend * blend * (3.0 - 2.0 * blend)) / steps) ** 2
    return np.asarray(light * (banded / bright)[:, None], dtype=np.float32)
