"""`orfeas mesh` as a user meets it: on files, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trimesh
from click.testing import CliRunner, Result

from orfeas.cli import main
from tests.routes import solids


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a sound and a damaged file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ball.stl").write_bytes(solids.stl(solids.ball()))
    (tmp_path / "broken.stl").write_bytes(solids.stl(solids.holed(solids.flipped(solids.ball()))))
    return tmp_path


def run(*arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["mesh", *arguments])
    assert done.exit_code == status, done.output
    return done


def test_a_sound_file_is_ready_and_a_damaged_one_is_not(folder: Path) -> None:
    shown = run("analyze", "ball.stl").stdout
    assert "closed" in shown
    assert "verdict" in shown
    assert "1280, 642" in shown
    broken = run("analyze", "broken.stl", status=1).stdout
    assert "cannot be printed as it is" in broken
    document = json.loads(run("analyze", "broken.stl", "--json", status=1).stdout)
    assert document["is_watertight"] is False
    assert document["printability"]["status"] == "error"
    assert sorted(path.name for path in folder.iterdir()) == ["ball.stl", "broken.stl"]


def test_repair_closes_it_and_writes_beside_it(folder: Path) -> None:
    shown = run("repair", "broken.stl").stdout
    assert "Wrote repaired_broken.stl" in shown
    assert "Mended:" in shown
    assert solids.loaded((folder / "repaired_broken.stl").read_bytes()).is_watertight
    assert run("analyze", "repaired_broken.stl").exit_code == 0
    assert "Nothing had to be mended." in run("repair", "ball.stl", "-o", "again.glb").stdout
    assert trimesh.load_mesh(folder / "again.glb").extents == pytest.approx([0.04] * 3, rel=0.01)


def test_simplify_takes_a_count_or_a_share(folder: Path) -> None:
    assert "1280 faces became 300" in run("simplify", "ball.stl", "--faces", "300", "-o", "few.stl").stdout
    assert len(solids.loaded((folder / "few.stl").read_bytes()).faces) == 300
    document = json.loads(run("simplify", "ball.stl", "--json").stdout)
    assert (document["final_faces"], document["files"]) == (640, ["simplified_ball.stl"])
    assert "not both" in run("simplify", "ball.stl", "--faces", "9", "--reduction", "0.5", status=2).stderr


def test_optimize_prepares_for_a_printer(folder: Path) -> None:
    shown = run("optimize", "ball.stl", "--printer", "resin-small", "--size", "30").stdout
    assert "30.0 x 29.9 mm, z up" in shown
    assert "Wrote optimized_ball.stl" in shown
    assert solids.loaded((folder / "optimized_ball.stl").read_bytes()).bounds[0][2] == pytest.approx(0, abs=1e-4)
    assert "too large" in run("optimize", "ball.stl", "--size", "900", status=1).stderr


def test_convert_writes_other_formats_units_and_sizes(folder: Path) -> None:
    run("convert", "ball.stl", "--format", "off", "--format", "ply")
    run("convert", "ball.stl", "-o", "inch.stl", "--unit", "inch", "--up-axis", "z")
    assert solids.loaded((folder / "inch.stl").read_bytes()).extents == pytest.approx([1016] * 3, rel=0.01)
    run("convert", "ball.stl", "-o", "small.obj", "--dimensions", "10,10,10")
    assert trimesh.load_mesh(folder / "small.obj").extents == pytest.approx([10] * 3, rel=1e-3)
    assert {"ball.off", "ball.ply"} <= {path.name for path in folder.iterdir()}
    assert "Give --format" in run("convert", "ball.stl", status=2).stderr
    assert "does not end in" in run("convert", "ball.stl", "-o", "a.stl", "--format", "glb", status=2).stderr
    assert "is no format of meshes" in run("convert", "ball.stl", "-o", "a.step", status=2).stderr
    assert "no folder" in run("convert", "ball.stl", "-o", "nowhere/a.stl", status=2).stderr


def test_files_that_are_no_meshes_are_named(folder: Path) -> None:
    (folder / "note.stl").write_text("hello")
    (folder / "empty.stl").write_bytes(b"\0" * 84)
    assert "note.stl is no mesh" in run("analyze", "note.stl", status=1).stderr
    assert "nothing in empty.stl" in run("analyze", "empty.stl", status=1).stderr
