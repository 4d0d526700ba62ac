"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh
from click.testing import CliRunner

from orfeas.cli import main
from orfeas.config import Config, ConfigError
from orfeas.doctor import Check, examine
from orfeas.version import __version__
from tests.conftest import DATA
from tests.gpu.background import write_graph

SUMMARY = re.compile(r"^(\d+) faces, ([\d.]+) x ([\d.]+) x ([\d.]+) mm, watertight, [\d.]+ s$")


def run(*arguments: str, folder: Path, status: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    """`orfeas ...` with its own data folder."""
    environ = {**os.environ, "ORFEAS_DATA_DIR": str(folder / "data"), **settings}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "orfeas", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environ,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("command", ["serve", "worker", "generate", "doctor", "openapi", "cache", "models", "mesh"])
def test_every_command_has_a_help_text(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_hidden_commands_are_not_listed() -> None:
    assert "_web" not in CliRunner().invoke(main, ["--help"]).output


def test_version(tmp_path: Path) -> None:
    assert __version__ in run("--version", folder=tmp_path).stdout


def test_generate_writes_a_closed_model_and_ends_with_its_measures(tmp_path: Path) -> None:
    done = run("generate", str(DATA / "mug.png"), "-o", "mug.glb", "--quality", "3", folder=tmp_path)
    found = SUMMARY.match(done.stdout.strip().splitlines()[-1])
    assert found
    mesh = trimesh.load_mesh(tmp_path / "mug.glb")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
    assert len(mesh.faces) == int(found[1])
    assert max(float(found[number]) for number in (2, 3, 4)) == pytest.approx(100.0, abs=0.1)


def test_generate_makes_a_model_of_a_sentence(tmp_path: Path) -> None:
    done = run("generate", "--prompt", "a red mug on a wooden table", "-o", "mug.glb", folder=tmp_path)
    assert SUMMARY.match(done.stdout.strip().splitlines()[-1])
    assert len(trimesh.load(tmp_path / "mug.glb").geometry) == 2
    refused = run("generate", "--prompt", "xyzzy", "-o", "none.glb", folder=tmp_path, status=1)
    assert "vocabulary" in refused.stderr
    both = run("generate", str(DATA / "mug.png"), "--prompt", "a mug", folder=tmp_path, status=2)
    assert "one of both" in both.stderr


def test_generate_takes_the_format_from_the_name_and_the_box(tmp_path: Path) -> None:
    run(
        "generate",
        str(DATA / "star.png"),
        "-o",
        "star.stl",
        "--quality",
        "2",
        "--dimensions",
        "40,40,40",
        folder=tmp_path,
    )
    mesh = trimesh.load_mesh(tmp_path / "star.stl")
    assert mesh.is_watertight
    assert max(mesh.extents) == pytest.approx(40.0, abs=0.05)


def test_generate_unpacks_an_obj_with_its_materials(tmp_path: Path) -> None:
    run("generate", str(DATA / "star.png"), "-o", "star.obj", "--quality", "1", folder=tmp_path)
    assert (tmp_path / "star.obj").read_text().startswith(("#", "mtllib", "o ", "v "))
    assert list(tmp_path.glob("*.mtl"))


def test_generate_is_deterministic(tmp_path: Path) -> None:
    for name in ("one.glb", "two.glb"):
        run("generate", str(DATA / "figure.jpg"), "-o", name, "--quality", "1", folder=tmp_path)
    assert (tmp_path / "one.glb").read_bytes() == (tmp_path / "two.glb").read_bytes()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["-o", "star.glb", "--format", "stl"], "does not end in .stl"),
        (["-o", "star.png"], ".png is no format of meshes"),
        (["-o", "nowhere/star.glb"], "There is no folder"),
        (["--dimensions", "40,40"], "--dimensions takes three sides"),
        (["--dimensions", "0,40,40"], "--dimensions takes three sides"),
        (["--quality", "11"], "not in the range"),
    ],
)
def test_generate_refuses_what_it_cannot_do(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = run("generate", str(DATA / "star.png"), *arguments, folder=tmp_path, status=2)
    assert sentence in done.stderr
    assert not list(tmp_path.glob("star*"))


def test_generate_says_why_a_file_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    done = run("generate", "broken.png", folder=tmp_path, status=1)
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_stops_with_its_nearest_name(tmp_path: Path) -> None:
    done = run("serve", folder=tmp_path, status=1, ORFEAS_PROT="5001")
    assert "Did you mean ORFEAS_PORT?" in done.stderr


def test_a_host_that_others_reach_needs_consent(tmp_path: Path) -> None:
    done = run("serve", "--host", "0.0.0.0", folder=tmp_path, status=1)
    assert "ORFEAS_ALLOW_OPEN=1" in done.stderr


def test_doctor_tells_what_is_there(tmp_path: Path) -> None:
    found = {check["name"]: check for check in json.loads(run("doctor", "--json", folder=tmp_path).stdout)}
    assert found["libraries"]["ok"]
    assert found["image to 3D"]["ok"]
    assert found["engine auto"]["detail"].startswith("takes embedded: ")
    assert not (tmp_path / "data").exists()


def test_a_model_runs_in_the_process_of_the_command_where_the_processor_is_meant(tmp_path: Path) -> None:
    model, settings = "hunyuan3d-dit-v2-tiny-turbo", {"ORFEAS_MODEL_DIR": str(DATA / "hunyuan3d" / "models")}
    arguments = (
        "generate",
        str(DATA / "hunyuan3d/inputs/input_0.png"),
        "-o",
        "m.stl",
        "--model",
        model,
        "--quality",
        "1",
    )
    done = run(*arguments, folder=tmp_path, ORFEAS_DEVICE="cpu", **settings)
    assert "faces, 100.0 x" in done.stdout
    assert len(trimesh.load_mesh(tmp_path / "m.stl").faces) <= 5_000
    assert "ORFEAS_DEVICE=cpu" in run(*arguments, folder=tmp_path, status=2, **settings).stderr


def test_a_model_for_backgrounds_is_used_where_there_is_a_device_and_named_where_there_is_none(tmp_path: Path) -> None:
    cutter = write_graph(tmp_path / "cutter")
    settings = {"ORFEAS_BACKGROUND_MODEL": str(cutter), "ORFEAS_MODEL_DIR": str(DATA / "hunyuan3d" / "models")}
    plain = ("generate", str(DATA / "figure.jpg"), "-o", "m.stl", "--quality", "1")
    assert "ORFEAS_BACKGROUND_MODEL was not used" in run(*plain, folder=tmp_path, **settings).stderr
    neural = (*plain, "--model", "hunyuan3d-dit-v2-tiny-turbo")
    assert "BACKGROUND" not in run(*neural, folder=tmp_path, ORFEAS_DEVICE="cpu", **settings).stderr
    checks = json.loads(run("doctor", "--json", folder=tmp_path, ORFEAS_DEVICE="cpu", **settings).stdout)
    found = {check["name"]: check for check in checks}
    assert (found["backgrounds by a model"]["ok"], found["sentences by a model"]["ok"]) == (True, False)
    (cutter / "model.onnx").unlink()
    checks = json.loads(run("doctor", "--json", folder=tmp_path, ORFEAS_DEVICE="cpu", **settings).stdout)
    found = {check["name"]: check for check in checks}
    assert "names no folder with an ONNX graph" in found["backgrounds by a model"]["advice"]


def test_doctor_fails_for_what_keeps_orfeas_from_working() -> None:
    def load() -> Config:
        raise ConfigError("ORFEAS_PORT='x' cannot be used")

    assert Check("settings", False, "ORFEAS_PORT='x' cannot be used", required=True) in examine(load)


def test_openapi_is_written_as_the_server_answers_it(tmp_path: Path) -> None:
    run("openapi", "-o", "api.json", folder=tmp_path)
    document = json.loads((tmp_path / "api.json").read_text())
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/generations" in document["paths"]


def test_cache_can_be_read_and_cleared(tmp_path: Path) -> None:
    assert "0 kept, 0.0 MB" in run("cache", folder=tmp_path).stdout
    assert run("cache", "clear", "--yes", folder=tmp_path).stdout == "0 stages dropped, 0.0 MB freed\n"
