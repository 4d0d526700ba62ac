"""What smooth surfaces mirror: a plain studio with a dark floor, a light ceiling and two panels of light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]

FLOOR, CEILING = 0.22, 0.85
PANELS = (((-0.60, 0.52, 0.61), 0.10, 2.6), ((0.86, 0.30, 0.41), 0.05, 1.8), ((0.10, 0.35, -0.93), 0.06, 1.4))
"""Direction, angular size (1 - cosine) and brightness of each panel."""


def environment(directions: Floats32, roughness: Floats32) -> Floats32:
    """Light that comes from directions, blurred as a rough surface sees it.

    Parameters
    ----------
    directions : (n, 3) float32
        Unit vectors, y up.
    roughness : (n,) float32
        0 is a mirror; 1 sees half the room at once.

    Returns
    -------
    (n,) float32
        White light; about one on average over the upper half.
    """
    blur = 0.10 + 0.90 * roughness
    rise = np.clip(0.5 + 0.5 * directions[:, 1] / blur, 0.0, 1.0)
    light = FLOOR + (CEILING - FLOOR) * rise * rise * (3.0 - 2.0 * rise)
    for place, size, brightness in PANELS:
        axis = np.array(place, dtype=np.float32)
        axis /= np.linalg.norm(axis)
        # A blurred panel is wider and dimmer: its total light stays.
        wide = size + 0.8 * roughness * roughness
        off = (1.0 - directions @ axis) / wide
        light = light + brightness * size / wide / (1.0 + off**4)
    return np.asarray(light, dtype=np.float32)
