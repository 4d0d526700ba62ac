"""Pictures of solids in a style, and the thumbnails of models."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.assembly import Model, as_assembly
from orfeas.geometry.rendering import LOOKS, Framing, Studio
from orfeas.geometry.rendering.camera import pixel_centres
from orfeas.geometry.rendering.studio import LIGHTING_BACKGROUND, TRANSPARENT

STRAIGHT = Framing()
TURN_DEG, TILT_DEG = 50.0, 10.0
"""How far a seed turns and tilts the camera, either way."""
RAISED_DEG = (15.0, 30.0, 45.0)
GLANCE, GLIMPSE = 96, 12
"""Pixels of a side of the picture that is glanced at, and those that make a thing seen."""
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
    camera = studio.camera(revealing(studio, model, view(seed)), width, height)
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
    camera = studio.camera(revealing(studio, model, framing), width, height)
    return studio.picture(camera, background=TRANSPARENT)


def revealing(studio: Studio, model: Model, framing: Framing) -> Framing:
    """The view, from further above where that shows things that are hidden: what lies in a box, or behind a tower.

    Parts belong to the thing whose name stands before the first comma of theirs, as the modeller names them.
    """
    names = [part.name.split(",")[0] for part in as_assembly(model).parts if len(part.mesh.faces)]
    if len(set(names)) < 2:
        return framing

    def shown(tried: Framing) -> int:
        camera = studio.camera(tried, GLANCE, GLANCE)
        hits = studio.rays.first(*camera.rays(pixel_centres(GLANCE, GLANCE)))
        pixels = Counter(studio.surfaces.part[hits.face[hits.face >= 0]].tolist())
        seen: Counter[str] = Counter()
        for part, count in pixels.items():
            seen[names[part]] += count
        return sum(count >= GLIMPSE for count in seen.values())

    tried = [replace(framing, elevation_deg=framing.elevation_deg + more) for more in (0.0, *RAISED_DEG)]
    return max(tried, key=shown)
