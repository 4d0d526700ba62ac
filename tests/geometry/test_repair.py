"""Repair closes damaged surfaces and leaves the rest alone."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import manifold3d
import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from orfeas.geometry.manifoldness import Topology, topology
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.repair import Repaired, repair
from tests.geometry import damage, solids

FULL = os.environ.get("TEST_SCALE") == "full"
EXAMPLES = 200 if FULL else 30
FACES = (1_000, 20_000, 80_000, 200_000, 500_000) if FULL else (1_000, 4_000)
FAR = 1e-6  # of the diagonal: a soup is torn apart by a tenth of that
MIXES = st.sets(st.sampled_from(sorted(damage.DAMAGES)), min_size=1, max_size=4)
SLOW = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip


def filed(mesh: Mesh) -> Topology:
    """As an independent library welds it."""
    return topology(np.array(solids.back(mesh).faces))


def volume(mesh: Mesh) -> float:
    return signed_volume(mesh.vertices, mesh.faces)


def names(found: Repaired) -> list[str]:
    return [operation.name for operation in found.operations]


MET: Counter[str] = Counter()
"""What the generator has made, and what became of it."""


@given(kind=st.sampled_from(damage.SHAPES), faces=st.sampled_from(FACES), mix=MIXES, seed=st.integers(0, 10_000))
@example(kind="genus3", faces=20_000, mix={"junctions"}, seed=5441)  # one edge where the surface meets only itself
@example(kind="shell", faces=1_000, mix={"spikes"}, seed=0)  # spikes of the cavity stick out of the shell
@SLOW
def test_any_mix_of_damage_is_closed_with_the_right_genus_and_volume(kind, faces, mix, seed):
    shape = damage.shape(kind, faces, seed)
    hurt = damage.damaged(shape.mesh, mix, seed)
    soft, found = repair(hurt), repair(hurt, aggressive=True)
    MET.update(["meshes", kind, *mix, f"{faces} faces"])
    MET["closed"] += soft.is_watertight
    assert stays(shape, soft, mix, seed) <= FAR, (kind, faces, sorted(mix), seed)
    state = filed(found.mesh)
    assert found.is_watertight, (kind, faces, sorted(mix), seed)
    assert state.is_watertight
    assert volume(found.mesh) > 0.0
    if "voxel_remesh" in names(found):
        MET["made anew"] += 1
    else:
        assert stays(shape, found, mix, seed) <= FAR, (kind, faces, sorted(mix), seed)
    if mix <= damage.KEEPS_VOLUME:
        assert state.genus == shape.genus
        assert volume(found.mesh) == pytest.approx(shape.volume, rel=0.02)


def stays(shape: damage.Shape, found: Repaired, mix: set[str], seed: int) -> float:
    """How far vertices that no damage touched are from the nearest one of the result, as a share of the diagonal."""
    hurt = damage.damaged(shape.mesh, mix - {"soup"}, seed)
    far = damage.away(shape.mesh, hurt, mix)
    if len(far) == 0:
        return 0.0
    size = float(np.linalg.norm(np.ptp(hurt.vertices, axis=0)))
    return float(cKDTree(found.mesh.vertices).query(far)[0].max()) / size


def test_nearly_all_of_it_is_closed_without_a_new_surface(record_property):
    """The meshes of the test above, all kinds of them."""
    if not MET:
        pytest.skip("counts what the test of the generator has met")
    for name in [
        "meshes",
        "closed",
        "made anew",
        *damage.SHAPES,
        *damage.DAMAGES,
        *(f"{faces} faces" for faces in FACES),
    ]:
        record_property(name, MET[name])
    assert MET["meshes"] >= EXAMPLES
    assert MET["closed"] >= 0.95 * MET["meshes"]
    assert not FULL or min(MET[name] for name in (*damage.SHAPES, *damage.DAMAGES)) >= EXAMPLES / 20


@pytest.mark.parametrize("kind", damage.SHAPES)
def test_a_sound_mesh_is_returned_as_it_was(kind):
    shape = damage.shape(kind, 2_000)
    found = repair(shape.mesh, aggressive=True)
    assert found.operations == ()
    assert np.array_equal(found.mesh.vertices, shape.mesh.vertices)
    assert np.array_equal(found.mesh.faces, shape.mesh.faces)
    assert (found.max_deviation_mm, found.mean_deviation_mm) == (0.0, 0.0)
    assert found.volume_change == pytest.approx(0.0, abs=1e-12)


def test_small_holes_leave_every_other_vertex_bit_for_bit_where_it_was():
    whole = damage.shape("torus", 8_000).mesh
    hurt = damage.holes(whole, np.random.default_rng(4))
    found = repair(hurt)
    known = {row.tobytes() for row in whole.vertices}
    kept = {row.tobytes() for row in found.mesh.vertices}
    used = {row.tobytes() for row in hurt.vertices[np.unique(hurt.faces)]}
    assert used <= kept
    assert len(kept - known) < 200
    assert found.is_watertight
    old = {tuple(sorted(row.tobytes() for row in corners)) for corners in hurt.vertices[hurt.faces]}
    new = {tuple(sorted(row.tobytes() for row in corners)) for corners in found.mesh.vertices[found.mesh.faces]}
    assert old <= new


@pytest.mark.parametrize("height, tolerance", [(8.0, 0.006), (5.0, 0.06)])
def test_a_large_hole_in_a_ball_gets_no_flat_cap(height, tolerance):
    ball = solids.ball(10.0, 4)
    cap = ball.vertices[ball.faces].mean(axis=1)[:, 2] > height
    found = repair(replace(ball, faces=ball.faces[~cap]))
    flat = np.pi * (10.0 - height) ** 2 * (20.0 + height) / 3.0 / (4000.0 / 3.0 * np.pi)
    assert volume(found.mesh) == pytest.approx(volume(ball), rel=tolerance)
    assert tolerance < flat
    assert found.mesh.vertices[:, 2].max() > height + 0.5 * (10.0 - height)
    assert names(found) == ["fill_holes"]


@pytest.mark.parametrize("ends", [1, 2])
def test_a_tube_without_its_end_gets_a_ring_and_keeps_its_hole(ends):
    tube = trimesh.creation.annulus(5.0, 10.0, 20.0)
    gone = tube.face_normals[:, 2] > 0.5 if ends == 1 else np.abs(tube.face_normals[:, 2]) > 0.5
    found = repair(replace(solids.of(tube), faces=np.array(tube.faces[~gone], dtype=np.int64)))
    assert filed(found.mesh).genus == 1
    assert volume(found.mesh) == pytest.approx(tube.volume)
    assert names(found) == ["fill_planar_holes"]


def test_a_concave_flat_hole_is_filled_within_its_outline():
    angle = np.arange(10) * np.pi / 5.0
    radius = np.where(np.arange(10) % 2, 4.0, 10.0)
    outline = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    made = manifold3d.Manifold.extrude(manifold3d.CrossSection([outline]), 5.0).to_mesh64()
    star = solids.back(Mesh(np.array(made.vert_properties[:, :3]), np.array(made.tri_verts, dtype=np.int64)))
    found = repair(replace(solids.of(star), faces=np.array(star.faces[star.face_normals[:, 2] < 0.5])))
    assert volume(found.mesh) == pytest.approx(star.volume)
    assert filed(found.mesh).is_watertight
    assert names(found) == ["fill_planar_holes"]


def test_two_missing_sides_of_a_box_get_their_edge_back():
    box = trimesh.creation.box((10.0, 10.0, 10.0))
    gone = (box.face_normals[:, 2] > 0.5) | (box.face_normals[:, 1] > 0.5)
    found = repair(replace(solids.of(box), faces=np.array(box.faces[~gone])))
    assert volume(found.mesh) == pytest.approx(1000.0)
    assert len(found.mesh.faces) == 12


def test_cavities_stay_and_shells_within_solid_material_go():
    hollow = solids.together(solids.ball(10.0), solids.inside_out(solids.ball(8.0)))
    assert volume(repair(hollow, aggressive=True).mesh) == pytest.approx(volume(hollow))
    assert volume(repair(solids.inside_out(hollow)).mesh) == pytest.approx(volume(hollow))
    found = repair(solids.together(solids.ball(10.0), solids.ball(8.0)), aggressive=True)
    assert names(found) == ["remove_inner_shells"]
    assert volume(found.mesh) == pytest.approx(volume(solids.ball(10.0)))


def test_overlapping_shells_become_one():
    one, two = solids.ball(10.0), solids.ball(10.0, at=(8.0, 1.0, 2.0))
    found = repair(solids.together(one, two))
    expected = trimesh.boolean.union([solids.back(one), solids.back(two)], engine="manifold")
    assert names(found) == ["unite_shells"]
    assert (filed(found.mesh).body_count, filed(found.mesh).genus) == (1, 0)
    assert volume(found.mesh) == pytest.approx(expected.volume, rel=1e-6)


@pytest.mark.parametrize("at", [(1.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0)])
def test_bodies_that_touch_are_told_apart_in_the_file(at):
    found = repair(solids.together(solids.box(), solids.box(at=at)))
    assert filed(found.mesh).is_watertight
    assert filed(found.mesh).is_manifold
    assert volume(found.mesh) == pytest.approx(2.0, rel=1e-4)


def test_floaters_go():
    found = repair(solids.together(solids.ball(10.0), solids.ball(1.0, 2, at=(20.0, 0.0, 0.0))))
    assert names(found) == ["drop_floaters"]
    assert filed(found.mesh).body_count == 1


def test_a_wall_inside_goes():
    ball = solids.ball(10.0, 4)
    rim = np.flatnonzero(np.abs(ball.vertices[:, 2]) < 1e-9)
    rim = rim[np.argsort(np.arctan2(ball.vertices[rim, 1], ball.vertices[rim, 0]))]
    middle = len(ball.vertices)
    wall = np.stack([rim, np.roll(rim, -1), np.full(len(rim), middle)], axis=1)
    hurt = Mesh(np.concatenate([ball.vertices, np.zeros((1, 3))]), np.concatenate([ball.faces, wall]))
    found = repair(hurt)
    assert names(found) == ["drop_fins"]
    assert volume(found.mesh) == pytest.approx(volume(ball))


def test_one_sided_bands_do_not_hang():
    angle = np.linspace(0.0, 2.0 * np.pi, 61)[:-1]
    side = np.stack([np.cos(angle / 2) * np.cos(angle), np.cos(angle / 2) * np.sin(angle), np.sin(angle / 2)], axis=1)
    ring = np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], axis=1) * 4.0
    low, high = np.arange(60), 60 + np.arange(60)
    after = (np.roll(low, -1), np.roll(high, -1))
    after[0][-1], after[1][-1] = 60, 0
    band = np.concatenate([np.stack([low, after[0], high], 1), np.stack([high, after[0], after[1]], 1)])
    hurt = Mesh(np.concatenate([ring + side, ring - side]), band)
    assert repair(hurt, aggressive=True).is_watertight


@pytest.mark.parametrize("count", [1, 12])
def test_loose_triangles_become_a_closed_solid(count):
    places = np.random.default_rng(count).random((3 * count, 3)) * 10.0
    hurt = Mesh(places, np.arange(3 * count).reshape(-1, 3))
    assert not repair(hurt).is_watertight
    found = repair(hurt, aggressive=True)
    assert filed(found.mesh).is_watertight
    assert volume(found.mesh) > 0.0
    assert "voxel_remesh" in names(found)


def test_a_coarse_soup_of_a_ball_gets_its_volume_back():
    ball = solids.soup(solids.ball(10.0, 3))
    hurt = ball.moved(ball.vertices + np.random.default_rng(0).normal(scale=0.05, size=ball.vertices.shape))
    found = repair(hurt, aggressive=True)
    assert names(found)[-1] == "voxel_remesh"
    assert volume(found.mesh) == pytest.approx(volume(ball), rel=0.01)
    assert 0.0 < found.mean_deviation_mm < found.max_deviation_mm < 0.5


@pytest.mark.parametrize(
    "places", [np.zeros((3, 3)), np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.full((3, 3), 1e30)]
)
def test_faces_without_area_never_raise(places):
    found = repair(Mesh(places, np.array([[0, 1, 2]])), aggressive=True)
    assert not found.is_watertight
    assert len(found.mesh.faces) == 0


def test_nothing_stays_nothing():
    found = repair(Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)), aggressive=True)
    assert not found.is_watertight


def test_colours_and_texture_coordinates_stay_with_their_faces():
    whole = solids.textured(solids.painted(solids.ball(10.0, 4)))
    whole = replace(whole, vertex_colors=solids.painted(whole).vertex_colors)
    gone = np.random.default_rng(0).random(len(whole.faces)) < 0.01
    hurt = replace(whole, faces=whole.faces[~gone], corner_uv=whole.corner_uv[~gone])
    found = repair(hurt).mesh
    assert found.texture is whole.texture
    expected = solids.textured(found)
    assert np.abs(found.corner_uv - expected.corner_uv).max() < 0.06
    assert np.abs(found.vertex_colors.astype(int) - solids.painted(found).vertex_colors.astype(int)).max() <= 1


def test_progress_grows():
    told: list[float] = []
    repair(damage.damaged(solids.ball(10.0), {"holes", "flips"}, 0), on_progress=told.append)
    assert told == sorted(told)
    assert 0.0 <= told[0] <= told[-1] <= 1.0
