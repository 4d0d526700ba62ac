"""Collision shapes, levels of detail and bundles."""

from __future__ import annotations

import zipfile
from io import BytesIO

import numpy as np
import pytest
import trimesh

from orfeas.errors import EmptyMeshError, InvalidRequestError, OpenMeshError
from orfeas.geometry import exports, formats
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids


def bracket() -> Mesh:
    foot, leg = trimesh.creation.box((40, 10, 5)), trimesh.creation.box((5, 10, 40))
    leg.apply_translation((-17.5, 0, 17.5))
    return solids.of(trimesh.boolean.union([foot, leg], engine="manifold"))


def total(meshes) -> float:
    return sum(solids.back(mesh).volume for mesh in meshes)


def test_a_box_holds_the_mesh_and_faces_outward():
    torus = solids.torus()
    found = solids.back(exports.box(torus))
    assert found.is_watertight
    assert found.volume == pytest.approx(2.8 * 2.8 * 0.8)
    assert found.bounds == pytest.approx(np.array([torus.vertices.min(axis=0), torus.vertices.max(axis=0)]))


def test_a_hull_is_that_of_an_independent_library():
    found = solids.back(exports.hull(bracket()))
    assert found.is_convex
    assert found.volume == pytest.approx(solids.back(bracket()).convex_hull.volume)


def test_a_round_hull_has_as_many_corners_as_engines_take():
    found = exports.hull(solids.ball(20.0, 6))
    assert 200 <= len(found.vertices) <= 255
    assert solids.back(found).volume == pytest.approx(4 / 3 * np.pi * 8000, rel=0.03)


def test_a_flat_mesh_has_a_thin_hull():
    sheet = Mesh(np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]]), np.array([[0, 1, 2]]))
    found = solids.back(exports.hull(sheet))
    assert found.is_watertight
    assert 0.0 < found.volume < 1.0


def test_a_bracket_is_cut_into_its_two_boxes():
    parts = exports.convex_parts(bracket(), max_parts=8)
    assert len(parts) <= 3
    assert all(solids.back(part).is_convex for part in parts)
    assert total(parts) == pytest.approx(solids.back(bracket()).volume, rel=1e-6)
    assert total(exports.convex_parts(bracket(), max_parts=1)) == pytest.approx(
        solids.back(exports.hull(bracket())).volume
    )


@pytest.mark.parametrize("most, share", [(2, 1.45), (8, 1.08)])
def test_parts_follow_a_ring_the_better_the_more_there_are(most, share):
    parts = exports.convex_parts(solids.torus(32, 16), max_parts=most)
    assert len(parts) == most
    assert total(parts) < share * solids.back(solids.torus(32, 16)).volume


def test_arrays_of_any_order_that_must_not_be_changed_are_taken():
    ball = solids.ball(10.0, 2)
    turned = Mesh(np.asfortranarray(ball.vertices), np.asfortranarray(ball.faces))
    turned.vertices.flags.writeable = turned.faces.flags.writeable = False  # as a stage gets them from a blob
    assert len(exports.convex_parts(turned, max_parts=4)) == 1
    made = exports.assemble(turned, collision="convex_hull", lods=[100])
    for file_format in formats.READABLE:
        assert formats.write(made, file_format) == formats.write(
            exports.assemble(ball, collision="convex_hull", lods=[100]), file_format
        )


def test_a_large_mesh_is_reduced_before_it_is_cut():
    assert len(exports.convex_parts(solids.ball(10.0, 5), max_parts=4)) == 1  # already convex


def test_convex_parts_need_a_closed_mesh():
    whole = solids.ball()
    with pytest.raises(OpenMeshError):
        exports.convex_parts(Mesh(whole.vertices, whole.faces[1:]), max_parts=4)
    with pytest.raises(EmptyMeshError):
        exports.box(Mesh(whole.vertices, whole.faces[:0]))


def test_nodes_are_named_after_their_part():
    made = exports.assemble(solids.ball(20.0, 4), name="rock", collision="convex_hull", lods=[500, 100])
    assert [part.name for part in made.parts] == ["rock", "rock_collision_1", "rock_lod_1", "rock_lod_2"]
    assert [len(made.parts[index].mesh.faces) for index in (0, 2, 3)] == [5120, 500, 100]
    assert solids.back(made.parts[3].mesh).is_watertight


def test_several_parts_have_their_own_shapes_in_their_own_places():
    place = np.eye(4)
    place[0, 3] = 50.0
    model = Assembly((Part("a", solids.ball(10.0, 3)), Part("a", solids.ball(10.0, 2), place)))
    made = exports.assemble(model, collision="box", lods=[400])
    assert [part.name for part in made.parts] == [
        "a", "a_collision_1", "a_lod_1", "a_2", "a_2_collision_1", "a_2_lod_1"
    ]  # fmt: skip
    assert np.array_equal(made.parts[4].transform, place)
    assert [len(made.parts[index].mesh.faces) for index in (2, 5)] == [320, 80]


def test_a_level_as_large_as_the_model_is_the_model():
    made = exports.assemble(solids.box(), lods=[100, 12])
    assert [len(part.mesh.faces) for part in made.parts] == [12, 12, 12]
    assert len(exports.assemble(solids.box()).parts) == 1


@pytest.mark.parametrize("lods", [[100, 200], [100, 100], [3]])
def test_levels_that_do_not_fall_are_refused(lods):
    with pytest.raises(InvalidRequestError, match="fall"):
        exports.assemble(solids.box(), lods=lods)


def test_convex_parts_are_numbered():
    made = exports.assemble(bracket(), collision="convex_parts", max_parts=3)
    names = [part.name for part in made.parts]
    assert names == ["model", *(f"model_collision_{number}" for number in range(1, len(names)))]
    assert len(names) >= 3


def test_a_bundle_holds_one_file_or_one_for_each_surface_with_fixed_dates():
    made = exports.assemble(solids.ball(20.0, 3), collision="box", lods=[100])
    for file_format, names in (
        ("glb", ["model.glb"]),
        ("stl", ["model.stl", "model_collision_1.stl", "model_lod_1.stl"]),
        ("obj", ["model.obj"]),
    ):
        data = exports.bundle(made, file_format)
        assert data == exports.bundle(made, file_format)
        with zipfile.ZipFile(BytesIO(data)) as archive:
            assert archive.namelist() == names
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            inner = archive.read(names[-1])
        if file_format == "stl":
            assert len(formats.read(inner, "stl").faces) == 100


def test_a_bundle_of_a_packed_obj_is_not_packed_twice():
    textured = Assembly((Part("model", solids.textured(solids.ball())),))
    with zipfile.ZipFile(BytesIO(exports.bundle(textured, "obj"))) as archive:
        assert archive.namelist() == ["model.obj", "model.mtl", "model.png"]


def test_a_reader_of_gltf_finds_the_nodes():
    made = exports.assemble(solids.ball(20.0, 3), name="rock", collision="box", lods=[100])
    scene = trimesh.load_scene(BytesIO(formats.write(made, "glb", name="rocks")), file_type="glb")
    assert {"rock", "rock_collision_1", "rock_lod_1"} <= set(scene.graph.nodes)
