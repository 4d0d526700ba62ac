"""A flat or smoothly graded background, told from the border of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Residual of the border fit, in 8-bit steps, above which a background counts as busy.
FLAT_RESIDUAL = 9.0
# Share of the border that must follow the fit; the rest may be a subject that runs out of the frame.
BORDER_SHARE = 0.7
FIT_ROUNDS = 6
# An enclosed opening is at least this share of the subject, or this near to the outside in units of the longest side.
HOLE_AREA, HOLE_DEPTH = 0.008, 0.08
# A subject is of one colour when this share of it lies within so many 8-bit steps of its median.
ONE_COLOUR_SHARE, ONE_COLOUR_STEPS = 0.95, 12.0


def flat_background_alpha(rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Soft subject mask of a picture on a plain, linear or softly vignetted background.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
        sRGB colours.

    Returns
    -------
    (h, w) float32 or None
        Coverage 0 to 1; None when the border is not plain or nothing stands out from it.
    """
    if min(rgb.shape[:2]) < 8:
        return None
    fitted = _fit_border(rgb)
    if fitted is None:
        return None
    background, residual = fitted
    distance = np.sqrt(np.square(rgb.astype(np.float32) - background).sum(axis=2))
    low = max(7.0, 3.5 * residual)
    alpha = np.clip((distance - low) / (3.0 * low), 0.0, 1.0).astype(np.float32)
    alpha = _keep_enclosed(alpha, distance, low, one_colour=_is_of_one_colour(rgb, alpha))
    share = float((alpha > 0.5).mean())
    return alpha if 4e-4 < share < 0.97 else None


def _fit_border(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float] | None:
    """Background colours (h, w, 3) by a trimmed quadratic fit to the border, and its residual in 8-bit steps."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    border = _border(height, width)
    colours = rgb[border].astype(np.float32)
    inliers = np.linalg.norm(colours - np.median(colours, axis=0), axis=1) < 60.0
    for terms in (1, 3, 6):
        basis = _basis(x, y, terms)
        samples = basis[border]
        for _ in range(FIT_ROUNDS):
            if inliers.sum() < 16:
                return None
            coefficients = np.linalg.lstsq(samples[inliers], colours[inliers], rcond=None)[0]
            errors = np.linalg.norm(colours - samples @ coefficients, axis=1)
            inliers = errors < max(6.0, 2.5 * float(np.median(errors[inliers])))
        residual = float(np.median(errors[inliers])) if inliers.any() else np.inf
        if inliers.mean() >= BORDER_SHARE and residual <= (3.0 if terms < 6 else FLAT_RESIDUAL):
            background = np.clip(basis @ coefficients, 0, 255)
            return background.astype(np.float32), residual
    return None


def _basis(x: NDArray[np.float32], y: NDArray[np.float32], terms: int) -> NDArray[np.float32]:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y][:terms], axis=-1)


def _border(height: int, width: int) -> NDArray[np.bool_]:
    band = max(1, round(0.02 * min(height, width)))
    border = np.ones((height, width), bool)
    border[band:-band, band:-band] = False
    return border


def _is_of_one_colour(rgb: NDArray[np.uint8], alpha: NDArray[np.float32]) -> bool:
    """Whether the subject is a flat sign or letter: what is enclosed in one is cut out, whatever its size and place."""
    colours = rgb[alpha > 0.9].astype(np.float32)
    if not len(colours):
        return False
    off = np.linalg.norm(colours - np.median(colours, axis=0), axis=1)
    return float((off < ONE_COLOUR_STEPS).mean()) > ONE_COLOUR_SHARE


def _keep_enclosed(
    alpha: NDArray[np.float32], distance: NDArray[np.float32], low: float, *, one_colour: bool
) -> NDArray[np.float32]:
    """Background-coloured regions inside the subject filled unless they look like a real hole.

    The white of an eye on a white page has the page's colour too. A real hole shows the background without marks in it,
    is not tiny and, unless it is large, lies close to the outside (a handle, a gap between limbs). In a subject of one
    colour it may lie anywhere and be a shade off.
    """
    outside = np.pad((alpha <= 0.5).astype(np.uint8), 1, constant_values=1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    if count <= 2:
        return alpha
    open_air = (labels == labels[0, 0])[1:-1, 1:-1]
    labels = labels[1:-1, 1:-1]
    to_air = cv2.distanceTransform((~open_air).astype(np.uint8), cv2.DIST_L2, 5)
    result = alpha.copy()
    subject_area = float((alpha > 0.5).sum())
    longest = float(max(np.ptp(np.argwhere(~open_air), axis=0)))
    for label in range(1, count):
        region = labels == label
        if region[0, 0] or (region & open_air).any() or not region.any():
            continue
        area = int(stats[label, cv2.CC_STAT_AREA])
        near = area > HOLE_AREA * subject_area or float(to_air[region].min()) < HOLE_DEPTH * longest
        open_to_see = area >= max(8.0, 4e-4 * subject_area) and not _has_marks(region, area)
        plain = _is_uniform(region, distance, low) if one_colour else near and _is_plain(region, distance, low)
        if open_to_see and plain:
            result[_core(region)] = 0.0
        else:
            result[cv2.dilate(region.astype(np.uint8), np.ones((5, 5), np.uint8)) == 1] = 1.0
    return result


def _has_marks(region: NDArray[np.bool_], area: int) -> bool:
    """Whether something of the subject stands inside a region, as a pupil does in an eye."""
    contours, hierarchy = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return any(cv2.contourArea(c) > 0.02 * area for c, h in zip(contours, hierarchy[0], strict=True) if h[3] >= 0)


def _is_plain(region: NDArray[np.bool_], distance: NDArray[np.float32], low: float) -> bool:
    """Whether a region has the background's colour all over, its soft edge aside; a shaded eye has it in places."""
    return float(np.percentile(distance[_core(region)], 92)) < 0.6 * low


def _is_uniform(region: NDArray[np.bool_], distance: NDArray[np.float32], low: float) -> bool:
    """Whether a region has one colour all over, its soft edge aside."""
    least, most = np.percentile(distance[_core(region)], (8, 92))
    return float(most - least) < 0.6 * low


def _core(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A region without its soft edge, or all of a thin one."""
    core: NDArray[np.bool_] = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8)) == 1
    return core if core.any() else region
