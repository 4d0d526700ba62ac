"""Contact sheet of textures: a model, what one and four photos of it make of its bare surface, and with fewer faces.

`python -m benchmarks.gallery_texture --out gallery` writes a PNG and prints shares, differences and times as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from orfeas.domain.presets import CAMERAS
from orfeas.domain.prompt import parse
from orfeas.geometry.illustration import thumbnail
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.parametric import build
from orfeas.geometry.rendering import LOOKS, Framing, Studio
from orfeas.geometry.simplify import simplify_to
from orfeas.geometry.subject import Subject, prepare
from orfeas.geometry.texturing import Projected, project
from orfeas.geometry.weld import by_position

TILE = 280
PHOTO = 900
PAGE = (244, 244, 242)
SENTENCES = ("a snowman", "a red mug on a wooden table", "a house between two trees", "a rocket")
SIDES = ("front", "right", "back", "left")
VIEWS = ((25.0, 15.0), (155.0, 15.0))
TEXELS = 1024


def photos(mesh: Mesh) -> dict[str, Subject]:
    """Pictures of a model from its four sides without perspective, cut out."""
    studio = Studio(mesh, size=PHOTO, style=replace(LOOKS["realistic"], ground=0.0))
    views = {side: replace(CAMERAS[side], projection="orthographic") for side in SIDES}
    return {
        side: prepare(studio.picture(studio.camera(seen, PHOTO, PHOTO), background="transparent"))
        for side, seen in views.items()
    }


def tile(mesh: Mesh, view: tuple[float, float], label: str) -> NDArray[np.uint8]:
    """A labelled picture."""
    page = Image.new("RGB", (TILE, TILE), PAGE)
    made = Image.fromarray(thumbnail(mesh, width=TILE, height=TILE, framing=Framing(view[0], view[1])))
    page.paste(made, mask=made.getchannel("A"))
    ImageDraw.Draw(page).text((6, 4), label, fill=(90, 90, 90))
    return np.asarray(page)


def difference(one: Mesh, two: Mesh) -> float:
    """Mean difference of the pictures of two models where both are seen, as a share."""
    found = []
    for azimuth, elevation in VIEWS:
        first, second = (
            thumbnail(mesh, width=TILE, height=TILE, framing=Framing(azimuth, elevation)) for mesh in (one, two)
        )
        both = (first[..., 3] == 255) & (second[..., 3] == 255)
        found.append(np.abs(first[both][:, :3].astype(int) - second[both][:, :3]).mean() / 255.0)
    return float(np.mean(found))


def row(sentence: str) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """A model from two sides: as it is, painted from one and from four photos, and that simplified."""
    original = build(parse(sentence).scene).merged()
    first, faces = by_position(original.vertices, original.faces)
    bare = Mesh(original.vertices[first], faces)
    taken = photos(original)
    one, _ = timed(bare, {"front": taken["front"]})
    four, seconds = timed(bare, taken)
    target = len(bare.faces) // 4
    fewer = simplify_to(four.mesh, target_faces=target)
    models = (
        (original, sentence), (one.mesh, "one photo"), (four.mesh, f"four photos, {len(bare.faces)} faces"),
        (fewer.mesh, f"{len(fewer.mesh.faces)} faces"),
    )  # fmt: skip
    figures = {
        "faces": len(bare.faces),
        "seconds": round(seconds, 2),
        "uv_coverage": round(four.coverage, 3),
        "seen_of_one": round(one.seen, 3),
        "seen_of_four": round(four.seen, 3),
        "difference_simplified": round(difference(four.mesh, fewer.mesh), 4),
    }
    return np.hstack([tile(mesh, view, label) for mesh, label in models for view in VIEWS]), figures


def timed(mesh: Mesh, pictures: dict[str, Subject]) -> tuple[Projected, float]:
    """A projection and the seconds it took."""
    started = time.perf_counter()
    made = project(mesh, pictures, size=TEXELS)
    return made, time.perf_counter() - started


def main() -> None:
    """Write the sheet and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gallery"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    made = {sentence: row(sentence) for sentence in SENTENCES}
    Image.fromarray(np.vstack([picture for picture, _ in made.values()])).save(options.out / "texture.png")
    print(json.dumps({sentence: figures for sentence, (_, figures) in made.items()}, indent=1))


if __name__ == "__main__":
    main()
