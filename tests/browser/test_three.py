"""Pictures agree with those that three.js draws of the same file, camera and lights."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orfeas.domain.camera import orbital, turntable
from orfeas.domain.presets import CAMERAS, LIGHTING, MATERIALS, LightRig, Material, View
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Model, Part
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.rendering import BARE, render_model
from tests.browser.test_pages import node_modules
from tests.geometry import solids

DRIVER = Path(__file__).with_name("three.cjs")
SIZE = 256
MILLIMETRE = 0.001
AWAY = np.eye(4)
AWAY[:3, 3] = 2.4, 0.4, -0.5

MODULES = node_modules()
needs_three = pytest.mark.skipif(
    MODULES is None or not (MODULES / "three").is_dir() or not shutil.which("node") or not shutil.which("chromium"),
    reason="needs Chromium, node, playwright-core and three: install chromium and npm, then run `npm ci` or set "
    "TEST_NODE_MODULES to its folder",
)
pytestmark = needs_three


def view(name: str, distance: float, projection: str = "perspective") -> View:
    """A standard view so many millimetres away."""
    found = CAMERAS[name]
    length = float(np.linalg.norm(found.position))
    x, y, z = (coordinate / length * distance for coordinate in found.position)
    return View((x, y, z), found.up, (0.3, 0.1, 0.0), found.fov, projection)


def mapped(mesh: Mesh) -> Mesh:
    """With waves in the surface, stripes of metal and spots that glow."""
    y, x = np.mgrid[0:256, 0:256] / 256.0 * 2.0 * np.pi
    waves = np.stack([0.5 * np.sin(6.0 * x), 0.4 * np.sin(4.0 * y), np.ones_like(x)], axis=-1)
    waves /= np.linalg.norm(waves, axis=-1, keepdims=True)
    normal = np.round(127.5 + 127.5 * waves).astype(np.uint8)
    metal, rough = 127.5 + 127.5 * np.sign(np.sin(3.0 * x)), 150.0 + 100.0 * np.sin(2.0 * y)
    surface = np.stack([0.0 * x, rough, metal], axis=-1).astype(np.uint8)
    spots = np.where((np.sin(4.0 * x) * np.sin(4.0 * y) > 0.6)[..., None], np.uint8([255, 120, 20]), np.uint8(0))
    return replace(mesh, maps=Maps(normal, surface, spots.astype(np.uint8)))


GLOWING = Material((1.0, 1.0, 1.0), 1.0, 1.0, 0.5, emissive=(1.0, 1.0, 1.0), emissive_intensity=1.0, normal_scale=1.5)


def key_frames() -> dict[str, View]:
    """Frames of every path that the camera can take, in millimetres around a model of two."""
    turns = {axis: turntable(distance=4.0, height=1.5, axis=axis, frames=12) for axis in ("x", "y", "z")}
    paths = {**{f"turntable {axis}": path for axis, path in turns.items()}, "orbital": orbital(radius=4.0, frames=12)}
    return {
        f"{name} {point.t:.1f} s": View(point.position, point.up, point.target)
        for name, path in paths.items()
        for point in path.path_points[1::4]
    }


CASES: dict[str, tuple[Model, View, LightRig]] = {
    "textured ball": (solids.textured(solids.ball(1.0, 5)), view("angle1", 4.0), LIGHTING["studio"]),
    "mapped ball": (
        Assembly((Part("ball", mapped(solids.textured(solids.ball(1.0, 5))), material=GLOWING),)),
        view("angle1", 4.0),
        LIGHTING["studio"],
    ),
    "painted torus": (solids.painted(solids.torus()), view("front", 5.0), LIGHTING["warm"]),
    **{
        f"{name} torus": (Assembly((Part("ring", solids.torus(), material=found),)), view("angle2", 5.0), rig)
        for (name, found), rig in zip(MATERIALS.items(), [*LIGHTING.values(), LIGHTING["outdoor"]], strict=True)
    },
    **{
        name: (
            solids.together(solids.textured(solids.ball(1.0, 4)), solids.box((0.4, 0.4, 1.4), at=(0.9, 0.5, 0.0))),
            seen,
            LIGHTING["studio"],
        )
        for name, seen in key_frames().items()
    },
    "two parts": (
        Assembly(
            (
                Part("ring", solids.torus(), material=MATERIALS["metal"]),
                Part("box", solids.box((1.0, 2.0, 1.0)), AWAY, MATERIALS["plastic"]),
            )
        ),
        view("top", 8.0, "orthographic"),
        LIGHTING["outdoor"],
    ),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What three.js draws of every case, RGBA."""
    folder = tmp_path_factory.mktemp("three")
    tasks = [_task(folder, str(index), *case) for index, case in enumerate(CASES.values())]
    in_three(folder, tasks)
    return {name: np.asarray(Image.open(task["png"])) for name, task in zip(CASES, tasks, strict=True)}


