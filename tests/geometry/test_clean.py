"""Cleaning keeps the surface and mends its description."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import marching_cubes

from orfeas.errors import EmptyMeshError
from orfeas.geometry.clean import clean
from orfeas.geometry.manifoldness import topology
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids


def volume(mesh: Mesh) -> float:
    return signed_volume(mesh.vertices, mesh.faces)


def stored(mesh: Mesh):
    """Topology of the mesh as a file in single precision would hold it."""
    return topology(np.array(solids.back(mesh).faces))


def test_a_clean_mesh_stays_as_it_is():
    ball = solids.ball()
    cleaned = clean(ball)
    assert np.array_equal(cleaned.vertices, ball.vertices)
    assert np.array_equal(cleaned.faces, ball.faces)


def test_a_soup_of_triangles_is_welded_into_a_closed_surface():
    cleaned = clean(solids.soup(solids.torus()))
    assert len(cleaned.vertices) == len(solids.torus().vertices)
    assert topology(cleaned.faces).is_watertight
    assert topology(cleaned.faces).genus == 1


@pytest.mark.parametrize("mesh", [solids.box(), solids.torus(), solids.soup(solids.ball())])
def test_a_surface_inside_out_is_turned(mesh):
    assert volume(clean(solids.inside_out(mesh))) == pytest.approx(volume(clean(mesh)), rel=1e-9)
    assert volume(clean(mesh)) > 0.0


def test_faces_wound_at_random_are_wound_alike():
    ball = solids.ball()
    faces = ball.faces.copy()
    turned = np.random.default_rng(0).random(len(faces)) < 0.4
    faces[turned] = faces[turned][:, ::-1]
    cleaned = clean(Mesh(ball.vertices, faces))
    assert topology(cleaned.faces).is_watertight
    assert volume(cleaned) == pytest.approx(volume(ball))


def test_a_cavity_faces_inward_however_it_was_wound():
    outer, inner = solids.ball(2.0), solids.ball(1.0)
    expected = volume(outer) - volume(inner)
    assert volume(clean(solids.together(outer, solids.inside_out(inner)))) == pytest.approx(expected)
    assert volume(clean(solids.together(solids.inside_out(outer), inner))) == pytest.approx(expected)


def test_a_body_beside_another_is_turned_alone():
    pair = solids.together(solids.box(), solids.inside_out(solids.box(at=(3.0, 0.0, 0.0))))
    assert volume(clean(pair)) == pytest.approx(2.0)


def test_duplicate_and_empty_faces_go_without_opening_the_surface():
    box = solids.box()
    extra = np.array([box.faces[0], box.faces[3], box.faces[3][::-1], [0, 0, 1], [2, 2, 2]])
    cleaned = clean(Mesh(box.vertices, np.concatenate([box.faces, extra])))
    assert len(cleaned.faces) == 12
    assert topology(cleaned.faces).is_watertight


@pytest.mark.parametrize("offset", [(1.0, 1.0, 0.0), (1.0, 1.0, 1.0)], ids=["edge", "corner"])
@pytest.mark.parametrize("form", [lambda mesh: mesh, solids.soup], ids=["indexed", "soup"])
def test_boxes_that_touch_are_moved_apart(offset, form):
    cleaned = clean(form(solids.together(solids.box(), solids.box(at=offset))))
    found = stored(cleaned)
    assert (found.is_watertight, found.is_manifold, found.body_count) == (True, True, 2)
    assert volume(cleaned) == pytest.approx(2.0, rel=1e-4)


def test_edges_without_length_from_marching_cubes_are_collapsed():
    field = np.abs(np.mgrid[-12:13, -12:13, -12:13]).sum(axis=0) - 8.0  # the level passes through grid points
    vertices, faces, _, _ = marching_cubes(field, 0.0, method="lorensen")
    cleaned = clean(Mesh(vertices.astype(np.float64), faces.astype(np.int64)))
    found = stored(cleaned)
    assert (found.is_watertight, found.is_manifold, found.body_count) == (True, True, 1)
    assert volume(cleaned) == pytest.approx(8.0**3 * 4.0 / 3.0, rel=1e-5)  # an octahedron


def test_floaters_stay_unless_asked():
    crumbs = solids.together(solids.ball(1.0), solids.ball(0.05, 1, at=(2.0, 0.0, 0.0)))
    assert topology(clean(crumbs).faces).body_count == 2
    assert topology(clean(crumbs, floaters_below=0.005).faces).body_count == 1


def test_colours_follow_their_vertices_and_coordinates_their_faces():
    coloured = solids.painted(solids.box((1.0, 2.0, 3.0)))
    doubled = Mesh(
        np.concatenate([coloured.vertices, [[9.0, 9.0, 9.0]]]),
        np.concatenate([[[8, 8, 0]], coloured.faces[:, ::-1]]),
        vertex_colors=np.concatenate([coloured.vertex_colors, [[1, 2, 3, 4]]]).astype(np.uint8),
    )
    cleaned = clean(doubled)
    again = solids.painted(Mesh(cleaned.vertices, cleaned.faces))
    assert np.array_equal(cleaned.vertex_colors, again.vertex_colors)
    laid = solids.textured(solids.box())
    turned = clean(Mesh(laid.vertices, laid.faces[:, ::-1], laid.corner_uv[:, ::-1], laid.texture))
    assert np.allclose(turned.corner_uv, solids.textured(Mesh(turned.vertices, turned.faces)).corner_uv)


def test_positions_that_are_not_finite_are_dropped_with_their_faces():
    ball = solids.ball()
    vertices = np.concatenate([ball.vertices, [[np.nan, 0.0, 0.0]]])
    cleaned = clean(Mesh(vertices, np.concatenate([ball.faces, [[0, 1, len(ball.vertices)]]])))
    assert topology(cleaned.faces).is_watertight


def test_nothing_left_is_an_error():
    with pytest.raises(EmptyMeshError):
        clean(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))
