"""Whether a subject is a flat thing (a star, a key, a logo) or a body, from its outline and its colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.silhouette import Silhouette

Floats = NDArray[np.float32]


def flatness(outline: Silhouette) -> float:
    """0 for a body, 1 for a thing cut from a sheet.

    Flat things are painted in one or two plain colours or have an outline of several equal points (a star, a gear, a
    flower), and do not fill their convex hull, or fill a rectangle; a ball of one colour does neither and stays a ball.
    """
    solidity, rectangularity = _fills(outline.mask)
    gaps = float(np.clip((0.94 - solidity) / 0.07, 0, 1))
    panel = float(np.clip((rectangularity - 0.88) / 0.06, 0, 1))
    return max(gaps * _point_symmetry(outline.mask), max(gaps, panel) * _plainness(outline))


def _fills(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Area over the areas of the parts' convex hulls, holes counted as gaps, and over their smallest rectangles."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hulls = sum(max(cv2.contourArea(cv2.convexHull(c)), 1.0) for c in contours)
    rectangles = [sorted(cv2.minAreaRect(c)[1]) for c in contours]
    # A pole fills its rectangle too and stays round.
    broad = sum(short * long for short, long in rectangles if short > 0.2 * long)
    area = float(mask.sum())
    return min(1.0, area / max(hulls, 1.0)), (min(1.0, area / broad) if broad > 0.5 * area else 0.0)


def _plainness(outline: Silhouette) -> float:
    """Share of the inside within a small distance of its two commonest colours, scaled to 0 at 75 % and 1 at 90 %."""
    inner = outline.rgb[outline.inside > max(2.0, 0.008 / outline.pixel_size)]
    if len(inner) < 16:
        return 0.0
    lab = cv2.cvtColor((inner[None] / 255.0).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    covered = np.zeros(len(lab), bool)
    for _ in range(2):
        rest = lab[~covered]
        if len(rest) == 0:
            break
        bins = np.round(rest / 6.0).astype(np.int64) @ np.array([1, 1000, 1_000_000])
        values, counts = np.unique(bins, return_counts=True)
        centre = rest[bins == values[counts.argmax()]].mean(axis=0)
        covered |= np.linalg.norm(lab - centre, axis=1) < 6.0
    return float(np.clip((covered.mean() - 0.75) / 0.15, 0, 1))


def _point_symmetry(mask: NDArray[np.bool_]) -> float:
    """How well the outline repeats when turned by a third to a twelfth of a circle, 0 to 1.

    The area by angle around the centroid is a periodic signal: a star's power lies in the multiples of its points.
    """
    rows, columns = np.nonzero(mask)
    y, x = rows - rows.mean(), columns - columns.mean()
    sectors = ((np.arctan2(y, x) + np.pi) * (90 / np.pi)).astype(np.int64) % 180
    area = np.bincount(sectors, minlength=180).astype(float)
    power = np.abs(np.fft.rfft(area / max(area.mean(), 1e-9)))[1:61] ** 2
    total = float(power.sum())
    if total < 0.01 * 180**2 * 0.2:
        return 0.0
    best = max(float(power[n - 1 :: n].sum()) for n in range(3, 13))
    return float(np.clip((best / total - 0.85) / 0.1, 0, 1))
