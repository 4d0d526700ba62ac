"""Photos on any mesh: every side in its picture's colour, no background, no seams, the same look with fewer faces."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from orfeas.domain.presets import LIGHTING, MATERIALS
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.illustration import thumbnail
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.rendering import BARE, Framing, render_model
from orfeas.geometry.simplify import simplify_to
from orfeas.geometry.subject import Subject, prepare
from orfeas.geometry.texturing import dressed, project, transfer, unwrap
from orfeas.geometry.texturing.texels import texels
from tests.geometry import solids

FULL = os.environ.get("TEST_SCALE") == "full"
SIDES = ("front", "left", "back", "right", "top", "bottom")
VIEWS = ((0, 0), (120, 10), (240, -20), (30, 60), (200, -50))


def disc(color: tuple[int, int, int], background: tuple[int, int, int] = (0, 255, 0)) -> Subject:
    """A disc before a loud background, with the soft outline of a photo."""
    rows, columns = np.mgrid[0:200, 0:200]
    alpha = np.clip(90.5 - np.hypot(rows - 99.5, columns - 99.5), 0.0, 1.0)[..., None]
    rgb = np.array(color) * alpha + np.array(background) * (1.0 - alpha)
    return prepare(np.dstack([rgb, np.full((200, 200), 255)]).astype(np.uint8))


def stripes(width: int) -> Subject:
    """Black and white columns."""
    columns = np.arange(256) // width % 2 * 255
    return prepare(np.dstack([np.tile(columns, (256, 1))] * 3 + [np.full((256, 256), 255)]).astype(np.uint8))


def colours(mesh: Mesh, side: int = 96) -> np.ndarray:
    """Opaque pixels of pictures from all around, (n, 3)."""
    pictures = [thumbnail(mesh, width=side, height=side, framing=Framing(a, e)) for a, e in VIEWS]
    return np.concatenate([picture[picture[..., 3] == 255][:, :3] for picture in pictures]).astype(int)


def test_no_background_shows_on_a_ball_from_any_side() -> None:
    made = project(solids.ball(50.0, 4), {side: disc((200, 40, 40)) for side in SIDES}, size=512)
    assert made.seen == 1.0
    seen = colours(made.mesh)
    assert (seen[:, 1] < seen[:, 0]).all()
    assert made.mesh.texture is not None
    assert np.abs(made.mesh.texture.astype(int) - (200, 40, 40)).max() <= 8


def test_what_no_photo_shows_is_filled_smoothly_from_what_one_does() -> None:
    made = project(solids.ball(50.0, 4), {"front": disc((200, 40, 40))}, size=256)
    assert 0.3 < made.seen < 0.5
    assert made.mesh.texture is not None
    assert np.abs(made.mesh.texture.astype(int) - (200, 40, 40)).max() <= 8


def test_a_photo_is_not_laid_on_what_stands_behind_something_else() -> None:
    box = solids.box()
    unit = box.vertices / np.ptp(box.vertices, axis=0) - box.vertices.mean(axis=0) / np.ptp(box.vertices, axis=0)
    vertices = np.concatenate([unit * (20, 20, 10) + (0, 0, 40), unit * (60, 60, 10)])
    photo = np.full((300, 300, 4), (250, 240, 20, 255), dtype=np.uint8)
    photo[100:200, 100:200, :3] = (20, 20, 220)
    subject = prepare(photo, remove_background="never")
    faces = np.concatenate([box.faces, box.faces + len(unit)])
    made = project(Mesh(vertices, faces), {"front": subject}, size=512).mesh
    corners = vertices[faces]
    before, behind = (np.flatnonzero((np.abs(corners[..., 2] - z) < 1e-9).all(axis=1)) for z in (45.0, 5.0))
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), 2000)
    assert (np.abs(looked_up(made, before, weights) - (20, 20, 220)).mean(axis=0) < 20).all()
    hidden = np.abs(np.einsum("nc,fck->fnk", weights, corners[behind])[..., :2]).max(axis=2) < 9.0
    seen = looked_up(made, behind, weights).reshape(*hidden.shape, 3)[hidden]
    assert len(seen) > 50
    assert (seen[:, 0] > 200).all()


def looked_up(mesh: Mesh, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The texture at places of faces."""
    assert mesh.corner_uv is not None
    assert mesh.texture is not None
    uv = np.einsum("nc,fck->fnk", weights, mesh.corner_uv[faces]).reshape(-1, 2)
    height, width = mesh.texture.shape[:2]
    rows = np.clip(((1.0 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return mesh.texture[rows, np.clip((uv[:, 0] * width).astype(int), 0, width - 1)].astype(int)


def test_charts_lie_beside_each_other_and_fill_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orfeas.geometry.texturing.charts.BLOCK_FACES", 1500 if not FULL else 8000)
    mesh = solids.ball(50.0, 4 if not FULL else 7)
    found = unwrap(mesh, 512)
    uv = found.mesh.corner_uv
    assert uv is not None
    assert uv.min() >= 0.0
    assert uv.max() <= 1.0
    first, second = np.diff(uv.astype(float), axis=1).transpose(1, 0, 2)
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2.0
    covered = sum(len(band.place) for band in texels(found)) / (found.width * found.height)
    assert area == pytest.approx(covered, rel=0.01)
    assert max(found.width, found.height) == 512
    assert covered > 0.4


def test_fewer_faces_look_the_same() -> None:
    painted = project(solids.ball(50.0, 4), {side: stripes(64) for side in SIDES}, size=512).mesh
    before = colours(painted)
    for target in (1500, 400) if FULL else (400,):
        found = simplify_to(painted, target_faces=target).mesh
        assert len(found.faces) == target
        after = colours(found)
        pictures = [
            [thumbnail(m, width=96, height=96, framing=Framing(a, e)) for a, e in VIEWS] for m in (painted, found)
        ]
        apart = [
            np.abs(one[both][:, :3].astype(int) - two[both][:, :3]).mean() / 255.0
            for one, two in zip(*pictures, strict=True)
            for both in [(one[..., 3] == 255) & (two[..., 3] == 255)]
        ]
        assert np.mean(apart) < 0.03
        assert np.abs(before.mean(axis=0) - after.mean(axis=0)).max() < 0.03 * 255


def test_colours_of_vertices_become_a_texture_on_another_mesh() -> None:
    dense = solids.painted(solids.ball(50.0, 4))
    coarse = transfer(solids.ball(50.0, 2), dense, size=256)
    assert coarse.texture is not None
    assert coarse.corner_uv is not None
    assert coarse.texture[..., 0].min() < 20
    assert coarse.texture[..., 0].max() > 235
    one, two = (thumbnail(mesh, width=96, height=96) for mesh in (dense, coarse))
    both = (one[..., 3] == 255) & (two[..., 3] == 255)
    assert np.abs(one[both].astype(int) - two[both]).mean() < 0.03 * 255


def test_a_mesh_turned_inside_out_is_painted_all_the_same() -> None:
    photo = {"front": disc((200, 40, 40))}
    one, two = (project(mesh, photo, size=256) for mesh in (solids.ball(), solids.inside_out(solids.ball())))
    assert one.seen == pytest.approx(two.seen, abs=0.02)


def test_a_material_leaves_the_parts_and_takes_their_colours() -> None:
    parts = (
        Part("a", solids.painted(solids.ball())),
        Part("b", solids.textured(solids.ball()), np.diag([2, 2, 2, 1.0])),
    )
    made = dressed(Assembly(parts), MATERIALS["wood"])
    assert [part.name for part in made.parts] == ["a", "b"]
    assert all(part.material == MATERIALS["wood"] for part in made.parts)
    assert all(part.mesh.vertex_colors is part.mesh.texture is None for part in made.parts)
    assert (made.parts[1].transform == parts[1].transform).all()


def test_a_relief_looks_the_same_on_fewer_faces_with_other_coordinates() -> None:
    y, x = np.mgrid[0:256, 0:256] / 256.0 * 2.0 * np.pi
    waves = np.stack([0.5 * np.sin(5.0 * x), 0.5 * np.sin(5.0 * y), np.ones_like(x)], axis=-1)
    waves /= np.linalg.norm(waves, axis=-1, keepdims=True)
    normal = np.round(127.5 + 127.5 * waves).astype(np.uint8)
    rough = np.stack([0.0 * x, 128.0 + 100.0 * np.sin(2.0 * y), 255.0 * (x > np.pi)], axis=-1).astype(np.uint8)
    dense = replace(solids.textured(solids.ball(20.0, 5)), maps=Maps(normal=normal, surface=rough))
    coarse = transfer(solids.ball(20.0, 4), dense, size=1024)
    assert coarse.maps is not None
    rig = LIGHTING["studio"]
    shown = [
        render_model(m, view=Framing(0.0, 20.0), width=128, height=128, lighting=rig, style=BARE)
        for m in (dense, coarse, replace(coarse, maps=None))
    ]
    like, flat = (np.abs(shown[0].astype(int) - other).mean() for other in shown[1:])
    assert like < 2.0
    assert flat > 3.0 * like


def test_what_one_body_shows_does_not_run_onto_another_that_it_touches() -> None:
    plate, ball = solids.box((40.0, 4.0, 40.0)), solids.ball(8.0, 4)
    ball = ball.moved(np.add(ball.vertices, [0.0, 10.001, 0.0]))
    both = solids.together(plate, ball)
    photo = np.zeros((240, 400, 4), np.uint8)
    photo[200:] = 40, 60, 200, 255
    inside = np.hypot(np.arange(240)[:, None] - 120, np.arange(400) - 200) < 80
    photo[inside & (np.arange(240)[:, None] < 200)] = 220, 30, 30, 255
    made = project(both, {"front": prepare(photo)}, size=512).mesh
    above = thumbnail(made, width=160, height=160, framing=Framing(0.0, 60.0))
    opaque = above[above[..., 3] == 255][:, :3].astype(int)
    plate_pixels = opaque[opaque[:, 2] > opaque[:, 0]]
    assert len(plate_pixels) > 0.5 * len(opaque)
    purple = (np.abs(opaque[:, 2] - opaque[:, 0]) < 50) & (opaque.max(axis=1) > 60)
    assert purple.mean() < 0.02
