"""Closed surfaces of height fields."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from orfeas.errors import EmptySurfaceError
from orfeas.geometry.inflate import inflate
from orfeas.geometry.relax import relaxed
from orfeas.geometry.relief import lithophane, relief
from orfeas.geometry.subject import prepare
from orfeas.geometry.surface import surface
from tests.geometry.shapes import disc, drawn, genus, rgba, solid


@pytest.fixture(scope="module")
def ball():
    return inflate(prepare(disc(), remove_background="auto"))


def assert_closed(mesh):
    """Watertight, outward, and every edge between exactly two faces."""
    checked = solid(mesh)
    assert checked.is_watertight
    assert checked.is_winding_consistent
    assert all(body.volume > 0 for body in checked.split(only_watertight=False))
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_a_disc_gives_the_volume_of_a_ball(ball):
    mesh = surface(ball, octree_resolution=96, steps=6)
    assert_closed(mesh)
    assert solid(mesh).volume == pytest.approx(np.pi / 6, rel=0.06)
    assert genus(mesh) == 0


def test_the_result_is_centred_and_its_longest_side_is_one(ball):
    mesh = surface(ball, octree_resolution=48, steps=2)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert (high - low).max() == pytest.approx(1.0)
    assert np.abs(low + high).max() < 1e-9


@pytest.mark.parametrize("name,handles,bodies", [
    ("mug", 1, 1), ("ring", 1, 1), ("key", 1, 1), ("logo", 4, 1), ("cherries", 0, 2), ("fur", 0, 1), ("chair", 4, 1),
])  # fmt: skip
@pytest.mark.parametrize("grid", [64, 144])
def test_holes_and_parts_of_the_silhouette_stay(name, handles, bodies, grid):
    mesh = surface(inflate(drawn(name)), octree_resolution=grid, steps=4)
    assert_closed(mesh)
    assert (genus(mesh), solid(mesh).body_count) == (handles, bodies)


@pytest.mark.parametrize("grid", [24, 48, 112])
def test_a_pole_thinner_than_a_voxel_holds_together(grid):
    mask = np.zeros((512, 64))
    mask[6:506, 30:33] = 1
    mesh = surface(inflate(prepare(rgba(mask), remove_background="auto")), octree_resolution=grid, steps=3)
    assert_closed(mesh)
    assert solid(mesh).body_count == 1
    assert mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min() == pytest.approx(1.0)


def test_plates_have_upright_walls_and_a_flat_back():
    for make, low, high in ((relief, 0.09, 0.13), (lithophane, 0.027, 0.032)):
        mesh = surface(make(drawn("landscape")), octree_resolution=96, steps=2)
        assert_closed(mesh)
        depth = np.ptp(mesh.vertices[:, 2])
        assert low < depth < high
        back = mesh.vertices[:, 2] < mesh.vertices[:, 2].min() + 1e-4
        assert back.mean() > 0.25


def test_every_level_changes_the_thickness(ball):
    volumes = []
    for level in (-0.1, -0.02, 0.0, 0.02, 0.1):
        mesh = surface(ball, octree_resolution=48, steps=0, mc_level=level)
        assert_closed(mesh)
        volumes.append(len(mesh.faces))
    assert volumes == sorted(volumes, reverse=True)
    assert len(set(volumes)) == 5


def test_a_level_beyond_the_shape_is_an_empty_surface(ball):
    with pytest.raises(EmptySurfaceError, match="mc_level"):
        surface(ball, octree_resolution=32, steps=0, mc_level=0.9)


def test_passes_smooth_without_shrinking():
    ball = trimesh.creation.icosphere(subdivisions=4)
    noise = np.random.default_rng(3).normal(0, 0.01, (len(ball.vertices), 3))
    volumes, bends = [], []
    for steps in (0, 5, 20):
        vertices = relaxed(np.asarray(ball.vertices + noise), np.asarray(ball.faces, np.int64), steps=steps)
        smooth = trimesh.Trimesh(vertices, ball.faces, process=False)
        volumes.append(smooth.volume)
        bends.append(smooth.face_adjacency_angles.std())
    assert bends[2] < 0.5 * bends[1] < 0.25 * bends[0]
    assert volumes == pytest.approx([ball.volume] * 3, rel=0.01)


def test_a_rim_has_no_steps():
    mesh = surface(inflate(drawn("mug")), octree_resolution=144, steps=10)
    at_rim = (np.abs(mesh.vertices[:, 2]) < 0.01) & (np.abs(mesh.vertices[:, 1]) < 0.25) & (mesh.vertices[:, 0] < -0.4)
    assert mesh.vertices[at_rim, 0].std() * 144 < 0.05


def test_the_same_field_gives_the_same_bytes_on_any_grid():
    for grid in (48, 65):
        first, second = (surface(inflate(drawn("duck")), octree_resolution=grid, steps=3) for _ in range(2))
        assert first.vertices.tobytes() == second.vertices.tobytes()
        assert first.faces.tobytes() == second.faces.tobytes()


def test_progress_rises_and_may_cancel(ball):
    told: list[float] = []
    surface(ball, octree_resolution=32, steps=3, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)

    def cancel(share: float) -> None:
        if share > 0.7:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        surface(ball, octree_resolution=32, steps=3, on_progress=cancel)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    mask=arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)),
    grid=st.sampled_from([16, 33, 48]),
    make=st.sampled_from([inflate, relief, lithophane]),
    level=st.sampled_from([0.0, 0.0, -0.08, 0.02]),
    steps=st.integers(0, 3),
)
def test_any_mask_gives_a_closed_surface_or_a_clear_error(mask, grid, make, level, steps):
    subject = prepare(rgba(mask.astype(float)), remove_background="auto")
    try:
        mesh = surface(make(subject), octree_resolution=grid, steps=steps, mc_level=level)
    except EmptySurfaceError:
        assert level > 0 or mask.mean() < 0.2
        return
    assert_closed(mesh)
