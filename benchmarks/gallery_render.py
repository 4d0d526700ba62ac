"""Contact sheets of the renderer: materials under lights, cameras, styles, the frames of a turntable.

`python -m benchmarks.gallery_render --out gallery` writes PNGs and prints the time of each as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from orfeas.domain.camera import turntable
from orfeas.domain.presets import CAMERAS, LIGHTING, MATERIALS, STYLES, View
from orfeas.domain.prompt import parse
from orfeas.geometry.assembly import Model
from orfeas.geometry.parametric import build
from orfeas.geometry.rendering import Framing, Studio, render_model

TILE = 300
SAMPLE, SCENE = "a vase", "a red mug and a glass bottle on a wooden table"
VIEW = Framing(30.0, 22.0)

Picture = NDArray[np.uint8]


def shape(text: str) -> Model:
    """The solids of a sentence."""
    return build(parse(text).scene, seed=0)


def materials() -> list[tuple[str, Picture]]:
    """Each material under each light."""
    model = shape(SAMPLE)
    return [
        (f"{name}, {light}", render_model(model, view=VIEW, width=TILE, height=TILE, material=material, lighting=rig))
        for name, material in MATERIALS.items()
        for light, rig in LIGHTING.items()
    ]


def views() -> list[tuple[str, Picture]]:
    """Each standard camera."""
    studio = Studio(shape(SCENE), size=TILE, lighting=LIGHTING["outdoor"])
    return [(name, studio.picture(studio.camera(view, TILE, TILE))) for name, view in CAMERAS.items()]


def styles() -> list[tuple[str, Picture]]:
    """Each style."""
    model = shape(SCENE)
    return [(name, render_model(model, view=VIEW, width=TILE, height=TILE, style=name)) for name in STYLES]


def frames() -> list[tuple[str, Picture]]:
    """Twelve frames of a turn."""
    studio = Studio(shape(SCENE), size=TILE, lighting=LIGHTING["warm"])
    points = turntable(distance=9.0, height=4.5, frames=13).path_points[:-1]
    return [
        (f"{point.t:.1f} s", studio.picture(studio.camera(View(point.position, point.up), TILE, TILE)))
        for point in points
    ]


SHEETS = {"materials": (materials, 5), "cameras": (views, 3), "styles": (styles, 5), "turntable": (frames, 4)}
"""What is drawn, and the columns of its sheet."""


def sheet(pictures: list[tuple[str, Picture]], columns: int) -> Image.Image:
    """Pictures with their names side by side."""
    page = Image.new("RGB", (TILE * columns, TILE * -(-len(pictures) // columns)), (255, 255, 255))
    for index, (name, pixels) in enumerate(pictures):
        tile = Image.fromarray(pixels).convert("RGB")
        ImageDraw.Draw(tile).text((6, 4), name, fill=(140, 140, 140))
        page.paste(tile, (TILE * (index % columns), TILE * (index // columns)))
    return page


def main() -> None:
    """Write the sheets and print how long a picture took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gallery"))
    parser.add_argument("--only", nargs="*", choices=sorted(SHEETS), default=list(SHEETS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    seconds = {}
    for name in options.only:
        draw, columns = SHEETS[name]
        started = time.perf_counter()
        pictures = draw()
        seconds[name] = round((time.perf_counter() - started) / len(pictures), 3)
        sheet(pictures, columns).save(options.out / f"render_{name}.png")
    print(json.dumps({"seconds_per_picture": seconds}, indent=1))


if __name__ == "__main__":
    main()
