"""The subject before a busy background, by graph cut."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WORKING_SIDE = 256
# The share of the frame's border band where a subject may run out of the picture before it counts as scenery.
BORDER_CONTACT = 0.22
# Bhattacharyya coefficient of the colours inside and outside above which the cut found no real difference.
COLOUR_OVERLAP = 0.55
EDGE_SHARE = 0.75
# Share of a side where scenery leaves the frame.
SPAN = 0.15
SEED = 7


def segment(rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Soft mask of the object in the middle of a picture, None when there is none.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
        sRGB colours.

    Returns
    -------
    (h, w) float32 or None
        Coverage 0 to 1, refined to the picture's edges; None for scenery without a subject.

    References
    ----------
    C. Rother, V. Kolmogorov, A. Blake, "GrabCut", SIGGRAPH 2004 (OpenCV's implementation, seeded).
    K. He, J. Sun, X. Tang, "Guided image filtering", PAMI 2013: the edge refinement.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < 24:
        return None
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    mask = _cut(small)
    if mask is None or not _stands_out(small, mask):
        return None
    soft = np.asarray(cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return _refined(rgb, soft)


def _cut(rgb: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """GrabCut started from the border as background and what differs from it as subject."""
    height, width = rgb.shape[:2]
    band = max(2, round(0.04 * min(height, width)))
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    saliency = _saliency(rgb, band)
    threshold, _ = cv2.threshold((saliency * 255).astype(np.uint8), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    labels[saliency * 255 > threshold] = cv2.GC_PR_FGD
    labels[:band], labels[:, :band], labels[:, -band:] = cv2.GC_BGD, cv2.GC_BGD, cv2.GC_BGD
    labels[-band:][labels[-band:] == cv2.GC_PR_BGD] = cv2.GC_BGD
    if not (labels == cv2.GC_PR_FGD).any():
        return None
    cv2.setRNGSeed(SEED)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    whole, models = (0, 0, width, height), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.grabCut(lab, labels, whole, *models, 4, cv2.GC_INIT_WITH_MASK)
    mask = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc), cv2.MORPH_CLOSE, disc), np.uint8)


def _saliency(rgb: NDArray[np.uint8], band: int) -> NDArray[np.float32]:
    """How unlike the border's colours a pixel is, weighted towards the middle, 0 to 1."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    border = np.ones(rgb.shape[:2], bool)
    border[band:-band, band:-band] = False
    cv2.setRNGSeed(SEED)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    samples = lab[border]
    _, _, centres = cv2.kmeans(samples, 6, np.zeros((len(samples), 1), np.int32), criteria, 2, cv2.KMEANS_PP_CENTERS)
    unlike = np.min([np.linalg.norm(lab - centre, axis=2) for centre in centres], axis=0)
    height, width = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    weighted = cv2.GaussianBlur(unlike.astype(np.float32), (0, 0), 2.0) * np.exp(-(x * x + y * y)).astype(np.float32)
    return np.asarray(weighted / max(float(weighted.max()), 1e-6), np.float32)


def _stands_out(rgb: NDArray[np.uint8], mask: NDArray[np.uint8]) -> bool:
    """Whether the cut is an object: fair size, little contact with the frame, colours and edges of its own."""
    share = float(mask.mean())
    if not 0.015 < share < 0.8:
        return False
    ring = max(3, round(0.06 * min(mask.shape)))
    border = np.ones(mask.shape, bool)
    border[ring:-ring, ring:-ring] = False
    if float(mask[border].mean()) > BORDER_CONTACT or _spans(mask, ring):
        return False
    return _overlap(rgb, mask) < COLOUR_OVERLAP and _edge_share(rgb, mask) > EDGE_SHARE


def _spans(mask: NDArray[np.uint8], ring: int) -> bool:
    """Whether the cut runs out of the frame at two opposite sides, as hills and skies do."""
    ends = [band.any(axis=axis).mean() for axis in (0, 1) for band in _ends(mask, ring, axis)]
    return bool(min(ends[:2]) > SPAN or min(ends[2:]) > SPAN)


def _ends(mask: NDArray[np.uint8], ring: int, axis: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return (mask[:ring], mask[-ring:]) if axis == 0 else (mask[:, :ring], mask[:, -ring:])


def _edge_share(rgb: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Share of the cut's outline that lies on an edge of the picture; a sky is cut through its middle."""
    lab = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32), (0, 0), 1.0)
    steps = [np.linalg.norm(cv2.Sobel(lab, cv2.CV_32F, *axis, scale=0.25), axis=2) for axis in ((1, 0), (0, 1))]
    strength = cv2.dilate(np.hypot(*steps).astype(np.float32), np.ones((5, 5), np.uint8))
    outline = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) == 1
    return float((strength[outline] > 6.0).mean())


def _overlap(rgb: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Bhattacharyya coefficient of the colour histograms inside and outside, 8 bins a channel."""
    bins = (cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) // 32).astype(np.int64) @ np.array([64, 8, 1])
    inside, outside = (np.bincount(bins[mask == value], minlength=512).astype(float) for value in (1, 0))
    return float(np.sqrt(inside / inside.sum() * outside / outside.sum()).sum())


def _refined(rgb: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask's edge moved to the picture's edge by a guided filter on luminance."""
    guide = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) / 255.0, np.float32)
    radius = max(2, round(0.006 * max(mask.shape)))

    def mean(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1)), np.float32)

    mean_guide, mean_mask = mean(guide), mean(mask)
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (variance + 1e-4)
    soft = mean(slope) * guide + mean(mean_mask - slope * mean_guide)
    return np.asarray(np.clip((soft - 0.25) / 0.5, 0.0, 1.0), np.float32)
