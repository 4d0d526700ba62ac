"""fbx and blend: by a real Blender where there is one, and the call itself by a program that stands in for it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest

from orfeas.config import Config
from orfeas.domain.presets import MATERIALS
from orfeas.errors import FormatUnavailableError, StageTimeoutError, UpstreamFailedError
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Part
from orfeas.stages import blender
from tests.geometry import solids

PROGRAM = os.environ.get("TEST_BLENDER") or shutil.which("blender")
needs_blender = pytest.mark.skipif(PROGRAM is None, reason="Blender is not installed")
PLACE = np.eye(4)
PLACE[0, 3] = 200.0
MODEL = Assembly((Part("box", solids.box((100, 50, 25))), Part("ball", solids.ball(20), PLACE, MATERIALS["metal"])))


@pytest.fixture
def stand_in(tmp_path):
    """A program in Blender's place that does what the shell lines say."""

    def made(lines: str) -> str:
        path = tmp_path / "blender"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return made


@needs_blender
@pytest.mark.parametrize("file_format, magic", [("fbx", b"Kaydara FBX Binary"), ("blend", b"")])
def test_blender_writes_the_model_in_its_size(file_format, magic):
    data = blender.from_glb(formats.write(MODEL, "glb"), file_format, program=PROGRAM)
    assert data.startswith(magic)
    again = formats.read_model(blender.to_glb(data, file_format, program=PROGRAM), "glb", max_faces=10_000)
    assert {part.name.split(".")[0] for part in again.parts} >= {"box", "ball"}
    merged, before = again.merged(), MODEL.merged()
    assert len(merged.faces) == len(before.faces)
    assert np.ptp(merged.vertices, axis=0) == pytest.approx(np.ptp(before.vertices, axis=0), rel=1e-4)


def test_the_program_is_called_headless_without_settings_of_the_user(stand_in, tmp_path):
    program = stand_in(f'echo "$@" > {tmp_path}/said; for last; do :; done; printf made > "$last"')
    assert blender.from_glb(b"glTF", "fbx", program=program) == b"made"
    said = (tmp_path / "said").read_text().split()
    assert said[:5] == ["--background", "--factory-startup", "--python-exit-code", "3", "--python"]
    assert said[6] == "--"
    assert said[7].endswith("in.glb")
    assert said[8].endswith("out.fbx")


@pytest.mark.parametrize("program", [None, "/nowhere/blender"])
def test_without_blender_the_formats_are_refused_with_the_way_out(program):
    with pytest.raises(FormatUnavailableError, match="ORFEAS_BLENDER"):
        blender.from_glb(b"glTF", "fbx", program=program)


def test_other_formats_are_refused(stand_in):
    with pytest.raises(FormatUnavailableError, match="stl"):
        blender.from_glb(b"glTF", "stl", program=stand_in("exit 0"))


@pytest.mark.parametrize("lines, match", [("echo oops; exit 3", "status 3.*oops"), ("echo done", "no fbx.*done")])
def test_a_program_that_fails_is_an_error_with_its_words(stand_in, lines, match):
    with pytest.raises(UpstreamFailedError, match=match):
        blender.from_glb(b"glTF", "fbx", program=stand_in(lines))


def test_a_program_that_hangs_is_ended(stand_in):
    with pytest.raises(StageTimeoutError, match="longer"):
        blender.from_glb(b"glTF", "fbx", program=stand_in("sleep 60"), timeout_s=0.3)


COPY = 'cp "$8" "$9"'
LISTED = """
import json
from orfeas import create_app
from orfeas.config import Config
client = create_app(Config.from_env()).test_client()
print(json.dumps({item["format"]: item for item in client.get("/api/v1/exports/formats").json["items"]}))
"""


@pytest.fixture
def config(stand_in, tmp_path):
    """Settings that stand in a file `.env` alone."""
    lines = {"BLENDER": stand_in(COPY), "DATA_DIR": tmp_path / "data", "DISK_RESERVE_MB": 0}
    path = tmp_path / ".env"
    path.write_text("".join(f"ORFEAS_{name}={value}\n" for name, value in lines.items()))
    return Config.from_env({}, dotenv=path)


def test_a_blender_that_stands_in_the_settings_file_writes_the_files_of_jobs(client, finished, upload):
    listed = {item["format"]: item for item in client.get("/api/v1/exports/formats").json["items"]}
    assert listed["fbx"]["converter"] == "blender"
    for address in ("/api/formats", "/api/v1/capabilities"):
        assert {item["format"]: item["available"] for item in details(client, address)}["fbx"]
    assert "fbx" in client.get("/api/health").json["processor"]["formats"]
    form = upload("star.png", quality=1, preview="false", formats="fbx")
    job = finished(client.post("/api/v1/generations", data=form))
    (made,) = [asset for asset in job["result"]["assets"] if asset["role"] == "model"]
    assert made["format"] == "fbx"
    assert client.get(made["url"], buffered=True).data.startswith(b"glTF")  # what the program was given
    assert job["result"]["measures"]["fbx"]["is_watertight"]


def details(client, address):
    found = client.get(address).json
    return found["details"] if "details" in found else found["formats"]


def elsewhere(command, program, folder=None):
    """A command in a process of its own, with no other setting."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORFEAS_")}
    environment |= {"ORFEAS_BLENDER": program} if program else {}
    environment |= {"ORFEAS_DATA_DIR": str(folder)} if folder else {}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("file_format", blender.FORMATS)
def test_a_file_is_converted_and_measured_from_what_blender_wrote(stand_in, tmp_path, file_format):
    source, target = tmp_path / "box.stl", tmp_path / f"box.{file_format}"
    source.write_bytes(formats.write(solids.box((100, 50, 25)), "stl"))
    done = elsewhere(["-m", "orfeas", "mesh", "convert", str(source), "-o", str(target)], stand_in(COPY))
    assert "12 faces, 100.00 x " in done.stdout, done.stderr
    assert target.read_bytes().startswith(b"glTF")  # what the program was given
    broken = elsewhere(["-m", "orfeas", "mesh", "convert", str(source), "-o", str(target)], stand_in("exit 1"))
    assert broken.returncode != 0
    assert "Blender ended with status 1" in broken.stderr


def test_the_list_of_formats_says_what_is_there(stand_in, tmp_path):
    for program, available in ((stand_in(COPY), True), (None, False), ("/nowhere/blender", False)):
        found = json.loads(elsewhere(["-c", LISTED], program, tmp_path / "data").stdout)
        assert found["fbx"]["available"] is found["blend"]["available"] is available
        assert found["fbx"]["converter"] == ("blender" if available else None)
        assert available or "ORFEAS_BLENDER" in found["fbx"]["reason"]
