"""What is done to a picture after its light is known: drawn lines, glow, backdrop, sRGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from orfeas.domain.presets import Vector
from orfeas.geometry import colors
from orfeas.geometry.rendering.camera import Camera, pixel_centres
from orfeas.geometry.rendering.looks import Look
from orfeas.geometry.rendering.shading import LUMA
from orfeas.geometry.rendering.surfaces import Surfaces
from orfeas.geometry.rendering.visibility import Rays

Floats32 = NDArray[np.float32]
PALING = np.float32(0.15)
FINER = 2  # lines are found on twice the pixels of each side


@dataclass(frozen=True, slots=True)
class Layer:
    """Linear light times cover, (h, w, 3), and cover, (h, w)."""

    light: Floats32
    cover: Floats32


def lines(surfaces: Surfaces, rays: Rays, camera: Camera, look: Look) -> Floats32:
    """Share of ink in each pixel, (h, w): outlines and jumps in depth, and edges between faces where they are drawn."""
    fine = camera.finer(FINER)
    shape = (fine.height, fine.width)
    hits = rays.first(*fine.rays(pixel_centres(fine.width, fine.height)))
    met = (hits.face >= 0).reshape(shape)
    depth = np.where(met, hits.distance.reshape(shape), 99.0)
    part = np.where(met, surfaces.part[hits.face].reshape(shape), -1)
    facet = surfaces.facets[hits.face].reshape(*shape, 3)
    outer, inner = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for axis in (0, 1):
        here, there = neighbours(axis)
        outer[here] |= (part[here] != part[there]) | (np.abs(depth[here] - depth[there]) > 0.12)
        bend = np.einsum("ijk,ijk->ij", facet[here], facet[there])
        inner[here] |= met[here] & met[there] & (bend < 0.8)
    unit_px = FINER * camera.height / 512.0
    drawn = _widened(outer, look.outline * unit_px)
    if look.creases:
        drawn |= _widened(inner & ~outer, look.creases * unit_px)
    ink = ndimage.gaussian_filter(drawn.astype(np.float32), 0.6)
    return np.asarray(ink.reshape(camera.height, FINER, camera.width, FINER).mean(axis=(1, 3)), dtype=np.float32)


def neighbours(axis: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a next one along an axis, and those next ones."""
    every, here, there = slice(None), slice(None, -1), slice(1, None)
    return ((here, every), (there, every)) if axis == 0 else ((every, here), (every, there))


def _widened(mask: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """Everything at most half the width from the mask."""
    if width <= 0.0:
        return np.zeros_like(mask)
    return np.asarray(ndimage.distance_transform_edt(~mask) <= max(width / 2.0, 0.5))


def over_ground(layer: Layer, shadow: Floats32) -> Layer:
    """The picture over a black shadow."""
    return Layer(layer.light, layer.cover + (1.0 - layer.cover) * shadow)


def inked(layer: Layer, ink: Floats32, color: Vector) -> Layer:
    """The picture under lines."""
    tone = colors.linear(_codes(color))
    light = layer.light * (1.0 - ink)[..., None] + tone * ink[..., None]
    return Layer(np.asarray(light, dtype=np.float32), layer.cover + (1.0 - layer.cover) * ink)


def glowing(layer: Layer, strength: float) -> Layer:
    """Bright parts shine beyond their borders."""
    bright = np.maximum(layer.light - 0.45, 0.0) * 1.4
    size = layer.cover.shape[0] / 512.0
    bloom = sum(
        ndimage.gaussian_filter(bright, (sigma * size, sigma * size, 0)) * share
        for sigma, share in ((3.0, 0.4), (9.0, 0.4), (26.0, 0.5))
    )
    halo = np.asarray(bloom * strength, dtype=np.float32)
    cover = np.maximum(layer.cover, np.clip(halo.max(axis=2), 0.0, 1.0))
    return Layer(layer.light + halo, cover)


def compressed(light: Floats32, shoulder: float) -> Floats32:
    """Light of which the part above the shoulder approaches white without reaching it, and pales as it does.

    Source: Khronos PBR Neutral Tone Mapper, 2024, without its darkening of what is below the shoulder.
    """
    if shoulder >= 1.0:
        return light
    peak = light.max(axis=1)
    above = np.flatnonzero(peak > shoulder)
    if len(above) == 0:
        return light
    room, high = np.float32(1.0 - shoulder), peak[above]
    lowered = 1.0 - room * room / (high + room - np.float32(shoulder))
    pale = 1.0 - 1.0 / (PALING * (high - lowered) + 1.0)
    kept = light[above] * ((1.0 - pale) * lowered / high)[:, None]
    found = light.copy()
    found[above] = kept + (pale * lowered)[:, None]
    return found


def saturated(light: Floats32, factor: float) -> Floats32:
    """Colours further from grey, or nearer to it, of the same brightness."""
    grey = (light @ LUMA)[..., None]
    return np.asarray(np.maximum(grey + (light - grey) * factor, 0.0), dtype=np.float32)


def composed(layer: Layer, background: Vector | None, vignette: float) -> NDArray[np.uint8]:
    """The picture over its background as sRGB with straight alpha; what exceeds white is clipped to it."""
    if background is None:
        picture = np.zeros((*layer.cover.shape, 4), dtype=np.uint8)
        picture[..., 3] = np.round(np.clip(layer.cover, 0.0, 1.0) * 255.0)
        shown = layer.cover > 0.0
        picture[shown, :3] = colors.srgb(layer.light[shown] / layer.cover[shown, None])
        return picture
    backdrop = np.asarray(colors.linear(_codes(background)), dtype=np.float32)
    behind = np.asarray(backdrop * _falloff(layer.cover.shape, vignette)[..., None] if vignette else backdrop)
    mixed = layer.light + behind * np.maximum(1.0 - layer.cover, 0.0)[..., None]
    opaque = np.full(layer.cover.shape, 255, dtype=np.uint8)
    return np.dstack([colors.srgb(np.asarray(mixed, dtype=np.float32)), opaque])


def _falloff(shape: tuple[int, ...], strength: float) -> Floats32:
    """Light of a backdrop that is lit from the middle."""
    y, x = np.mgrid[-1.0 : 1.0 : shape[0] * 1j, -1.0 : 1.0 : shape[1] * 1j].astype(np.float32)
    return np.asarray(1.0 - strength * (x * x + y * y) / 2.0, dtype=np.float32)


def _codes(color: Vector) -> NDArray[np.uint8]:
    return np.array([round(channel * 255.0) for channel in color], dtype=np.uint8)
