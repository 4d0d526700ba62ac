"""The outline of a subject at the size of a height field."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.errors import EmptySurfaceError
from orfeas.geometry.subject import Subject

Floats = NDArray[np.float32]

# Pixels of a field along its longest side. The finest grid of the quality map has 256 voxels.
FIELD_SIDE = 352
# Scale in pixels over which a soft outline is averaged.
HAIR_SIGMA = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Silhouette:
    """Outline and picture resampled to the field.

    Attributes
    ----------
    mask : (h, w) bool
        Inside the subject; free of the frame.
    inside : (h, w) float32
        Signed distance to the outline in pixels, positive inside, exact to a fraction of a pixel at the rim.
    slope_source : (h, w) int64
        Flat index of the pixel of the mask nearest to each pixel outside it.
    luminance : (h, w) float32
        Lightness 0 to 1 of the picture.
    rgb : (h, w, 3) float32
        The picture, 0 to 255.
    pixel_size : float
        Side of a pixel in units of the silhouette's longest side.
    """

    mask: NDArray[np.bool_]
    inside: Floats
    slope_source: NDArray[np.int64]
    luminance: Floats
    rgb: Floats
    pixel_size: float


def silhouette(subject: Subject) -> Silhouette:
    """Resample a subject's outline and picture to the size of a field.

    Raises
    ------
    EmptySurfaceError
        No pixel of the subject is at least half covered.
    """
    height, width = subject.alpha.shape
    scale = FIELD_SIDE / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    alpha = np.asarray(cv2.resize(subject.alpha, size, interpolation=interpolation), np.float32)
    rgb = np.asarray(cv2.resize(subject.rgb, size, interpolation=interpolation), np.float32)
    alpha = _without_hairs(_smooth_steps(alpha, scale))
    alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1] = 0, 0, 0, 0
    mask = alpha > 0.5
    if not mask.any():
        raise EmptySurfaceError("The subject is too faint: no part of the picture is at least half opaque.")
    inside, nearest = _signed_distance(mask, alpha)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    longest = max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    luminance = cv2.cvtColor(rgb / 255.0, cv2.COLOR_RGB2LAB)[..., 0] / 100.0
    return Silhouette(mask, inside, nearest, np.asarray(luminance, np.float32), rgb, 1.0 / float(longest))


def _smooth_steps(alpha: Floats, scale: float) -> Floats:
    """Rounded pixel corners of an outline that was enlarged from a small picture."""
    if scale <= 1.0:
        return alpha
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.3 * scale), np.float32)


def _without_hairs(alpha: Floats) -> Floats:
    """The outline under fur and smoke: where a band of half-transparent pixels is wide, its spikes are averaged."""
    soft = ((alpha > 0.08) & (alpha < 0.92)).astype(np.float32)
    wide = cv2.erode(soft, np.ones((3, 3), np.uint8))
    if not wide.any():
        return alpha
    share = np.clip(cv2.GaussianBlur(wide, (0, 0), HAIR_SIGMA) * 3 - 0.15, 0, 1)
    smooth = cv2.GaussianBlur(alpha, (0, 0), HAIR_SIGMA)
    return np.asarray(alpha + share * (smooth - alpha), np.float32)


def _signed_distance(mask: NDArray[np.bool_], alpha: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Signed distance in pixels, from coverage next to the rim, and the nearest inside pixel of outside ones."""
    within = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    without, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = np.where(mask, within - 0.5, 0.5 - without).astype(np.float32)
    rim = np.abs(inside) < 0.75
    inside[rim] = np.clip(alpha[rim] - 0.5, -0.5, 0.5) + np.where(mask[rim], 0.01, -0.01)
    index_of_label = np.zeros(int(labels.max()) + 1, np.int64)
    index_of_label[labels[mask]] = np.flatnonzero(mask)
    return inside, index_of_label[labels]
