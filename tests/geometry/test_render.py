"""Previews show the shape, its colours and its shadow."""

from __future__ import annotations

import numpy as np
import pytest

from orfeas.domain.prompt import parse
from orfeas.errors import EmptyMeshError
from orfeas.geometry import colors
from orfeas.geometry.illustration import revealing, thumbnail
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import corner_normals, face_normals
from orfeas.geometry.parametric import build
from orfeas.geometry.rendering import Framing, Studio, render_model
from tests.geometry import solids

BALL = solids.ball(1.0, 4)


def front(mesh: Mesh, azimuth_deg: float = 0.0, elevation_deg: float = 0.0) -> np.ndarray:
    """The mesh from the front, without the ground's shadow."""
    return thumbnail(mesh, width=160, height=160, framing=Framing(azimuth_deg, elevation_deg))


def solid(picture: np.ndarray) -> np.ndarray:
    """Pixels that the surface fills: shadows are never opaque."""
    return picture[..., 3] == 255


def test_a_ball_is_a_disc_that_fills_the_frame():
    picture = front(BALL)
    covered = solid(picture)
    rows, columns = np.nonzero(covered)
    assert picture.shape == (160, 160, 4)
    assert np.ptp(rows) + 1 == pytest.approx(0.86 * 160, abs=3)
    assert np.ptp(columns) + 1 == pytest.approx(0.86 * 160, abs=3)
    assert covered.sum() == pytest.approx(np.pi * (0.43 * 160) ** 2, rel=0.03)
    assert abs(rows.mean() - 79.5) < 1.0
    assert abs(columns.mean() - 79.5) < 1.0


def test_a_torus_shows_its_hole():
    picture = front(solids.torus())
    assert picture[80, 80, 3] < 255
    assert solid(picture)[80, 30]


def test_light_comes_from_above_right():
    grey = front(BALL)[..., :3].mean(axis=2)
    assert grey[50, 100] > grey[110, 60] + 20


def test_a_texture_lies_where_its_coordinates_say():
    picture = front(solids.textured(BALL)).astype(int)
    assert picture[80, 120, 0] > picture[80, 40, 0] + 40  # red grows to the right
    assert picture[40, 80, 1] > picture[120, 80, 1] + 40  # green grows upward


def test_vertex_colours_are_shown():
    picture = front(solids.painted(BALL)).astype(int)
    assert picture[80, 125, 0] > picture[80, 35, 0] + 40
    assert picture[35, 80, 1] > picture[125, 80, 1] + 40


def test_a_uniform_colour_keeps_its_tone():
    flat = Mesh(BALL.vertices, BALL.faces, vertex_colors=np.tile(np.uint8([200, 80, 40, 255]), (len(BALL.vertices), 1)))
    lit = front(flat)[50, 100, :3].astype(int)
    assert lit == pytest.approx([200, 80, 40], abs=45)
    assert lit[0] > lit[1] > lit[2]


def test_azimuth_goes_round_to_the_right_side():
    box = solids.box()
    reds = np.where(box.vertices[:, 0] > 0.0, 255, 0)
    sides = np.stack([reds, 0 * reds, 255 - reds, 0 * reds + 255], axis=1).astype(np.uint8)
    coloured = Mesh(box.vertices, box.faces, vertex_colors=sides)
    right, left = front(coloured, azimuth_deg=90.0)[80, 80], front(coloured, azimuth_deg=-90.0)[80, 80]
    assert right[0] > 100 > right[2]
    assert left[2] > 100 > left[0]


def test_the_ground_is_dark_below_and_clear_far_away():
    picture = front(solids.box((1.0, 1.0, 1.0)), azimuth_deg=35.0, elevation_deg=25.0)
    shadow = np.where(solid(picture), 0, picture[..., 3])
    assert shadow.max() > 60
    assert shadow[:10].max() == 0


