"""The subject of a picture: its colours, its soft outline and whether there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.background import flat_background_alpha
from orfeas.geometry.segment import segment

RemoveBackground = Literal["auto", "always", "never"]
Outline = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32] | None, tuple[str, ...]]]
"""Finds the soft mask (h, w) of a picture (h, w, 3), None where nothing stands out, with what the user should know."""

# Pixels along the longest side that are worked on: the finest grid has 256 voxels and the texture about 1000 texels.
WORKING_SIDE = 1024
# Share of the longest side left free around the subject, so that the outline never meets the frame.
MARGIN = 0.04
BUSY = "The background is busy: the subject was cut out by segmentation, its outline may be inexact."
WHOLE = "No subject could be told apart from the background, so the whole picture was taken for it."


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A picture cropped to its subject, with a free margin on all sides.

    Attributes
    ----------
    rgb : (h, w, 3) uint8
        Straight (not premultiplied) sRGB colours.
    alpha : (h, w) float32
        Soft coverage, 0 outside the subject, 1 inside.
    found : bool
        False when nothing could be told apart and the whole frame stands in.
    warnings : tuple of str
        What the user should know about the outline.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    found: bool
    warnings: tuple[str, ...] = ()


def by_contrast(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32] | None, tuple[str, ...]]:
    """The outline by a plain background, else by segmentation: needs no model."""
    alpha = flat_background_alpha(picture)
    if alpha is not None:
        return alpha, ()
    alpha = segment(picture)
    return alpha, () if alpha is None else (BUSY,)


def to_cut(rgba: NDArray[np.uint8], *, remove_background: RemoveBackground = "auto") -> NDArray[np.uint8] | None:
    """The picture (h, w, 3) whose outline is looked for; None where its own alpha or its frame is taken."""
    rgb, own = _working_size(rgba)
    has_own = _has_own(own)
    if remove_background == "never" or (has_own and remove_background == "auto"):
        return None
    return _over_border_colour(rgb, own) if has_own else rgb


def prepare(
    rgba: NDArray[np.uint8], *, remove_background: RemoveBackground = "auto", outline: Outline = by_contrast
) -> Subject:
    """Find the subject of a decoded picture and crop to it.

    Parameters
    ----------
    rgba : (h, w, 4) uint8
        Straight-alpha sRGB, oriented.
    remove_background : {"auto", "always", "never"}
        `auto` takes an image's own alpha and looks for a background only in an opaque image. `always` looks for one
        inside the opaque part too. `never` keeps the alpha as it is; an opaque image then has no outline, so the whole
        frame is taken with `found` false.
    outline
        What looks for the subject where a background is removed.

    Returns
    -------
    Subject
        At most `WORKING_SIDE` pixels along the longest side before the margin is added.

    Raises
    ------
    ValueError
        The array is not (h, w, 4) uint8 with at least one pixel.
    """
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != np.uint8 or rgba.size == 0:
        raise ValueError(f"expected a (h, w, 4) uint8 picture, got {rgba.dtype} {rgba.shape}")
    rgb, own = _working_size(rgba)
    alpha, warnings = _outline(rgb, own, remove_background, outline)
    cleaned = None if alpha is None else _without_specks(alpha)
    if cleaned is None:
        return _cropped(rgb, np.ones(rgb.shape[:2], np.float32), False, ())
    return _cropped(rgb, cleaned, True, warnings)


def prepare_whole(
    rgba: NDArray[np.uint8], *, remove_background: RemoveBackground = "auto", outline: Outline = by_contrast
) -> Subject:
    """Find the subject of a decoded picture and keep the frame; an alpha of its own stays as it is.

    Colours and alpha of a picture with an alpha of its own are given back exactly up to `WORKING_SIDE` pixels.
    """
    rgb, own = _working_size(rgba)
    if remove_background != "always" and _has_own(own):
        return Subject(rgb, own, True)
    alpha, warnings = _outline(rgb, own, remove_background, outline)
    cleaned = None if alpha is None else _without_specks(alpha)
    if cleaned is None:
        return Subject(rgb, np.ones(rgb.shape[:2], np.float32), False, () if remove_background == "never" else (WHOLE,))
    return Subject(rgb, cleaned, True, warnings)


def _has_own(alpha: NDArray[np.float32]) -> bool:
    return bool((alpha < 0.98).mean() > 0.001) and bool((alpha > 0.5).any())


def _outline(
    rgb: NDArray[np.uint8], own: NDArray[np.float32], remove_background: RemoveBackground, outline: Outline
) -> tuple[NDArray[np.float32] | None, tuple[str, ...]]:
    """Soft mask by the first source that has one, None when there is none."""
    has_own = _has_own(own)
    if remove_background == "never" or (has_own and remove_background == "auto"):
        return (own if has_own else None), ()
    alpha, warnings = outline(_over_border_colour(rgb, own) if has_own else rgb)
    if has_own:
        return (own, ()) if alpha is None else (np.minimum(alpha, own), warnings)
    return alpha, warnings


def _working_size(rgba: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Colours and alpha, shrunk to the working size with colours weighted by alpha."""
    height, width = rgba.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    alpha = rgba[..., 3].astype(np.float32) / 255.0
    if scale >= 1.0:
        return np.ascontiguousarray(rgba[..., :3]), alpha
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if alpha.min() == 1.0:
        return _resized(np.ascontiguousarray(rgba[..., :3]), size), np.ones(size[::-1], np.float32)
    premultiplied = cv2.resize(rgba[..., :3].astype(np.float32) * alpha[..., None], size, interpolation=cv2.INTER_AREA)
    alpha = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    colours = premultiplied / np.maximum(alpha, 1e-4)[..., None]
    return np.clip(colours + 0.5, 0, 255).astype(np.uint8), alpha


