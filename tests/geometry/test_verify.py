"""Measures agree with trimesh, manifold3d and arithmetic."""

from __future__ import annotations

import json
import math

import manifold3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orfeas.errors import ResultInvalidError
from orfeas.geometry import formats, manifoldness, verify
from orfeas.geometry.manifoldness import topology
from orfeas.geometry.measures import surface_area, winding_number
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids

CLOSED = {
    "box": (solids.box((20.0, 40.0, 10.0)), 0, 1),
    "ball": (solids.ball(25.0, 4), 0, 1),
    "torus": (solids.torus(), 1, 1),
    "two": (solids.together(solids.torus(), solids.ball(at=(4.0, 0.0, 0.0))), 1, 2),
    "hollow": (solids.together(solids.ball(10.0), solids.inside_out(solids.ball(5.0))), 0, 2),
}


@pytest.mark.parametrize("file_format", formats.WRITABLE)
@pytest.mark.parametrize("name", CLOSED)
def test_closed_solids_measure_as_trimesh_and_manifold_say(name, file_format):
    mesh, genus, bodies = CLOSED[name]
    data = formats.write(mesh, file_format)
    found = verify.measure(data, file_format)
    independent = solids.back(mesh)
    assert found["is_watertight"]
    assert found["is_manifold"]
    assert found["is_oriented"]
    assert (found["genus"], found["body_count"]) == (genus, bodies)
    assert found["euler_number"] == independent.euler_number
    assert (found["face_count"], found["vertex_count"]) == (len(mesh.faces), len(mesh.vertices))
    assert found["volume_mm3"] == pytest.approx(independent.volume, rel=1e-5)
    assert found["surface_area_mm2"] == pytest.approx(independent.area, rel=1e-5)
    assert found["extents_mm"] == pytest.approx(independent.extents.tolist(), rel=1e-5)
    assert np.array(found["bounds"]) == pytest.approx(independent.bounds, abs=1e-4)
    assert found["size_bytes"] == len(data)
    assert json.loads(json.dumps(found)) == found
    solid = manifold3d.Manifold(manifold3d.Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32)))
    assert solid.status() == manifold3d.Error.NoError
    assert found["volume_mm3"] == pytest.approx(solid.volume(), rel=1e-5)
    assert found["genus"] == sum(part.genus() for part in solid.decompose())


def test_a_box_is_measured_exactly():
    found = verify.measure(formats.write(solids.box((20.0, 40.0, 10.0)), "glb"), "glb")
    assert found["volume_mm3"] == pytest.approx(8000.0, rel=1e-9)
    assert found["surface_area_mm2"] == pytest.approx(2800.0, rel=1e-9)
    assert found["bounds"] == [[-10.0, -20.0, -5.0], [10.0, 20.0, 5.0]]
    assert (found["edge_count"], found["vertex_count"], found["face_count"]) == (18, 8, 12)


@pytest.mark.parametrize("file_format", formats.WRITABLE)
def test_extents_are_given_with_y_up(file_format):
    data = formats.write(solids.box((20.0, 40.0, 10.0)), file_format, up_axis="z")
    assert verify.measure(data, file_format, up_axis="z")["extents_mm"] == pytest.approx([20.0, 40.0, 10.0])
    assert verify.measure(data, file_format, up_axis="y")["extents_mm"] == pytest.approx([20.0, 10.0, 40.0])


def measured(mesh: Mesh) -> dict:
    return verify.measure(formats.write(mesh, "stl"), "stl")


def test_a_missing_face_opens_the_surface():
    ball = solids.ball()
    found = measured(Mesh(ball.vertices, ball.faces[1:]))
    assert (found["is_watertight"], found["is_manifold"], found["boundary_edges"]) == (False, True, 3)
    assert (found["volume_mm3"], found["genus"]) == (None, None)
    assert found["surface_area_mm2"] < surface_area(ball.vertices, ball.faces)


def test_a_flipped_face_is_not_watertight():
    box = solids.box()
    faces = box.faces.copy()
    faces[0] = faces[0][::-1]
    found = measured(Mesh(box.vertices, faces))
    assert (found["is_watertight"], found["is_oriented"], found["is_manifold"]) == (False, False, True)


