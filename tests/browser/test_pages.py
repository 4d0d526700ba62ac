"""The pages in a real browser: Swagger UI's 'Try it out' and the studio, each from a photo to a model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import trimesh

from tests.serving import Server

DRIVER = Path(__file__).with_name("pages.cjs")
LIMIT_S = 180.0
LONGEST = {"glb": 0.1, "gltf": 0.1, "dae": 0.1}  # metres in these formats, millimetres in the others


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


@pytest.mark.parametrize("surface", ["v1", "compatible"])
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


def test_the_studio_makes_a_model_and_offers_every_format(server: Server, data: Path, tmp_path: Path) -> None:
    report = browse("studio", server, data / "mug.png", tmp_path)
    assert complaints(report) == []
    assert report["stages"][0] == "Sending the photo"
    assert any(stage.endswith(" of 8)") for stage in report["stages"]), report["stages"]
    assert "watertight" in report["measures"]
    offered = httpx.get(f"{server.url}/api/v1/capabilities").json()["formats"]
    assert {*report["models"]} == {found["format"] for found in offered if found["available"] and found["write"]}
    for file_format in {*report["models"]} - {"obj"}:  # a zip with its material and texture
        model = load(report["models"][file_format], file_format)
        assert model.is_watertight, file_format
        assert max(model.extents) == pytest.approx(LONGEST.get(file_format, 100.0), rel=0.01), file_format


def test_the_studio_says_why_a_dropped_file_is_refused(server: Server, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_text("no photo")
    report = browse("refused", server, photo, tmp_path)
    with photo.open("rb") as file:
        answer = httpx.post(f"{server.url}/api/v1/generations", files={"image": ("photo.png", file, "image/png")})
    assert answer.status_code == 400
    assert report["problem"] == answer.json()["detail"]
    assert report["ready"]
    assert report["foreign"] == []
    assert [line.partition(" http")[0] for line in report["complaints"]] == [
        "Failed to load resource: the server responded with a status of 400 (BAD REQUEST)"
    ]
