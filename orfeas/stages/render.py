"""Pictures of models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.config import Config
from orfeas.domain import camera as cameras
from orfeas.domain.presets import Vector, View
from orfeas.domain.specs import RenderPreview
from orfeas.domain.specs.render import PictureSpec, RenderPicture, RenderTurntable, read_material, read_rig
from orfeas.errors import CapabilityMissingError
from orfeas.geometry.assembly import Model
from orfeas.geometry.illustration import thumbnail
from orfeas.geometry.rendering import Framing, Studio, has_embree
from orfeas.geometry.rendering.studio import THREADS
from orfeas.stages import animation
from orfeas.stages.registry import Progress, Result, implements

NO_EMBREE = "The package embreex has no build for this machine: pictures are drawn without it, much more slowly."
NO_RELIEF = "normal_scale changes nothing: the model has no normal map."
CLOSED = 1e-6


@implements(RenderPreview)
def preview(model: Model, spec: RenderPreview, on_progress: Progress) -> bytes:
    """A shaded PNG with a transparent background."""
    framing = Framing(spec.azimuth_deg, spec.elevation_deg)
    return animation.png(thumbnail(model, width=spec.width, height=spec.height, framing=framing))


@implements(RenderPicture)
def picture(model: Model, spec: RenderPicture, on_progress: Progress) -> Result:
    """A PNG from a given place."""
    studio = _studio(model, spec)
    camera = studio.camera(spec.view, spec.width, spec.height)
    pixels = studio.picture(camera, samples=spec.samples, background=spec.background, on_progress=on_progress)
    return Result(animation.png(pixels), _remarks(studio, spec))


@implements(RenderTurntable)
def turntable(model: Model, spec: RenderTurntable, on_progress: Progress, config: Config | None = None) -> Result:
    """A file with the pictures along a path; two are drawn at a time."""
    ffmpeg = config.ffmpeg if config else None
    if spec.format == "mp4" and not ffmpeg:
        raise CapabilityMissingError("Videos need ffmpeg: set ORFEAS_FFMPEG to its path, or ask for gif or png_zip.")
    frames = []
    studio = _studio(model, spec, threads=1)
    for frame in _frames(studio, spec):
        frames.append(frame)
        on_progress(0.9 * len(frames) / spec.frames)
    return Result(_packed(frames, spec, ffmpeg or ""), {"frames": len(frames), **_remarks(studio, spec)})


def path(spec: RenderTurntable) -> list[View]:
    """The views of a path, as many as frames are asked for.

    They are the key frames of the path; where it ends as it began its last one is left out and the others lie closer,
    so that a picture that plays for ever does not halt.
    """
    found = _views(spec, spec.frames)
    if math.dist(found[0].position, found[-1].position) > CLOSED * math.dist(found[0].position, found[0].target):
        return found
    return _views(spec, spec.frames + 1)[:-1]


def _views(spec: RenderTurntable, count: int) -> list[View]:
    if spec.path == "orbital":
        made = cameras.orbital(
            radius=spec.radius, height_variation=spec.height_variation, duration=spec.duration, speed=spec.speed,
            frames=count,
        )  # fmt: skip
    else:
        made = cameras.turntable(
            distance=spec.distance, height=spec.height_above, duration=spec.duration, speed=spec.speed, axis=spec.axis,
            frames=count,
        )  # fmt: skip
    return [
        View(_plus(point.position, spec.target), point.up, _plus(point.target, spec.target), spec.fov, spec.projection)
        for point in made.path_points
    ]


def _plus(one: Vector, other: Vector) -> Vector:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def _frames(studio: Studio, spec: RenderTurntable) -> Iterator[NDArray[np.uint8]]:
    def drawn(view: View) -> NDArray[np.uint8]:
        camera = studio.camera(view, spec.width, spec.height)
        return studio.picture(camera, samples=spec.samples, background=spec.background)

    pool = ThreadPoolExecutor(THREADS)
    try:
        yield from pool.map(drawn, path(spec))
    finally:
        pool.shutdown(cancel_futures=True)


def _packed(frames: list[NDArray[np.uint8]], spec: RenderTurntable, ffmpeg: str) -> bytes:
    if spec.format == "png_zip":
        return animation.png_zip(frames)
    if spec.format == "mp4":
        return animation.mp4(frames, spec.duration, ffmpeg)
    return animation.gif(frames, spec.duration)


def _studio(model: Model, spec: PictureSpec, **more: Any) -> Studio:
    return Studio(
        model, size=max(spec.width, spec.height), material=read_material(spec.material),
        lighting=read_rig(spec.lighting), style=spec.style, **more,
    )  # fmt: skip


def _remarks(studio: Studio, spec: PictureSpec) -> dict[str, Any]:
    material = read_material(spec.material)
    flat = material is not None and material.normal_scale != 1.0 and not studio.surfaces.has_relief
    found = [*([] if has_embree() else [NO_EMBREE]), *([NO_RELIEF] if flat else [])]
    return {"warnings": found} if found else {}