def in_three(folder: Path, tasks: list[dict[str, Any]]) -> None:
    """Let three.js do what `three.cjs` understands."""
    listed = folder / "tasks.json"
    listed.write_text(json.dumps(tasks))
    chromium = shutil.which("chromium")
    assert MODULES
    assert chromium
    command = ["node", str(DRIVER), str(MODULES.resolve()), chromium, str(listed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _task(folder: Path, name: str, model: Model, seen: View, rig: LightRig) -> dict[str, Any]:
    glb = folder / f"{name}.glb"
    glb.write_bytes(formats.write(model, "glb"))
    metres = {
        member: [MILLIMETRE * coordinate for coordinate in getattr(seen, member)] for member in ("position", "target")
    }
    distance = MILLIMETRE * float(np.linalg.norm(np.subtract(seen.position, seen.target)))
    lamps = [
        {"color": lamp.color, "intensity": lamp.intensity, "position": lamp.position}
        for lamp in (rig.main, rig.fill, rig.back)
    ]
    return {
        "glb": str(glb),
        "png": str(folder / f"{name}.png"),
        "size": SIZE,
        "camera": {**metres, "up": seen.up, "fov": seen.fov, "projection": seen.projection, "distance": distance},
        "lights": {"ambient": rig.ambient, "lamps": lamps},
    }


@pytest.mark.parametrize("name", CASES)
def test_a_picture_agrees_with_three_js(drawn, name):
    model, seen, rig = CASES[name]
    ours = render_model(
        model, view=seen, width=SIZE, height=SIZE, lighting=rig, style=BARE, background="transparent", framed=False
    )
    theirs = drawn[name]
    assert (theirs[..., 3] > 0).mean() > 0.05, "something is drawn"
    assert ((ours[..., 3] > 64) == (theirs[..., 3] > 64)).mean() > 0.99
    both = (ours[..., 3] > 250 * 0.6) & (theirs[..., 3] > 250 * 0.6)
    apart = np.abs(ours[both, :3].astype(float) - theirs[both, :3]).mean() / 255.0
    print(f"{name}: silhouettes {((ours[..., 3] > 64) == (theirs[..., 3] > 64)).mean():.5f}, colours {apart:.4f}")
    assert apart < 0.08


def test_an_obj_file_and_its_material_are_read_as_they_were_written(tmp_path):
    model = Assembly(
        tuple(Part(name, solids.box((1.0, 2.0, 3.0)), AWAY, found) for name, found in MATERIALS.items()),
    )
    with zipfile.ZipFile(BytesIO(formats.write(model, "obj"))) as archive:
        archive.extractall(tmp_path)
    task = {"obj": str(tmp_path / "model.obj"), "mtl": str(tmp_path / "model.mtl"), "json": str(tmp_path / "read.json")}
    in_three(tmp_path, [task])
    read = json.loads((tmp_path / "read.json").read_text())
    assert [mesh["material"] for mesh in read] == list(MATERIALS)
    for mesh, (name, found) in zip(read, MATERIALS.items(), strict=True):
        assert mesh["vertices"] == 36, name
        assert mesh["color"] == pytest.approx(found.base_color, abs=1e-5)
        assert mesh["specular"] == pytest.approx([found.reflectivity] * 3, abs=1e-5)
        assert mesh["shininess"] == pytest.approx((1.0 - found.roughness) * 1000.0)
        assert mesh["opacity"] == pytest.approx(found.opacity)