def _resized(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _over_border_colour(rgb: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Transparent pixels painted with the mean colour of the visible pixels next to them."""
    visible = (alpha > 0.5).astype(np.uint8)
    eroded = cv2.erode(visible, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    rim = (visible == 1) & (eroded == 0)
    colour = np.median(rgb[rim], axis=0) if rim.any() else np.array([255, 255, 255])
    painted = np.where(alpha[..., None] > 0.5, rgb, colour.astype(np.uint8))
    return np.ascontiguousarray(painted, dtype=np.uint8)


def _without_specks(alpha: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The mask without stray specks and pinholes; None when nothing is left."""
    solid = (alpha > 0.5).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count < 2:
        return None
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = areas >= max(0.004 * areas.max(), min(9.0, 0.5 * areas.max()))
    if areas[kept].sum() < 4e-4 * solid.size:
        return None
    near_kept = cv2.dilate(kept[labels].astype(np.uint8), np.ones((7, 7), np.uint8))
    strays = ((labels > 0) & ~kept[labels]).astype(np.uint8)
    strays = cv2.dilate(strays, np.ones((3, 3), np.uint8)) if strays.any() else strays
    result = np.where((near_kept == 1) & ((strays == 0) | kept[labels]), alpha, 0.0).astype(np.float32)
    return _without_pinholes(result)


def _without_pinholes(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enclosed gaps of a few pixels are noise of the cut-out; larger ones are real and stay."""
    gaps = np.pad((alpha <= 0.5).astype(np.uint8), 1, constant_values=1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(gaps, connectivity=4)
    if count <= 2:
        return alpha
    pinholes = stats[:, cv2.CC_STAT_AREA] <= max(2.0, 1.5e-5 * alpha.size)
    pinholes[0] = False
    return np.where(pinholes[labels][1:-1, 1:-1], np.float32(1.0), alpha)


def _cropped(rgb: NDArray[np.uint8], alpha: NDArray[np.float32], found: bool, warnings: tuple[str, ...]) -> Subject:
    rows, columns = np.flatnonzero((alpha > 0.02).any(axis=1)), np.flatnonzero((alpha > 0.02).any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    rgb, alpha = rgb[box], alpha[box]
    margin = max(2, round(MARGIN * max(alpha.shape)))
    return Subject(
        np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)), mode="edge"), np.pad(alpha, margin), found, warnings
    )
