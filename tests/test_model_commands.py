"""`orfeas models` as a user meets it: without a server, on its own data folder."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orfeas.cli import main
from orfeas.config import Config
from orfeas.doctor import model_check
from orfeas.domain.models import CATALOGUE
from tests import test_cli
from tests.conftest import DATA
from tests.hub import Hub

TINY = DATA / "hunyuan3d" / "models" / "tencent/Hunyuan3D-2tiny"
MODEL, PLACE = "hunyuan3d-dit-v2-0", "tencent/Hunyuan3D-2/hunyuan3d-dit-v2-0"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a model's files."""
    return shutil.copytree(TINY / "hunyuan3d-dit-v2-tiny", tmp_path / "usb" / MODEL).parent


def run(*arguments: str, folder: Path, status: int = 0, **settings: str) -> Result:
    """`orfeas ...` in this process."""
    done = CliRunner().invoke(main, arguments, env={"ORFEAS_DATA_DIR": str(folder / "data"), **settings})
    assert done.exit_code == status, done.output
    return done


def states(folder: Path) -> dict[str, str]:
    return {found["id"]: found["state"] for found in json.loads(run("models", "list", "--json", folder=folder).stdout)}


def test_a_model_is_brought_checked_listed_and_removed(tmp_path: Path, source: Path) -> None:
    assert states(tmp_path) == {release.subfolder: "absent" for release in CATALOGUE}
    pulled = run("models", "pull", MODEL, "--source", str(source), folder=tmp_path).stdout
    assert pulled.startswith(f"{MODEL} is installed: 0.00 GB, revision ")
    assert "https://huggingface.co/tencent/Hunyuan3D-2/blob/main/LICENSE" in pulled
    assert states(tmp_path)[MODEL] == "installed"
    listed = run("models", "list", "--installed", folder=tmp_path).stdout.splitlines()
    assert len(listed) == 1
    assert listed[0].split()[:2] == [MODEL, "installed"]
    checked = run("models", "verify", MODEL, folder=tmp_path).stdout
    assert f"{MODEL} is whole, revision {pulled.split('revision ')[1].split()[0]}" in checked
    assert run("models", "rm", MODEL, "--yes", folder=tmp_path).stdout == f"{MODEL} was removed\n"
    assert run("models", "rm", MODEL, "--yes", folder=tmp_path).stdout == f"{MODEL} was not there\n"
    assert states(tmp_path)[MODEL] == "absent"


def test_a_relative_folder_is_a_source_too(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("models", "pull", MODEL, "--source", "usb", folder=tmp_path)
    assert states(tmp_path)[MODEL] == "installed"


def test_problems_are_one_sentence(tmp_path: Path, source: Path) -> None:
    done = run("models", "pull", "nonsense", folder=tmp_path, status=1)
    assert done.stderr == "Error: There is no model 'nonsense'; GET /api/v1/models lists all.\n"
    assert "ORFEAS_OFFLINE" in run("models", "pull", MODEL, folder=tmp_path, status=1, ORFEAS_OFFLINE="1").stderr
    assert "pull it first" in run("models", "verify", MODEL, folder=tmp_path, status=1).stderr
    run("models", "pull", MODEL, "--source", str(source), folder=tmp_path)
    (tmp_path / "data" / "models" / PLACE / "config.yaml").write_text("damaged")
    damaged = run("models", "verify", MODEL, folder=tmp_path, status=1)
    assert "config.yaml is missing or not what was published" in damaged.stderr
    listed = run("models", "list", "--installed", folder=tmp_path).stdout
    assert "corrupt" in listed
    assert "Pull the model again" in listed


def test_a_download_shows_a_bar_on_a_terminal_and_goes_on_where_it_broke_off(tmp_path: Path, source: Path) -> None:
    shutil.copytree(source / MODEL, tmp_path / "hub" / PLACE)
    with Hub(tmp_path / "hub") as hub:
        hub.wrong.break_after = 800_000
        broken = test_cli.run("models", "pull", MODEL, folder=tmp_path, status=1, HF_ENDPOINT=hub.url)
        assert "pull again" in broken.stderr
        assert states(tmp_path)[MODEL] == "absent"
        assert f"{MODEL} is not complete" in model_check(Config(data_dir=tmp_path / "data")).detail
        hub.reset()
        shown = on_a_terminal("models", "pull", MODEL, folder=tmp_path, HF_ENDPOINT=hub.url)
        assert "model.pull" in shown
        (path, asked), *more = hub.requests
        assert (path, more) == (f"{MODEL}/model.fp16.safetensors", [])
        assert asked is not None
        assert asked.startswith("bytes=")
        assert run("models", "list", "--installed", folder=tmp_path).stdout.startswith(MODEL)
        (found,) = json.loads(run("models", "list", "--installed", "--json", folder=tmp_path).stdout)
        assert found["revision"] == hub.commit("tencent/Hunyuan3D-2")


def test_doctor_tells_which_models_are_there_and_what_they_lack(tmp_path: Path, source: Path) -> None:
    config = Config(data_dir=tmp_path / "data")
    none = model_check(config)
    assert (none.ok, none.required, none.detail) == (False, False, "none is installed")
    run("models", "pull", MODEL, "--source", str(source), folder=tmp_path)
    there = model_check(config)
    assert (there.ok, there.detail) == (True, f"installed: {MODEL}")
    (config.model_dir / PLACE / "model.fp16.safetensors").unlink()
    assert f"{MODEL} cannot be used (It has none of model.fp16.safetensors" in model_check(config).detail


def on_a_terminal(*arguments: str, folder: Path, **settings: str) -> str:
    """What a command draws where its error stream is a terminal."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "ORFEAS_DATA_DIR": str(folder / "data"), **settings}
    command = [sys.executable, "-P", "-m", "orfeas", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, cwd=folder, env=environ, check=False)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        shown = b""
        try:
            while piece := terminal.read(4096):
                shown += piece
        except OSError:  # Linux tells the end of a terminal this way.
            pass
    assert done.returncode == 0, shown
    return shown.decode()