def test_an_overhang_is_darker_than_the_open_side():
    table = solids.together(solids.box((2.0, 0.1, 2.0), at=(0.0, 1.0, 0.0)), solids.box((0.6, 1.8, 0.6)))
    picture = front(table, elevation_deg=5.0)[..., :3].mean(axis=2)
    column = picture[:, 80]
    rows = np.flatnonzero(solid(front(table, elevation_deg=5.0))[:, 80])
    assert column[rows[len(rows) // 6]] < column[rows[len(rows) // 2]] - 5


def test_edges_are_smoothed_by_samples():
    rough, smooth = (
        render_model(BALL, view=Framing(0.0, 0.0), width=160, height=160, background="transparent", samples=samples)
        for samples in (1, 9)
    )
    partial = (smooth[..., 3] > 0) & (smooth[..., 3] < 255)
    assert partial[20:140].sum() > ((rough[..., 3] > 0) & (rough[..., 3] < 255))[20:140].sum()


@pytest.mark.parametrize("width, height", [(64, 200), (200, 64), (33, 17)])
def test_any_frame_holds_the_whole_mesh(width, height):
    picture = thumbnail(solids.torus(), width=width, height=height)
    assert picture.shape == (height, width, 4)
    covered = solid(picture)
    assert covered.any()
    assert not covered[[0, -1]].any()
    assert not covered[:, [0, -1]].any()


def test_the_same_mesh_gives_the_same_picture_in_any_size_and_place():
    picture = front(BALL)
    assert np.array_equal(picture, front(BALL))
    moved = front(BALL.moved(BALL.vertices * 128.0 + 4096.0))
    assert np.abs(moved.astype(int) - picture).mean() < 0.5


def test_a_flat_mesh_can_be_shown():
    square = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.array([[0, 1, 2], [0, 2, 3]]))
    assert solid(front(square)).sum() == pytest.approx((0.86 * 160) ** 2, rel=0.05)
    assert solid(front(square, azimuth_deg=180.0)).any()


def test_no_faces_no_picture():
    with pytest.raises(EmptyMeshError):
        front(Mesh(BALL.vertices, BALL.faces[:0]))


def test_what_lies_in_a_box_is_looked_at_from_above():
    def reds(text: str) -> int:
        shown = thumbnail(build(parse(text).scene), width=160, height=160).astype(int)
        return int(((shown[..., 0] > shown[..., 1] + 60) & (shown[..., 3] == 255)).sum())

    assert reds("three red balls inside an open white box") > 100
    alone = Framing(35.0, 20.0)
    assert revealing(Studio(solids.torus(), size=96), solids.torus(), alone) == alone


def test_normals_are_smooth_on_a_ball_and_hard_on_a_box():
    ball = corner_normals(BALL.vertices, BALL.faces)
    assert ball == pytest.approx(BALL.vertices[BALL.faces], abs=0.02)
    box = solids.box()
    flat = np.repeat(face_normals(box.vertices, box.faces)[:, None], 3, axis=1)
    assert corner_normals(box.vertices, box.faces) == pytest.approx(flat)


def test_a_cylinder_is_smooth_around_and_hard_at_its_rim():
    turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turn), 0.0 * turn, np.sin(turn)], axis=1)
    vertices = np.concatenate([ring, np.add(ring, [0.0, 1.0, 0.0]), [[0.0, 1.0, 0.0]]])
    here, there = np.arange(24), (np.arange(24) + 1) % 24
    side = np.concatenate([np.stack([here, here + 24, there], 1), np.stack([there, here + 24, there + 24], 1)])
    lid = np.stack([here + 24, np.full(24, 48), there + 24], axis=1)
    normals = corner_normals(vertices, np.concatenate([side, lid]))
    assert normals[:48, :, 1] == pytest.approx(0.0, abs=1e-9)
    assert normals[48:] == pytest.approx(np.broadcast_to([0.0, 1.0, 0.0], (24, 3, 3)))
    outward = vertices[side] * [1.0, 0.0, 1.0]
    assert np.einsum("fci,fci->fc", normals[:48], outward).min() > 0.99


def test_srgb_codes_survive_the_way_through_linear_light():
    codes = np.arange(256, dtype=np.uint8)
    assert np.abs(colors.srgb(colors.linear(codes)).astype(int) - codes).max() <= 1
    assert colors.linear(np.uint8([188]))[0] == pytest.approx(0.503, abs=0.002)


def test_textures_are_averaged_in_linear_light():
    checks = np.zeros((4, 4, 3), dtype=np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    assert (colors.halved(checks) == 188).all()
    between = colors.lookup(checks, np.array([[0.25, 0.5]], dtype=np.float32))
    assert between == pytest.approx(0.5, abs=0.01)