def test_boxes_that_share_an_edge_are_not_manifold():
    found = measured(solids.together(solids.box(), solids.box(at=(1.0, 1.0, 0.0))))
    assert (found["is_watertight"], found["is_manifold"], found["non_manifold_edges"]) == (False, False, 1)


def test_boxes_that_share_a_corner_are_watertight_but_not_manifold():
    found = measured(solids.together(solids.box(), solids.box(at=(1.0, 1.0, 1.0))))
    assert (found["is_watertight"], found["is_manifold"], found["body_count"]) == (True, False, 2)
    assert (found["vertex_count"], found["genus"]) == (15, 0)


def test_two_open_fans_at_a_vertex_are_not_manifold():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=np.float64)
    found = topology(np.array([[0, 1, 2], [0, 3, 4]]))
    assert (found.is_manifold, found.boundary_edges, found.body_count) == (False, 6, 2)
    assert measured(Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]])))["is_manifold"]


def test_an_inside_out_surface_has_negative_volume():
    assert measured(solids.inside_out(solids.box()))["volume_mm3"] == pytest.approx(-1.0)


def test_faces_without_area_are_counted_and_do_not_open_the_surface():
    box = solids.box()
    found = measured(Mesh(box.vertices, np.concatenate([box.faces, [[0, 0, 1]]])))
    assert (found["face_count"], found["degenerate_faces"], found["is_watertight"]) == (13, 1, True)


@pytest.mark.parametrize("file_format", formats.WRITABLE)
def test_a_file_that_cannot_be_loaded_is_an_invalid_result(file_format):
    with pytest.raises(ResultInvalidError, match=f"written {file_format} file"):
        verify.measure(b"nothing of the kind", file_format)


def test_the_winding_number_tells_inside_from_outside():
    ball = solids.ball(2.0)
    assert winding_number(np.array([0.3, -0.2, 1.0]), ball.vertices, ball.faces) == pytest.approx(1.0)
    assert winding_number(np.array([0.0, 3.0, 0.0]), ball.vertices, ball.faces) == pytest.approx(0.0, abs=1e-9)
    assert winding_number(np.zeros(3), ball.vertices, ball.faces[:, ::-1]) == pytest.approx(-1.0)


def test_a_fine_ball_approaches_the_formulas():
    found = verify.measure(formats.write(solids.ball(25.0, 5), "ply"), "ply")
    assert found["volume_mm3"] == pytest.approx(4.0 / 3.0 * math.pi * 25.0**3, rel=2e-3)
    assert found["surface_area_mm2"] == pytest.approx(4.0 * math.pi * 25.0**2, rel=2e-3)


@given(
    parts=st.lists(st.sampled_from([*CLOSED]), min_size=1, max_size=3),
    spoil=st.sets(st.sampled_from(["hole", "flip", "fin", "bow", "copy", "unused"]), max_size=2),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_short_way_to_the_topology_of_a_closed_surface_agrees_with_the_long_one(parts, spoil, seed):
    rng = np.random.default_rng(seed)
    faces = solids.together(*(CLOSED[name][0] for name in parts)).faces
    faces = rng.permutation(faces[:, [1, 2, 0]], axis=0)
    one, two = faces[0], faces[-1]
    if "hole" in spoil:
        faces = faces[1:]
    if "flip" in spoil:
        faces = np.concatenate([faces[:1, ::-1], faces[1:]])
    if "fin" in spoil:
        faces = np.concatenate([faces, [[one[0], one[1], faces.max() + 1]]])
    if "bow" in spoil and not set(one) & set(two):
        faces = np.where(faces == one[0], two[0], faces)
    if "copy" in spoil:
        faces = np.concatenate([faces, faces[:1]])
    if "unused" in spoil:
        faces = faces + rng.integers(1, 5)
    short, long = manifoldness._of_closed(faces), manifoldness._of_any(faces)
    assert topology(faces) == long
    assert short in (None, long)
    if not spoil - {"unused"}:
        assert short is not None
