"""Pictures of solids in a style, and the thumbnails of models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.assembly import Model
from orfeas.geometry.rendering import LOOKS, Framing, Studio
from orfeas.geometry.rendering.studio import LIGHTING_BACKGROUND, TRANSPARENT

STRAIGHT = Framing()
TURN_DEG, TILT_DEG = 50.0, 10.0
"""How far a seed turns and tilts the camera, either way."""
PAPER = "#e6e8eb"
"""Behind the styles that leave the background to the lighting: the studio's is nearly black."""
THUMBNAIL = replace(LOOKS["realistic"], crisp=False)


def illustrate(model: Model, *, style: str, width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture of a model that fills the frame.

    Parameters
    ----------
    model : Mesh or Assembly
        y up, any unit.
    style : str
        One of `domain.presets.STYLES`.
    width, height : int
        Pixels.
    seed : int
        Turns and tilts the camera; 0 looks from the front and a little from the right and above.

    Returns
    -------
    (height, width, 3) uint8
        sRGB. The same arguments give the same bytes.
    """
    studio = Studio(model, size=max(width, height), style=style)
    background = LIGHTING_BACKGROUND if studio.look.backdrop else PAPER
    camera = studio.camera(view(seed), width, height)
    return np.ascontiguousarray(studio.picture(camera, background=background)[..., :3])


def view(seed: int) -> Framing:
    """Where the camera stands."""
    if seed == 0:
        return STRAIGHT
    turn, tilt = np.random.default_rng(seed).uniform(-1.0, 1.0, 2)
    return Framing(STRAIGHT.azimuth_deg + TURN_DEG * float(turn), STRAIGHT.elevation_deg + TILT_DEG * float(tilt))


def thumbnail(model: Model, *, width: int, height: int, framing: Framing = STRAIGHT) -> NDArray[np.uint8]:
    """A model without anything behind it but its shadow, (height, width, 4) uint8."""
    studio = Studio(model, size=max(width, height), style=THUMBNAIL)
    return studio.picture(studio.camera(framing, width, height), background=TRANSPARENT)
