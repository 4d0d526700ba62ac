"""A silhouette blown up to a smooth closed solid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import poisson
from orfeas.geometry.field import ROUND, HeightField
from orfeas.geometry.flatness import flatness
from orfeas.geometry.silhouette import Silhouette, silhouette
from orfeas.geometry.subject import Subject

Floats = NDArray[np.float32]

BALLS_SIDE = 104
# Half depth of a subject that is wholly flat, in units of the longest side: a cookie rather than a cushion.
FLAT_HALF_DEPTH = 0.055
# Height of the relief of shading, in units of the longest side, and the share of the local half depth it may take.
RELIEF_HEIGHT = 0.012
RELIEF_SHARE = 0.12
# Difference of lightness that gives half of that height: shading below it counts, a painted edge adds little more.
SATURATION = 0.15


def inflate(subject: Subject, on_progress: poisson.Progress | None = None) -> HeightField:
    """Inflate a subject's mask to a solid with a round rim.

    The squared height P solves laplace(P) = -2 inside the mask with P = 0 on the rim: exactly a round pole for a long
    strip, too flat by half for a disc. A smooth factor between 1 and 2, from the union of inscribed balls, makes a disc
    a ball as well. Holes of the mask are rims like any other, so they stay open. Flat-looking subjects are limited in
    depth. Shading above a low frequency is laid on the front, faded towards the rim.

    Parameters
    ----------
    subject : Subject
        Picture and mask.
    on_progress : callable, optional
        Told 0 to 1; may raise to cancel.

    Returns
    -------
    HeightField
        `round`; the back is the mirrored smooth front without relief.

    Raises
    ------
    EmptySurfaceError
        The mask is empty.

    References
    ----------
    P. Joshi, N. Carr, "Repousse: automatic inflation of 2D artwork", SBIM 2008: heights from Poisson's equation.
    """
    outline = silhouette(subject)
    _tell(on_progress, 0.1)
    squared = poisson.solve(outline.mask, 2.0, np.zeros(outline.mask.shape, np.float32))
    _tell(on_progress, 0.6)
    squared = np.maximum(squared, 0) * _ball_factor(outline.mask, squared)
    squared = _limited(squared, outline, flatness(outline))
    signed = _signed_across_rim(squared, outline)
    height = np.sqrt(np.maximum(signed, 0))
    relief = _relief(outline, height)
    _tell(on_progress, 1.0)
    root = (np.sign(signed) * np.sqrt(np.abs(signed))).astype(np.float32)
    size = np.float32(outline.pixel_size)
    front = np.where(signed > 0, root + relief, root).astype(np.float32)
    return HeightField(
        outline.inside * size, front * size, -root * size, outline.pixel_size, ROUND, "silhouette-inflation"
    )


def _tell(on_progress: poisson.Progress | None, share: float) -> None:
    if on_progress is not None:
        on_progress(share)


def _ball_factor(mask: NDArray[np.bool_], squared: Floats) -> Floats:
    """How much rounder than a strip the mask is at each place, 1 for strips to 2 for discs, smooth."""
    height, width = mask.shape
    scale = BALLS_SIDE / max(mask.shape)
    size = max(4, round(width * scale)), max(4, round(height * scale))
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    radii = np.square(np.asarray(cv2.resize(distance, size, interpolation=cv2.INTER_AREA), np.float32) * scale)
    balls = _union_of_balls(radii)
    strips = np.asarray(cv2.resize(squared, size, interpolation=cv2.INTER_AREA), np.float32) * np.float32(scale * scale)
    sigma = 0.045 * max(size)
    inside = np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
    ratio = cv2.GaussianBlur(balls * inside, (0, 0), sigma) / (cv2.GaussianBlur(strips, (0, 0), sigma) + 1e-3)
    factor = np.clip(ratio, 1.0, 2.0).astype(np.float32)
    return np.asarray(cv2.resize(factor, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _union_of_balls(squared_radii: Floats) -> Floats:
    """Squared height of the union of all inscribed balls: the upper envelope of paraboloids, one axis at a time."""
    heights = squared_radii
    for _ in range(2):
        offsets = np.arange(heights.shape[1], dtype=np.float32)
        parabolas = np.square(offsets[:, None] - offsets[None, :])
        heights = (heights[:, None, :] - parabolas[None]).max(axis=2).T
    return np.maximum(heights, 0).astype(np.float32)


def _limited(squared: Floats, outline: Silhouette, flat: float) -> Floats:
    """Squared heights bent under the depth that the subject's flatness allows; the round rim stays."""
    natural = float(squared.max())
    wanted = (FLAT_HALF_DEPTH / outline.pixel_size) ** 2
    if flat <= 0 or natural <= wanted:
        return squared
    cap = natural ** (1 - flat) * wanted**flat
    return np.asarray(squared / np.power(1.0 + np.power(squared / cap, 1.5), 2.0 / 3.0), np.float32)


def _signed_across_rim(squared: Floats, outline: Silhouette) -> Floats:
    """The squared height continued below zero outside with the slope it has at the nearest rim."""
    distance = np.maximum(outline.inside, 0.5)
    slope = np.where(outline.mask, squared / distance, 0).astype(np.float32)
    rim = (outline.inside > 0) & (outline.inside < 2.5)
    weight = cv2.GaussianBlur(rim.astype(np.float32), (0, 0), 2.0)
    slope = np.where(rim, cv2.GaussianBlur(slope * rim, (0, 0), 2.0) / np.maximum(weight, 1e-4), slope)
    outside = slope.ravel()[outline.slope_source] * outline.inside
    fade = np.clip(outline.inside / 3.0, 0, 1)
    within = squared * fade + slope * np.maximum(outline.inside, 0) * (1 - fade)
    signed = np.where(outline.mask, np.maximum(within, 1e-3), np.minimum(outside, -1e-3)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(signed, (0, 0), 0.7), np.float32)
    return np.where(np.sign(smooth) == np.sign(signed), smooth, 0.05 * signed).astype(np.float32)


def _relief(outline: Silhouette, height: Floats) -> Floats:
    """Height of the shading between a fine and a coarse scale, in pixels, zero at the rim."""
    longest = 1.0 / outline.pixel_size
    mask = outline.mask.astype(np.float32)
    fine, coarse = max(1.0, 0.004 * longest), 0.05 * longest
    detail = _blurred(outline.luminance, mask, fine) - _blurred(outline.luminance, mask, coarse)
    detail = np.tanh(detail / SATURATION)
    room = np.minimum(RELIEF_HEIGHT * longest, RELIEF_SHARE * height)
    fade = np.clip((outline.inside - 0.006 * longest) / (0.03 * longest), 0, 1)
    return np.asarray(detail * room * fade * fade * (3 - 2 * fade), np.float32)


def _blurred(values: Floats, mask: Floats, sigma: float) -> Floats:
    """Gaussian mean over the mask alone."""
    factor = max(1, int(sigma // 3))
    small = (max(1, mask.shape[1] // factor), max(1, mask.shape[0] // factor))
    pair = np.asarray(cv2.resize(np.dstack([values * mask, mask]), small, interpolation=cv2.INTER_AREA), np.float32)
    sigma = max(0.5, sigma / factor)
    pair = np.asarray(cv2.GaussianBlur(pair, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float32)
    mean = pair[..., 0] / np.maximum(pair[..., 1], 1e-4)
    return np.asarray(cv2.resize(mean, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
