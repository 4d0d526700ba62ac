"""Swagger UI in a real browser: 'Try it out', from a photo to a model. `test_studio.py` has the studio."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trimesh

from tests.serving import Server

DRIVER = Path(__file__).with_name("pages.cjs")
LIMIT_S = 300.0


def node_modules() -> Path | None:
    """Where `npm ci` put playwright-core."""
    places = [os.environ.get("TEST_NODE_MODULES"), Path(__file__).parents[2] / "node_modules"]
    return next((Path(place) for place in places if place and (Path(place) / "playwright-core").is_dir()), None)


pytestmark = pytest.mark.skipif(
    node_modules() is None or shutil.which("node") is None or shutil.which("chromium") is None,
    reason="needs Chromium, node and playwright-core: install chromium and npm, then run `npm ci` or set "
    "TEST_NODE_MODULES to its folder",
)


def browse(task: str, server: Server, photo: Path, folder: Path) -> dict[str, Any]:
    """What the browser reports of a task."""
    modules, chromium = node_modules(), shutil.which("chromium")
    assert modules
    assert chromium
    command = ["node", str(DRIVER), str(modules.resolve()), chromium, task, server.url, str(photo), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{server.log()[-2000:]}"
    return dict(json.loads(done.stdout))


def complaints(report: dict[str, Any]) -> list[str]:
    """Errors and warnings of the page or its policy, requests that failed or left this server."""
    # A link that is saved rather than opened ends its navigation so.
    failed = [line for line in report["failed"] if not line.endswith("net::ERR_ABORTED")]
    return [*report["complaints"], *failed, *report["foreign"]]


def load(path: str | Path, file_type: str) -> trimesh.Trimesh:
    """The file as one mesh, vertices merged by position."""
    mesh = trimesh.load(str(path), file_type=file_type, force="mesh")
    assert isinstance(mesh, trimesh.Trimesh)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


@pytest.mark.parametrize("surface", ["v1", pytest.param("compatible", marks=pytest.mark.soak)])
def test_try_it_out_uploads_a_photo_and_gets_a_watertight_model(
    server: Server, data: Path, tmp_path: Path, surface: str
) -> None:
    report = browse(surface, server, data / "mug.png", tmp_path)
    assert complaints(report) == []
    assert report["status"] == (202 if surface == "v1" else 200)
    assert report["state"] == "succeeded"
    model = load(report["model"], "glb")
    assert model.is_watertight
    assert model.euler_number == 0, "the mug's handle leaves a hole"
    assert max(model.extents) == pytest.approx(0.1, rel=0.01)
