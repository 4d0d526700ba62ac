"""Pictures of solids in a style: the light of a rig, steps of tone, outlines and the colour behind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from orfeas.domain.presets import LIGHTING, MATERIALS, LightRig, Material
from orfeas.domain.styles import LOOKS, Look
from orfeas.geometry import colors
from orfeas.geometry.assembly import Assembly, Model, as_mesh
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.render import render

Light = NDArray[np.float32]
Mask = NDArray[np.bool_]
AZIMUTH_DEG, ELEVATION_DEG = 35.0, 20.0
TURN_DEG, TILT_DEG = 50.0, 10.0
"""How far a seed turns and tilts the camera, either way."""
TONES = {"toon": 4, "outline": 4, "flat": 2}
INK = np.array([0.012, 0.012, 0.016], dtype=np.float32)
WHITE = (0.86, 0.86, 0.86)
NEON = np.array([[1.0, 0.05, 0.65], [0.02, 0.75, 1.0]], dtype=np.float32)  # rim on the left and on the right


def illustrate(model: Model, *, style: str, width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture of a model that fills the frame.

    Parameters
    ----------
    model : Mesh or Assembly
        y up, any unit.
    style : str
        One of `domain.styles.LOOKS`.
    width, height : int
        Pixels.
    seed : int
        Turns and tilts the camera; 0 looks from the front and a little from the right and above.

    Returns
    -------
    (height, width, 3) uint8
        sRGB. The same arguments give the same bytes.
    """
    look = LOOKS[style]
    azimuth, elevation = view(seed)
    drawn = render(_dressed(model, look), width=width, height=height, azimuth_deg=azimuth, elevation_deg=elevation)
    alpha = drawn[..., 3:].astype(np.float32) / 255.0
    surface: Mask = np.asarray(drawn[..., :3].any(axis=-1))  # elsewhere is only the shadow on the ground
    light = _toned(_lit(colors.linear(drawn[..., :3]), look), surface, look)
    if style == "cyberpunk":
        light = _rimmed(light, surface)
    behind = colors.linear(np.round(np.array(look.background) * 255.0).astype(np.uint8))
    picture = light * alpha + behind * (1.0 - alpha)
    if look.shading == "outline":
        picture = np.where(_outlines(drawn, surface)[..., None], INK, picture)
    return colors.srgb(picture.astype(np.float32))


def view(seed: int) -> tuple[float, float]:
    """Where the camera stands: degrees from the front, and above the horizon."""
    if seed == 0:
        return AZIMUTH_DEG, ELEVATION_DEG
    turn, tilt = np.random.default_rng(seed).uniform(-1.0, 1.0, 2)
    return AZIMUTH_DEG + TURN_DEG * float(turn), ELEVATION_DEG + TILT_DEG * float(tilt)


def _dressed(model: Model, look: Look) -> Mesh:
    """One mesh with the colours of its materials, or with those of the style."""
    if isinstance(model, Assembly) and (look.white or look.metalness):
        model = Assembly(tuple(replace(part, material=_material(part.material, look)) for part in model.parts))
    mesh = as_mesh(model)
    return _unshared(mesh) if look.faceted else mesh


def _material(own: Material | None, look: Look) -> Material:
    """White, or the own colour greyed as metal shows it."""
    base = own or MATERIALS["plastic"]
    if look.white:
        return replace(base, base_color=WHITE)
    steel = MATERIALS["metal"].base_color
    red, green, blue = (0.45 * mine + 0.55 * grey for mine, grey in zip(base.base_color, steel, strict=True))
    return replace(base, base_color=(red, green, blue), metalness=look.metalness or base.metalness)


def _unshared(mesh: Mesh) -> Mesh:
    """Every face with corners of its own, so that no light runs over an edge."""
    painted = None if mesh.vertex_colors is None else mesh.vertex_colors[mesh.faces.ravel()]
    faces = np.arange(mesh.faces.size, dtype=np.int64).reshape(-1, 3)
    return Mesh(mesh.vertices[mesh.faces.ravel()], faces, vertex_colors=painted)


def _lit(light: Light, look: Look) -> Light:
    """The light of the style's rig in place of the studio's."""
    rig, studio = LIGHTING[look.lighting], LIGHTING["studio"]
    ratio = _power(rig) / _power(studio)
    tint = np.asarray(rig.main.color, dtype=np.float32)
    mixed = (rig.main.intensity * tint + rig.ambient) / (rig.main.intensity + rig.ambient)
    deep = 1.0 + 0.35 * max(0.0, studio.ambient / max(rig.ambient, 0.05) - 1.0) / 2.0
    graded = np.power(np.clip(light, 0.0, 1.0), deep) * ratio * mixed
    return np.asarray(graded, dtype=np.float32)


def _power(rig: LightRig) -> float:
    """How bright a surface becomes, with the sky counted half."""
    return 0.5 * rig.ambient + math.sqrt(rig.main.intensity)


def _toned(light: Light, surface: Mask, look: Look) -> Light:
    """Brightness in steps, with the hue kept."""
    steps = TONES.get(look.shading)
    if steps is None or not surface.any():
        return light
    value = light.max(axis=-1)
    top = float(np.percentile(value[surface], 98.0)) or 1.0
    tone = np.ceil(np.sqrt(np.clip(value / top, 0.0, 1.0)) * steps) / steps
    wanted = top * np.maximum(tone, 1.0 / steps) ** 2
    factor = np.where(surface, wanted / np.maximum(value, 1e-4), 1.0)
    return np.asarray(np.clip(light * factor[..., None], 0.0, 1.0), dtype=np.float32)


def _rimmed(light: Light, surface: Mask) -> Light:
    """A coloured light along the silhouette: one on the left, another on the right."""
    reach = max(surface.shape) / 90.0
    depth = ndimage.distance_transform_edt(surface)
    rim = np.where(surface, np.exp(-depth / reach), 0.0).astype(np.float32)
    right = np.linspace(0.0, 1.0, surface.shape[1], dtype=np.float32)[None, :, None]
    return np.asarray(light + rim[..., None] * (NEON[0] * (1.0 - right) + NEON[1] * right), dtype=np.float32)


def _outlines(drawn: NDArray[np.uint8], surface: Mask) -> Mask:
    """Pixels on the silhouette, and where light or colour jumps."""
    width = max(1, round(max(surface.shape) / 340))
    outer = surface ^ ndimage.binary_erosion(surface, iterations=width, border_value=1)
    smooth = ndimage.gaussian_filter(drawn[..., :3].astype(np.float32), (0.7, 0.7, 0.0))
    jump = np.hypot(np.gradient(smooth, axis=0), np.gradient(smooth, axis=1)).max(axis=-1)
    inner = surface & (jump > 22.0)
    return np.asarray(outer | inner)
