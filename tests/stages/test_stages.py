"""Stages say what they did, and fail with named errors."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import orfeas.stages.all
from orfeas.domain import specs
from orfeas.errors import EmptySurfaceError, InvalidImageError, ResultInvalidError
from orfeas.geometry import formats
from orfeas.stages import code, image, material, measure, mesh, printing, render, rework, scene, shape
from tests.stages import fixed


def ignore(share):
    """Progress that nobody looks at."""


def test_all_modules_are_registered():
    modules = {code, image, material, measure, mesh, printing, render, rework, scene, shape}
    assert set(orfeas.stages.all.MODULES) == modules


@pytest.mark.parametrize(
    "data", [b"", b"nothing", fixed.PICTURE[:-50], fixed.PICTURE[: len(fixed.PICTURE) // 2], b"\x89PNG\r\n\x1a\n"]
)
def test_a_damaged_picture_is_an_invalid_image(data):
    with pytest.raises(InvalidImageError):
        image.prepare(data, specs.PrepareImage(), ignore)


def test_a_picture_that_declares_huge_sides_is_refused_before_its_pixels_are_read():
    body = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    with pytest.raises(InvalidImageError, match="60000 x 60000"):
        image.prepare(b"\x89PNG\r\n\x1a\n" + chunk + end, specs.PrepareImage(), ignore)


def test_without_subject_auto_makes_a_relief_and_inflate_takes_the_whole_frame():
    nothing = fixed.subject(found=False)
    auto = shape.inflate(nothing, specs.Inflate(mode="auto"), ignore)
    assert auto.report["method"] == "relief"
    assert auto.report["warnings"] == [shape.RELIEF_INSTEAD]
    whole = shape.inflate(nothing, specs.Inflate(mode="inflate"), ignore)
    assert whole.report["method"] == "silhouette-inflation"
    assert whole.report["warnings"] == [shape.WHOLE_FRAME]
    assert "warnings" not in shape.inflate(fixed.subject(), specs.Inflate(), ignore).report


@pytest.mark.parametrize("mode", ["relief", "lithophane"])
def test_plates_name_their_method(mode):
    assert shape.relief(fixed.subject(), specs.Relief(mode=mode), ignore).report == {"method": mode}


def test_a_level_that_nothing_reaches_is_an_empty_surface():
    with pytest.raises(EmptySurfaceError):
        shape.surface(fixed.field(), specs.Surface(octree_resolution=32, mc_level=1.0), ignore)


def test_a_surface_follows_its_field():
    made = shape.surface(fixed.field(), specs.Surface(octree_resolution=64, steps=2), ignore).value
    assert np.ptp(made.vertices, axis=0) == pytest.approx([1.0, 1.0, 1.0], abs=0.03)


def test_a_count_is_exact_where_it_is_asked_for_and_an_upper_bound_else():
    ball = fixed.ball()
    assert len(mesh.simplify(ball, specs.Simplify(target_faces=700, exact=True), ignore).value.faces) == 700
    assert len(mesh.simplify(ball, specs.Simplify(target_faces=701, exact=True), ignore).value.faces) == 700
    few = mesh.simplify(ball, specs.Simplify(target_faces=9000, exact=True), ignore)
    assert len(few.value.faces) == len(ball.faces)
    assert "raise octree_resolution" in few.report["warnings"][0]
    assert "warnings" not in mesh.simplify(ball, specs.Simplify(target_faces=9000), ignore).report


def test_without_a_size_the_longest_side_is_100_mm():
    assert np.ptp(mesh.scale(fixed.ball(), specs.Scale(), ignore).value.vertices, axis=0).max() == pytest.approx(100.0)


@pytest.mark.parametrize("name", formats.WRITABLE)
def test_a_file_that_cannot_be_loaded_again_is_an_invalid_result(name):
    data = formats.write(fixed.textured_ball(), name)
    assert mesh.check(data, specs.Verify(format=name), ignore).report["measures"]["is_watertight"]
    for broken in (data[: len(data) // 2], b"", b"\x00" * len(data)):
        with pytest.raises(ResultInvalidError):
            mesh.check(broken, specs.Verify(format=name), ignore)


def test_measures_are_y_up_whatever_axis_the_file_has():
    tall = mesh.scale(fixed.ball(), specs.Scale(dimensions_mm=(10.0, 30.0, 20.0), fit="stretch"), ignore).value
    for axis in ("y", "z"):
        data = mesh.export(tall, specs.Export(format="stl", up_axis=axis), ignore).value
        found = mesh.check(data, specs.Verify(format="stl", up_axis=axis), ignore).report["measures"]
        assert found["extents_mm"] == pytest.approx([10.0, 30.0, 20.0], abs=0.2)


def test_a_preview_is_a_png_of_the_asked_size(tmp_path):
    (tmp_path / "preview.png").write_bytes(
        render.preview(fixed.textured_ball(), specs.RenderPreview(width=80, height=64), ignore)
    )
    with Image.open(tmp_path / "preview.png") as picture:
        assert (picture.size, picture.mode) == ((80, 64), "RGBA")
