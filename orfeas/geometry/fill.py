"""Colours continued beyond what a picture shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import poisson

Floats = NDArray[np.float32]

HARMONIC_SIDE = 144


def pull_push(colours: Floats, weights: Floats) -> Floats:
    """Fill where the weight is low from coarser and coarser means of where it is high.

    Parameters
    ----------
    colours : (h, w, 3) float32
        Any range.
    weights : (h, w) float32
        Trust in each pixel, 0 to 1.

    Returns
    -------
    (h, w, 3) float32

    References
    ----------
    S. Gortler et al., "The lumigraph", SIGGRAPH 1996, section 3.4.
    """
    return _pull_push(colours * weights[..., None], weights)


def _pull_push(weighted: Floats, weights: Floats) -> Floats:
    height, width = weights.shape
    total = np.maximum(weights, 1e-8)[..., None]
    if max(height, width) <= 2:
        mean = weighted.sum(axis=(0, 1)) / max(float(weights.sum()), 1e-8)
        return np.where(weights[..., None] > 1e-6, weighted / total, mean).astype(np.float32)
    size = max(1, (width + 1) // 2), max(1, (height + 1) // 2)
    coarse_weights = np.asarray(cv2.resize(weights, size, interpolation=cv2.INTER_AREA), np.float32)
    coarse_weighted = np.asarray(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), np.float32)
    gain = np.minimum(4.0, 1.0 / np.maximum(coarse_weights, 0.25)).astype(np.float32)
    coarse = _pull_push(coarse_weighted * gain[..., None], coarse_weights * gain)
    behind = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    share = np.clip(weights, 0, 1)[..., None]
    return np.asarray(weighted / total * share + behind * (1 - share), np.float32)


def harmonic(colours: Floats, inside: Floats, weights: Floats) -> Floats:
    """Smooth colours that agree with the picture at the rim and forget it towards the middle.

    Parameters
    ----------
    colours : (h, w, 3) float32
        Picture, continued beyond the outline.
    inside : (h, w) float32
        Signed distance to the outline in units of the longest side.
    weights : (h, w) float32
        Trust in each pixel as a colour of the rim.

    Returns
    -------
    (k, l, 3) float32
        At most `HARMONIC_SIDE` pixels along the longest side, the same frame.
    """
    height, width = inside.shape
    scale = min(1.0, HARMONIC_SIDE / max(height, width))
    size = max(4, round(width * scale)), max(4, round(height * scale))
    depth = np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_AREA), np.float32)
    trust = np.asarray(cv2.resize(weights, size, interpolation=cv2.INTER_AREA), np.float32)
    weighted = np.asarray(cv2.resize(colours * weights[..., None], size, interpolation=cv2.INTER_AREA), np.float32)
    sigma = 0.02 * max(size)
    pair = cv2.GaussianBlur(np.dstack([weighted, trust]), (0, 0), sigma)
    mean = pair[..., :3] / np.maximum(pair[..., 3:], 1e-6)
    rim = pull_push(mean.astype(np.float32), np.clip(pair[..., 3] / 0.05, 0, 1).astype(np.float32))
    return poisson.solve(depth > 0.03, 0.0, rim)
