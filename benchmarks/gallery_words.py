"""Contact sheets of the parametric modeller: every word, every form, and sentences.

`python -m benchmarks.gallery_words --out gallery` writes PNGs and prints faces and times as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from orfeas.domain.prompt import lexicon, parse
from orfeas.geometry.illustration import thumbnail
from orfeas.geometry.parametric import build

TILE = 300
COLUMNS = 6
PAGE = (244, 244, 242)
WORDS = [line.split("/")[0] for line in lexicon.PRIMITIVES + lexicon.OBJECTS]
FORMS = [
    *(f"{form} {shape}" for form in ("hollow", "rounded", "smooth", "faceted", "twisted", "tapered", "open", "half")
      for shape in ("cube", "sphere", "tower", "star", "vase", "chair")),
    *(f"a {shape} with a {form}" for form in ("hole", "handle")
      for shape in ("cube", "sphere", "tower", "star", "bowl", "table")),
]  # fmt: skip
SENTENCES = [
    "a red mug on a wooden table",
    "three blue cubes in a row",
    "a hollow 40 mm gear with 12 teeth",
    "tall twisted vase",
    "a small sphere on top of a large cube",
    "a ring of six cones around a tower",
    "a ball inside a bowl",
    "two chairs beside a table",
    "a lamp and a mug on a table",
    "five gold coins stacked",
    "a snowman between two trees",
    "a star between a red cube and a green cone",
    "a ball under a table",
    "a bridge in front of a castle",
    "a wooden chair behind a desk with a vase on it",
    "twelve gears in a grid",
    "a donut around a rocket",
    "a dozen mushrooms in a ring around a house",
    "a crystal bottle next to two copper bowls",
    "a 20 x 60 x 20 mm brick with a hole and a steel key in front of it",
    "a mug on a shelf",
    "a vase on a chair",
    "three balls inside an open box",
    "a stack of three oak blocks beside a marble pyramid",
]


def tile(text: str, seed: int = 0) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The picture of a text and what it took."""
    started = time.perf_counter()
    assembly = build(parse(text).scene, seed=seed)
    seconds = time.perf_counter() - started
    picture = Image.new("RGB", (TILE, TILE), PAGE)
    made = Image.fromarray(thumbnail(assembly, width=TILE, height=TILE))
    picture.paste(made, mask=made.getchannel("A"))
    ImageDraw.Draw(picture).text((6, 4), text[:52], fill=(90, 90, 90))
    faces = sum(len(part.mesh.faces) for part in assembly.parts)
    return np.asarray(picture), {"faces": faces, "parts": len(assembly.parts), "seconds": round(seconds, 4)}


def sheet(texts: list[str], path: Path, seed: int) -> dict[str, Any]:
    """Write the tiles of some texts side by side."""
    made = {text: tile(text, seed) for text in texts}
    pictures = [picture for picture, _ in made.values()]
    pictures += [np.full((TILE, TILE, 3), 244, np.uint8)] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[start : start + COLUMNS]) for start in range(0, len(pictures), COLUMNS)]
    Image.fromarray(np.vstack(rows)).save(path)
    return {text: figures for text, (_, figures) in made.items()}


def main() -> None:
    """Write the sheets and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gallery"))
    parser.add_argument("--only", nargs="*", help="texts of your own instead of the sheets")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sheets = {"words": WORDS, "forms": FORMS, "sentences": SENTENCES}
    chosen = {"own": options.only} if options.only else sheets
    report = {name: sheet(texts, options.out / f"{name}.png", options.seed) for name, texts in chosen.items()}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
