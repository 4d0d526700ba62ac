"""Pictures without a silhouette: a plate whose surface or thickness follows the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.field import PLATE, HeightField
from orfeas.geometry.silhouette import Silhouette, silhouette
from orfeas.geometry.subject import Subject

Floats = NDArray[np.float32]

# All in units of the plate's longest side.
RELIEF_BASE = 0.03
RELIEF_HEIGHT = 0.09
# 0.8 to 3 mm at 100 mm: the customary range of printed lithophanes.
LITHOPHANE_THIN, LITHOPHANE_THICK = 0.008, 0.03


def relief(subject: Subject) -> HeightField:
    """Plate with a flat back and a front raised by the picture's light and shade.

    Heights mix the broad lightness (bright forms stand out) with local contrast (edges and texture stay readable).

    Parameters
    ----------
    subject : Subject
        The plate has the outline of its mask.

    Returns
    -------
    HeightField
        `plate`, 0.03 to 0.12 of the longest side thick.
    """
    outline = silhouette(subject)
    longest = 1.0 / outline.pixel_size
    light = _filled(outline)
    broad = cv2.GaussianBlur(light, (0, 0), 0.03 * longest)
    fine = cv2.bilateralFilter(light, 5, 0.1, 2.0) - cv2.GaussianBlur(light, (0, 0), 0.015 * longest)
    middle = cv2.GaussianBlur(light, (0, 0), 0.006 * longest) - broad
    height = _stretched(0.55 * broad + 0.6 * middle + 0.45 * fine, outline.mask)
    height = np.asarray(cv2.GaussianBlur(height, (0, 0), 0.8), np.float32)
    return _plate(outline, RELIEF_BASE + RELIEF_HEIGHT * height, "relief")


def lithophane(subject: Subject) -> HeightField:
    """Thin plate that shows the picture when lit from behind: dark parts are thick.

    Parameters
    ----------
    subject : Subject
        The plate has the outline of its mask.

    Returns
    -------
    HeightField
        `plate`, 0.008 to 0.03 of the longest side thick: 0.8 to 3 mm at 100 mm.
    """
    outline = silhouette(subject)
    light = _stretched(np.asarray(cv2.GaussianBlur(_filled(outline), (0, 0), 0.7), np.float32), outline.mask)
    return _plate(outline, LITHOPHANE_THIN + (LITHOPHANE_THICK - LITHOPHANE_THIN) * (1 - light), "lithophane")


def _plate(outline: Silhouette, thickness: Floats, method: str) -> HeightField:
    back = np.zeros_like(thickness, np.float32)
    return HeightField(
        outline.inside * np.float32(outline.pixel_size),
        thickness.astype(np.float32),
        back,
        outline.pixel_size,
        PLATE,
        method,
    )


def _filled(outline: Silhouette) -> Floats:
    """Lightness with the margin filled from the nearest inside pixel, so that filters see no edge at the rim."""
    return np.ascontiguousarray(outline.luminance.ravel()[outline.slope_source])


def _stretched(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Values scaled so that the 1st and 99th percentile of the inside become 0 and 1; a plain picture is 0.5."""
    low, high = np.percentile(values[mask], (1, 99))
    if high - low < 0.02:
        return np.full(values.shape, 0.5, np.float32)
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)
