"""The photo on the mesh."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from orfeas.geometry.field import HeightField
from orfeas.geometry.fill import pull_push
from orfeas.geometry.inflate import inflate
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.relief import lithophane, relief
from orfeas.geometry.subject import Subject, prepare
from orfeas.geometry.surface import surface
from orfeas.geometry.texture import project
from tests.geometry.shapes import disc, drawn


@lru_cache
def model(name: str) -> tuple[Mesh, Subject, HeightField]:
    """A small untextured model in millimetres, off the origin."""
    subject = drawn(name)
    field = inflate(subject) if subject.found else relief(subject)
    mesh = surface(field, octree_resolution=64, steps=4)
    return mesh.moved(mesh.vertices * np.array([80.0, 80.0, 40.0]) + np.array([10.0, -5.0, 3.0])), subject, field


def colours(mesh: Mesh) -> np.ndarray:
    """The texture's colour in the middle of every face."""
    height, width = mesh.texture.shape[:2]
    uv = mesh.corner_uv.mean(axis=1)
    rows = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return mesh.texture[rows, np.clip((uv[:, 0] * width).astype(int), 0, width - 1)].astype(int)


def normals(mesh: Mesh) -> np.ndarray:
    """Unit face normals."""
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    return cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("name", ["bear", "mug", "landscape"])
def test_every_corner_lies_in_the_texture_and_the_shape_is_untouched(name):
    mesh, subject, field = model(name)
    painted = project(mesh, subject, field, size=512)
    assert painted.vertices is mesh.vertices
    assert painted.corner_uv.shape == (len(mesh.faces), 3, 2)
    assert painted.corner_uv.dtype == np.float32
    assert painted.corner_uv.min() >= 0
    assert painted.corner_uv.max() <= 1
    assert max(painted.texture.shape[:2]) <= 512
    assert painted.texture.dtype == np.uint8


def test_the_front_shows_the_photo_where_it_was():
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    picture = disc()
    picture[..., 0], picture[..., 1], picture[..., 2] = np.where(x < 0, 220, 30), np.where(y < 0, 200, 40), 60
    subject = prepare(picture, remove_background="auto")
    field = inflate(subject)
    mesh = surface(field, octree_resolution=64, steps=2)
    painted = project(mesh, subject, field, size=512)
    centres, facing = mesh.vertices[mesh.faces].mean(axis=1), normals(mesh)[:, 2] > 0.8
    found = colours(painted)
    clear = facing & (np.abs(centres[:, 0]) > 0.03) & (np.abs(centres[:, 1]) > 0.03)
    assert ((found[clear, 0] > 125) == (centres[clear, 0] < 0)).mean() > 0.99
    assert ((found[clear, 1] > 120) == (centres[clear, 1] > 0)).mean() > 0.99


def test_no_background_colour_reaches_the_model():
    picture = disc()
    ground = np.array([0, 255, 0])
    mask = picture[..., 3:] / 255.0
    opaque = np.dstack([picture[..., :3] * mask + ground * (1 - mask), np.full((256, 256), 255)]).astype(np.uint8)
    subject = prepare(opaque, remove_background="auto")
    field = inflate(subject)
    painted = project(surface(field, octree_resolution=64, steps=2), subject, field)
    assert np.abs(colours(painted) - np.array([200, 80, 60])).max() < 12


def test_soft_fur_brings_no_hidden_colour_along():
    picture = disc()
    y, x = np.mgrid[-128:128, -128:128]
    picture[..., 3] = np.clip((110 - np.hypot(x, y)) / 40, 0, 1) * 255
    picture[picture[..., 3] < 100, :3] = (0, 255, 0)
    subject = prepare(picture, remove_background="auto")
    field = inflate(subject)
    painted = project(surface(field, octree_resolution=64, steps=2), subject, field)
    assert np.abs(colours(painted) - np.array([200, 80, 60])).max() < 16


def test_sides_past_sixty_degrees_carry_no_streaks():
    """Stripes cross the rim of a ball: on the photo's side they show, past 60 degrees they are blurred away."""
    picture = disc()
    y, _ = np.mgrid[0:256, 0:256]
    picture[..., :3] = np.where((y // 4 % 2 == 0)[..., None], 230, 40)
    subject = prepare(picture, remove_background="auto")
    field = inflate(subject)
    mesh = surface(field, octree_resolution=96, steps=2)
    painted = project(mesh, subject, field)
    found, facing = colours(painted)[:, 0], normals(mesh)[:, 2]
    assert found[facing > 0.85].std() > 60
    assert found[np.abs(facing) < 0.4].std() < 25


def test_a_dark_outline_of_a_drawing_does_not_blacken_the_sides():
    mesh, subject, field = model("girl")
    painted = project(mesh, subject, field)
    centres = (mesh.vertices[mesh.faces].mean(axis=1) - mesh.vertices.min(axis=0)) / np.ptp(mesh.vertices, axis=0)
    dress = (centres[:, 1] > 0.2) & (centres[:, 1] < 0.4) & (np.abs(normals(mesh)[:, 2]) < 0.5)
    assert np.median(colours(painted)[dress, 0]) > 130


def test_front_and_back_meet_in_the_same_colour():
    mesh, subject, field = model("bear")
    painted = project(mesh, subject, field)
    found = colours(painted)
    from scipy.sparse import coo_matrix

    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, edge = np.unique(edges, axis=0, return_inverse=True)
    graph = coo_matrix((np.ones(len(edge)), (np.repeat(np.arange(len(mesh.faces)), 3), edge.ravel()))).tocsc()
    pairs = graph.indices.reshape(-1, 2)
    middle = painted.corner_uv.mean(axis=1)
    seam = np.linalg.norm(middle[pairs[:, 0]] - middle[pairs[:, 1]], axis=1) > 0.1
    assert seam.sum() > 50
    jumps = np.abs(found[pairs[seam, 0]] - found[pairs[seam, 1]]).max(axis=1)
    assert np.percentile(jumps, 95) < 16


def test_a_lithophane_stays_plain():
    subject = drawn("portrait")
    field = lithophane(subject)
    mesh = surface(field, octree_resolution=48, steps=1)
    assert project(mesh, subject, field).texture is None


def test_pull_push_keeps_trusted_colours_and_fills_the_rest():
    colour = np.zeros((33, 20, 3), np.float32)
    colour[:, :10], colour[:, 10:] = (10, 20, 30), (90, 0, 0)
    weights = np.zeros((33, 20), np.float32)
    weights[:, :5] = 1
    filled = pull_push(colour, weights)
    assert np.abs(filled - np.array([10, 20, 30])).max() < 1


def test_the_same_mesh_gives_the_same_bytes():
    mesh, subject, field = model("mug")
    first, second = (project(mesh, subject, field, size=256) for _ in range(2))
    assert first.texture.tobytes() == second.texture.tobytes()
    assert first.corner_uv.tobytes() == second.corner_uv.tobytes()
