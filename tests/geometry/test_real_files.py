"""Files of other programs: read, analysed, converted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orfeas.domain.presets import PRINTERS
from orfeas.errors import OrfeasError
from orfeas.geometry import formats
from orfeas.geometry.analysis import analyze
from orfeas.geometry.assembly import as_mesh
from orfeas.geometry.verify import measures

FOLDER = Path(__file__).parents[1] / "data" / "meshes"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file())
ROBOT, ROBOT_Z_UP, BLOCK = (41.721, 100.893, 40.0), (41.721, 40.0, 100.893), (30.0, 20.0, 10.0)
EXPECTED = {
    "admesh_bracket_ascii.stl": (632, (40.0, 20.0, 30.0)),
    "admesh_plate.off": (1006, (40.0, 30.0, 7.9985)),
    "assimp_robot.dae": (692, ROBOT),
    "assimp_robot.glb": (692, ROBOT),
    "blender_checker.glb": (320, (100.0, 100.0, 100.0)),
    "blender_robot.dae": (692, ROBOT_Z_UP),
    "blender_robot.glb": (692, ROBOT),
    "blender_robot.gltf": (692, ROBOT),
    "blender_torus_colours.ply": (1280, (52.0, 52.0, 12.0)),
    "blender_torus_colours_ascii.ply": (1280, (52.0, 52.0, 12.0)),
    "freecad_block.3mf": (728, BLOCK),
    "freecad_block.obj": (728, BLOCK),
    "freecad_block.off": (728, BLOCK),
    "freecad_block.ply": (728, BLOCK),
    "gmsh_plate.stl": (1006, (40.0, 30.0, 7.9985)),
    "meshlab_torus_colours.obj": (1280, (52.0, 52.0, 12.0)),
    "meshlab_torus_colours.off": (1280, (52.0, 52.0, 12.0)),
    "meshlab_vase.ply": (1536, (48.0, 48.0, 60.0)),
    "openscad_bracket.stl": (632, (40.0, 20.0, 30.0)),
    "openscad_vase.off": (1536, (48.0, 48.0, 60.0)),
}
"""Faces and size in mm as designed."""


def loaded(name):
    """The file as a model of millimetres."""
    return formats.read_model((FOLDER / name).read_bytes(), name.rsplit(".", 1)[-1], max_faces=10_000)


def test_the_files_are_many_small_and_of_several_programs():
    sizes = [path.stat().st_size for path in FOLDER.iterdir() if path.is_file()]
    assert len(sizes) >= 20
    assert max(sizes) < 200_000
    assert sum(sizes) < 2_000_000
    assert len({name.split("_")[0] for name in FILES}) >= 3
    assert {name.rsplit(".", 1)[-1] for name in FILES} == set(formats.READABLE)


@pytest.mark.parametrize("name", EXPECTED)
def test_faces_and_size_are_those_of_the_design(name):
    found = measures(as_mesh(loaded(name)))
    faces, size = EXPECTED[name]
    assert found["face_count"] == faces
    assert found["extents_mm"] == pytest.approx(size, rel=1e-4)


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_analysed(name):
    found = analyze(as_mesh(loaded(name)), printer=PRINTERS["halot-x1"])
    assert found["face_count"] > 0
    assert 0 <= found["printability_score"] <= found["quality_score"] <= 100


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_converted_to_every_format_that_is_read_again(name):
    model = loaded(name)
    before = measures(as_mesh(model))
    for file_format in formats.READABLE:
        after = measures(formats.read(formats.write(model, file_format), file_format))
        assert after["face_count"] == before["face_count"], file_format
        assert after["extents_mm"] == pytest.approx(before["extents_mm"], rel=1e-4, abs=1e-6), file_format


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_cut_file_is_read_in_part_or_refused_by_name(name, share):
    data = (FOLDER / name).read_bytes()
    try:
        model = formats.read_model(data[: int(len(data) * share)], name.rsplit(".", 1)[-1], max_faces=10_000)
    except OrfeasError as error:
        assert error.code in {"unreadable_mesh", "empty_mesh", "too_large"}  # noqa: PT017
        return
    assert np.isfinite(as_mesh(model).vertices).all()


def test_parts_keep_their_names():
    names = {part.name.lower() for part in loaded("blender_robot.glb").parts}
    assert {"body", "head"} <= names
