"""Lying down, fitting, hollowing and estimating, against shapes with known answers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import trimesh

from orfeas.domain.presets import PRINTERS
from orfeas.errors import DoesNotFitError, EmptyMeshError, InvalidRequestError, OpenMeshError
from orfeas.geometry import printing
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.printing.distance import Surface, closest
from orfeas.geometry.scale import turn
from tests.geometry import solids

RESIN, FDM, POWDER = PRINTERS["halot-x1"], PRINTERS["fdm-220"], PRINTERS["powder-color"]


def moved(solid, x=0.0, y=0.0, z=0.0):
    return solid.apply_translation((x, y, z))


def bracket() -> Mesh:
    """An L, lying on its back: a foot of 40 x 10 x 5 and a leg of 40 mm."""
    foot, leg = trimesh.creation.box((40, 10, 5)), moved(trimesh.creation.box((5, 10, 40)), -17.5, 0, 17.5)
    return solids.of(trimesh.boolean.union([foot, leg], engine="manifold"))


def tipped(mesh: Mesh, angle: float = 1.0) -> Mesh:
    matrix = trimesh.transformations.rotation_matrix(angle, (1.0, 1.0, 0.3))[:3, :3]
    return mesh.moved(mesh.vertices @ matrix.T)


def table() -> Mesh:
    """A plate of 40 x 40 x 4 on a leg of 10 x 10 x 20, on the bed."""
    plate, leg = moved(trimesh.creation.box((40, 40, 4)), z=22), moved(trimesh.creation.box((10, 10, 20.5)), z=10.25)
    return solids.of(trimesh.boolean.union([plate, leg], engine="manifold"))


@pytest.mark.parametrize("goal", ["overhang", "base"])
def test_a_cone_on_its_tip_is_put_on_its_base(goal):
    cone = solids.of(trimesh.creation.cone(10, 30))
    found = printing.orient(cone.moved(cone.vertices * [1, -1, -1]), printer=RESIN, goal=goal, up_axis="z")
    assert found.candidates[0].down == pytest.approx((0.0, 0.0, 1.0))
    assert found.candidates[0].overhang_area_mm2 == 0.0
    assert found.candidates[0].base_mm2 == pytest.approx(np.pi * 100, rel=0.02)
    tip = found.mesh.vertices[np.isclose(found.mesh.vertices[:, :2], 0.0, atol=1e-9).all(axis=1)][:, 2]
    assert tip.max() - found.mesh.vertices[:, 2].min() == pytest.approx(30.0)


def test_a_tipped_bracket_comes_to_stand_without_overhang():
    found = printing.orient(tipped(bracket()), printer=RESIN, up_axis="z")
    best = found.candidates[0]
    assert (best.overhang_area_mm2, best.stable, best.fits) == (0.0, True, True)
    assert best.base_mm2 == pytest.approx(400.0, rel=1e-3)
    assert np.linalg.det(found.matrix) == pytest.approx(1.0)
    assert found.matrix @ found.matrix.T == pytest.approx(np.eye(3), abs=1e-9)


def test_a_bracket_is_not_balanced_on_its_edge_to_save_a_little_overhang():
    bored = trimesh.creation.cylinder(4.0, 20.0)
    bored.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (0, 1, 0)))
    bored.apply_translation((-17.5, 0, 25))
    pierced = trimesh.boolean.difference([solids.back(bracket()), bored], engine="manifold")
    best = printing.orient(solids.of(pierced), printer=RESIN, up_axis="z").candidates[0]
    assert best.stable
    assert np.abs(best.down).max() == pytest.approx(1.0)


def test_the_least_height_lays_the_bracket_on_its_side():
    found = printing.orient(tipped(bracket()), printer=RESIN, goal="height", up_axis="z")
    assert np.ptp(found.mesh.vertices[:, 2]) == pytest.approx(10.0)
    assert found.candidates[0].score == pytest.approx(10.0)


def test_the_least_footprint_stands_a_rod_up():
    rod = solids.box((60.0, 5.0, 6.0))
    found = printing.orient(rod, printer=RESIN, goal="area", up_axis="z")
    assert np.ptp(found.mesh.vertices, axis=0)[2] == pytest.approx(60.0)
    assert found.candidates[0].footprint_mm2 == pytest.approx(30.0)


def test_what_lies_well_stays_as_it_is():
    assert np.array_equal(printing.orient(solids.box((20, 20, 20)), printer=RESIN, up_axis="z").matrix, np.eye(3))
    upright = printing.orient(solids.box((20, 20, 20)), printer=RESIN)
    assert np.array_equal(upright.mesh.vertices, turn(solids.box((20, 20, 20)), "z").vertices)


def test_the_same_mesh_is_laid_down_the_same_way():
    one, two = (printing.orient(tipped(bracket(), 0.4), printer=RESIN) for _ in range(2))
    assert np.array_equal(one.mesh.vertices, two.mesh.vertices)
    assert one.candidates == two.candidates


def test_the_angle_says_what_overhangs():
    cone = solids.of(trimesh.creation.cone(10, 15))  # its side leans 33.7 degrees from the vertical
    upside_down = cone.moved(cone.vertices * [1, -1, -1])

    def worst(angle):
        found = printing.orient(upside_down, printer=RESIN, angle_deg=angle, up_axis="z").candidates
        return next(way for way in found if way.down == pytest.approx((0.0, 0.0, -1.0))).overhang_area_mm2

    assert worst(45.0) == 0.0
    assert worst(20.0) == pytest.approx(np.pi * 10 * np.hypot(10, 15), rel=0.02)


def test_a_way_that_fits_goes_before_a_better_one_that_does_not():
    flat = solids.box((180.0, 115.0, 2.0))  # as large as the bed allows, so it can only lie
    found = printing.orient(tipped(flat), printer=PRINTERS["halot-x1"], goal="area", up_axis="z")
    assert found.candidates[0].fits
    assert RESIN.holds(tuple(np.ptp(found.mesh.vertices, axis=0)))


def test_meshes_without_faces_are_refused():
    empty = Mesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int64))
    for act in (printing.orient, printing.fit_to_printer):
        with pytest.raises(EmptyMeshError):
            act(empty, printer=RESIN)
    with pytest.raises(EmptyMeshError):
        printing.place_on_bed(empty)
    with pytest.raises(EmptyMeshError):
        printing.hollow(empty, wall_mm=1.0)
    with pytest.raises(EmptyMeshError):
        printing.fit_to_printer(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), RESIN)


def test_a_flat_sheet_can_be_laid_down():
    sheet = Mesh(np.array([[0.0, 0, 0], [10, 0, 0], [0, 0, 10]]), np.array([[0, 1, 2]]))
    assert np.ptp(printing.orient(sheet, printer=RESIN, goal="height").mesh.vertices[:, 2]) == pytest.approx(0.0)


def test_size_is_kept_scaled_down_or_set():
    small, large = solids.box((50, 60, 70)), solids.box((400, 100, 100))
    assert printing.fit_to_printer(small, RESIN).mesh is small
    fitted = printing.fit_to_printer(large, RESIN)
    assert fitted.size_mm == pytest.approx((190.0, 47.5, 47.5))  # 95 % of 200, standing
    assert fitted.factor == pytest.approx(0.475)
    assert printing.fit_to_printer(large, RESIN, turnable=False).size_mm[0] == pytest.approx(182.4)
    assert printing.fit_to_printer(small, RESIN, target_size_mm=140).size_mm == pytest.approx((100, 120, 140))


def test_an_explicit_size_beyond_the_printer_is_refused_with_the_largest():
    with pytest.raises(DoesNotFitError, match=r"190\.0") as error:
        printing.fit_to_printer(solids.box((10, 2, 2)), RESIN, target_size_mm=191)
    assert error.value.members["largest_mm"] == 190.0
    assert printing.fit_to_printer(solids.box((10, 2, 2)), RESIN, target_size_mm=190).factor == 19.0


def test_the_bed_is_below_the_middle_of_the_mesh():
    placed = printing.place_on_bed(solids.box((10, 20, 30), at=(5, 6, 7))).vertices
    assert placed.min(axis=0) == pytest.approx((-5, -10, 0))
    assert placed.max(axis=0) == pytest.approx((5, 10, 30))


def test_supports_are_the_space_below_overhangs():
    found = printing.support(table(), RESIN)
    assert found.needed
    assert found.area_mm2 == pytest.approx(1600 - 100)
    assert found.volume_mm3 == pytest.approx(1500 * 20, rel=1e-3)
    assert printing.support(table(), POWDER) == printing.Support(False, 0.0, 0.0)
    assert not printing.support(solids.box(), RESIN).needed


def test_supports_end_on_what_lies_below_them():
    shelf = moved(trimesh.creation.box((40, 10, 2)), z=31)
    wall, foot = moved(trimesh.creation.box((2, 10, 32)), -19, 0, 16), moved(trimesh.creation.box((40, 10, 10)), z=5)
    found = printing.support(solids.of(trimesh.boolean.union([shelf, wall, foot], engine="manifold")), FDM)
    assert found.area_mm2 == pytest.approx(380.0)
    assert found.volume_mm3 == pytest.approx(380.0 * 20.0, rel=1e-3)


def test_a_resin_print_is_estimated_by_hand():
    # 24 mm are 480 layers of 0.05 mm, 8 s each; 1600 * 4 + 100 * 20 mm3, and 15 % of 30000 mm3 of supports.
    assert printing.estimate(table(), RESIN, supports=True) == {
        "layers": 480,
        "estimated_print_time_hours": pytest.approx(480 * 8 / 3600),
        "estimated_resin_ml": pytest.approx(8.4 + 4.5, rel=1e-3),
        "estimated_filament_g": None,
        "supports_needed": True,
        "support_area_mm2": pytest.approx(1500.0),
    }


def test_a_filament_print_is_estimated_by_hand():
    found = printing.estimate(table(), FDM, supports=False)
    assert found["layers"] == 120
    assert found["estimated_print_time_hours"] == pytest.approx((8400 / 8 + 120 * 3) / 3600)
    assert found["estimated_filament_g"] == pytest.approx(8.4 * 1.24)
    assert found["estimated_resin_ml"] is None


def test_figures_that_cannot_be_known_are_none():
    powder = printing.estimate(table(), POWDER, supports=True)
    named = ("estimated_print_time_hours", "estimated_resin_ml", "estimated_filament_g")
    assert [powder[name] for name in named] == [None, None, None]
    whole = table()
    opened = printing.estimate(Mesh(whole.vertices, whole.faces[1:]), FDM, supports=False)
    assert [opened[name] for name in named] == [None, None, None]


@lru_cache
def hollow_cube() -> printing.Hollowed:
    return printing.hollow(solids.box((40, 40, 40)), wall_mm=2.0, grid=64)


def test_a_hollow_cube_has_the_volume_of_its_walls_less_the_drains():
    found = hollow_cube()
    assert found.outer_volume_mm3 == pytest.approx(64000.0)
    cell = 40.0 / 64  # the cavity is a tenth of a cell smaller all round, so that reducing it cannot thin the wall
    assert found.cavity_volume_mm3 == pytest.approx((36.0 - 0.2 * cell) ** 3, rel=0.002)
    drains = 2 * np.pi * 1.5**2 * 2.0
    walls = found.outer_volume_mm3 - found.cavity_volume_mm3 - drains
    assert found.volume_mm3 == pytest.approx(walls, abs=3.0)
    assert 2.0 <= found.thinnest_wall_mm <= 2.15


def test_drains_open_the_cavity_low_and_apart():
    found = hollow_cube()
    solid = solids.back(found.mesh)
    assert solid.is_watertight
    assert (solid.body_count, solid.euler_number) == (1, 0)  # two holes through the wall: genus 1
    one, two = (np.array(drain.position) for drain in found.drains)
    assert one[2] == pytest.approx(-20.0)
    assert two[2] < -7.0
    assert np.linalg.norm(one - two) > 20.0
    for drain in found.drains:
        inside = np.array(drain.position) - 1.0 * np.array(drain.direction)
        assert not solid.contains([inside])[0]  # the middle of the wall is drilled out


def test_without_drains_the_cavity_stays_closed():
    found = printing.hollow(solids.ball(20.0, 4), wall_mm=2.0, grid=48, drain_count=0)
    solid = solids.back(found.mesh)
    assert (found.drains, solid.is_watertight, solid.euler_number) == ((), True, 4)
    assert found.cavity_volume_mm3 == pytest.approx(4 / 3 * np.pi * 18.0**3, rel=0.02)
    assert found.volume_mm3 == pytest.approx(found.outer_volume_mm3 - found.cavity_volume_mm3, rel=1e-6)
    assert found.thinnest_wall_mm >= 2.0


def test_every_cavity_has_drains():
    dumbbell = trimesh.boolean.union(
        [moved(trimesh.creation.box((20, 20, 20)), -20), moved(trimesh.creation.box((20, 20, 20)), 20),
         trimesh.creation.box((40, 3, 3))], engine="manifold"
    )  # fmt: skip
    found = printing.hollow(solids.of(dumbbell), wall_mm=2.0, grid=60, drain_count=1)
    assert found.cavities == 2
    assert [drain.cavity for drain in found.drains] == [0, 1]
    assert solids.back(found.mesh).body_count == 1


def test_a_finer_grid_is_taken_for_thin_walls_and_too_thin_ones_are_refused():
    assert printing.hollow(solids.box((20, 20, 20)), wall_mm=0.5, grid=20, drain_diameter_mm=2).grid == 48
    with pytest.raises(InvalidRequestError, match="too thin"):
        printing.hollow(solids.box((200, 20, 20)), wall_mm=0.3)


def test_walls_that_leave_no_room_are_refused():
    with pytest.raises(InvalidRequestError, match="No place"):
        printing.hollow(solids.box((10, 10, 10)), wall_mm=6.0, grid=48)


def test_an_open_mesh_has_no_inside():
    whole = solids.ball(20.0)
    with pytest.raises(OpenMeshError, match="3 open"):
        printing.hollow(Mesh(whole.vertices, whole.faces[1:]), wall_mm=2.0)


def test_an_inverted_mesh_is_turned_before_it_is_hollowed():
    found = printing.hollow(solids.inside_out(solids.box((20, 20, 20))), wall_mm=2.0, grid=32, drain_count=0)
    assert found.outer_volume_mm3 == pytest.approx(8000.0)
    assert signed_volume(found.mesh.vertices, found.mesh.faces) == pytest.approx(found.volume_mm3)


def test_colours_of_vertices_stay_on_the_outside():
    ball = solids.painted(solids.ball(20.0, 3))
    found = printing.hollow(ball, wall_mm=3.0, grid=40).mesh
    known = {tuple(np.round(place, 4)): color for place, color in zip(ball.vertices, ball.vertex_colors, strict=True)}
    kept = [(known[key], color) for place, color in zip(found.vertices, found.vertex_colors, strict=True)
            if (key := tuple(np.round(place, 4))) in known]  # fmt: skip
    assert len(kept) > 600
    assert all(np.abs(before.astype(int) - after).max() <= 1 for before, after in kept)


def test_distances_to_a_surface_are_exact():
    surface = Surface(solids.box((2, 2, 2)).vertices, solids.box((2, 2, 2)).faces, 0.05)
    points = np.random.default_rng(1).uniform(-3, 3, (2000, 3))
    outside = np.linalg.norm(np.maximum(np.abs(points) - 1.0, 0.0), axis=1)
    inside = np.abs(1.0 - np.abs(points).max(axis=1))
    assert surface.distance(points) == pytest.approx(np.where(outside > 0.0, outside, inside), abs=1e-9)


def test_the_nearest_place_of_a_triangle_agrees_with_another_library():
    rng = np.random.default_rng(2)
    points, triangles = rng.normal(size=(5000, 3)), rng.normal(size=(5000, 3, 3))
    expected = trimesh.triangles.closest_point(triangles, points)
    assert closest(points, triangles) == pytest.approx(expected, abs=1e-9)
