"""Pictures of every view of the studio at three widths in both themes, and a recorded turntable.

`make screenshots` writes them to build/screenshots; with `--docs` only those of the README are made and replaced.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from tests.serving import Server

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "screenshots"
DOCS = ROOT / "docs" / "images"
DRIVER = ROOT / "tests" / "browser" / "screenshots.cjs"
TURN_SIDE = 320
FRAME_MS = 100
COLOURS = 64


def main() -> None:
    """Start a server of its own, use it in Chromium, and write the pictures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--docs", action="store_true", help="only make and replace the pictures of the README")
    given = arguments.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    (OUT / "words.png").write_text("no picture")
    ball = trimesh.creation.icosphere(4, radius=25.0)
    ball.update_faces(np.arange(len(ball.faces)) >= 60)
    ball.export(OUT / "open.stl")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), disk_reserve_mb=0) as server:
        chromium = shutil.which("chromium")
        assert chromium, "install chromium"
        rest = [str(ROOT / "tests" / "data"), str(OUT), *(["turntable"] if given.docs else [])]
        subprocess.run(["node", str(DRIVER), str(ROOT / "node_modules"), chromium, server.url, *rest], check=True)
    _write_turntable()
    if given.docs:
        _write_docs()


def _write_turntable() -> None:
    frames = [
        Image.open(path).convert("RGB").resize((TURN_SIDE, TURN_SIDE), Image.Resampling.LANCZOS)
        for path in sorted(OUT.glob("turn-*.png"))
    ]
    palette = frames[0].quantize(COLOURS)
    painted = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    painted[0].save(OUT / "turntable.gif", save_all=True, append_images=painted[1:], duration=FRAME_MS, loop=0)


def _write_docs() -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    Image.open(OUT / "studio.png").convert("RGB").save(DOCS / "studio.png", optimize=True)
    shutil.copyfile(OUT / "turntable.gif", DOCS / "studio.gif")


if __name__ == "__main__":
    main()
