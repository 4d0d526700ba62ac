"""Contact sheets of the embedded engine over drawn pictures: input, front, three-quarter, back.

`python -m benchmarks.gallery --out gallery` writes PNGs and prints the measures of every model as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.drawings import DRAWINGS
from orfeas.geometry import inflate, relief, scale, simplify, subject, surface, texture
from orfeas.geometry.illustration import thumbnail
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.rendering import Framing

TILE = 360
ROWS_PER_SHEET = 6
PAGE = (244, 244, 242, 255)
VIEWS = ((0.0, 8.0), (45.0, 12.0), (180.0, 8.0))
LITHOPHANES = ("portrait",)
# Quality 7 of the quality map.
GRID, PASSES, FACES = 144, 10, 30_000


def build(name: str, picture: Image.Image) -> tuple[Mesh, dict[str, Any]]:
    """The textured model of a picture, 100 mm, and its measures."""
    started = time.perf_counter()
    found = subject.prepare(np.asarray(picture.convert("RGBA")), remove_background="auto")
    if name in LITHOPHANES:
        field = relief.lithophane(found)
    else:
        field = inflate.inflate(found) if found.found else relief.relief(found)
    closed = surface.surface(field, octree_resolution=GRID, steps=PASSES)
    shaped = time.perf_counter()
    reduced = simplify.simplify(closed, FACES, exact=False)
    sized = scale.fit(reduced, dimensions_mm=None, fit="inside", longest_mm=100.0)
    simplified = time.perf_counter()
    painted = texture.project(sized, found, field)
    seconds = shaped - started + time.perf_counter() - simplified
    return painted, measures(painted, field.method, seconds, list(found.warnings))


def measures(mesh: Mesh, method: str, seconds: float, warnings: list[str]) -> dict[str, Any]:
    """What trimesh finds."""
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return {
        "method": method,
        "faces": len(mesh.faces),
        "watertight": bool(solid.is_watertight and solid.is_winding_consistent),
        "bodies": int(solid.body_count),
        "genus": int(solid.body_count - solid.euler_number // 2),
        "volume_mm3": round(float(solid.volume), 1),
        "extents_mm": [round(float(side), 2) for side in solid.extents],
        "engine_seconds": round(seconds, 3),
        "warnings": warnings,
    }


def row(picture: Image.Image, mesh: Mesh, label: str) -> NDArray[np.uint8]:
    """The input and the views, side by side."""
    tiles = [picture.convert("RGBA").resize((TILE, TILE))]
    tiles += [Image.fromarray(thumbnail(mesh, width=TILE, height=TILE, framing=Framing(a, e))) for a, e in VIEWS]
    strip = Image.new("RGBA", (TILE * len(tiles), TILE), PAGE)
    for i, tile in enumerate(tiles):
        strip.alpha_composite(tile, (TILE * i, 0))
    ImageDraw.Draw(strip).text((6, 4), label, fill=(90, 90, 90, 255))
    return np.asarray(strip.convert("RGB"))


def main() -> None:
    """Write the sheets and print the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gallery"))
    parser.add_argument("--only", nargs="*", choices=sorted(DRAWINGS), default=list(DRAWINGS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows, report = [], {}
    for name in options.only:
        picture = DRAWINGS[name]()
        mesh, report[name] = build(name, picture)
        rows.append(row(picture, mesh, name))
    for start in range(0, len(rows), ROWS_PER_SHEET):
        sheet = np.vstack(rows[start : start + ROWS_PER_SHEET])
        Image.fromarray(sheet).save(options.out / f"sheet_{start // ROWS_PER_SHEET + 1}.png")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
