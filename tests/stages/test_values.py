"""What stages hand over survives its bytes."""

import numpy as np
import pytest

import orfeas.stages.all
from orfeas.domain.presets import MATERIALS
from orfeas.geometry.assembly import Assembly, Part, as_assembly, as_mesh, assembled
from orfeas.geometry.mesh import Mesh
from orfeas.stages.values import decode, encode
from tests.stages import fixed

assert orfeas.stages.all.MODULES


def moved_by(x):
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix


def test_an_assembly_is_equal_after_its_bytes():
    model = Assembly(
        (Part("ball", fixed.ball(), moved_by(5.0), MATERIALS["wood"]), Part("painted", fixed.textured_ball()))
    )
    again = decode(encode(model))
    assert [part.name for part in again.parts] == ["ball", "painted"]
    assert again.parts[0].material == MATERIALS["wood"]
    assert again.parts[1].material is None
    np.testing.assert_array_equal(again.parts[0].transform, moved_by(5.0))
    np.testing.assert_array_equal(again.parts[1].mesh.texture, fixed.textured_ball().texture)
    assert not again.parts[0].mesh.vertices.flags.writeable
    assert encode(again) == encode(model)


def test_a_value_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="not a value"):
        encode({"a": 1})


def test_merged_parts_stand_in_their_places_with_their_colours():
    ball = fixed.ball()
    mesh = Assembly((Part("a", ball, material=MATERIALS["metal"]), Part("b", ball, moved_by(100.0)))).merged()
    assert len(mesh.vertices) == 2 * len(ball.vertices)
    np.testing.assert_allclose(mesh.vertices[len(ball.vertices) :, 0], ball.vertices[:, 0] + 100.0)
    assert mesh.vertex_colors is not None
    assert tuple(mesh.vertex_colors[0, :3]) != tuple(mesh.vertex_colors[-1, :3])


def test_a_mirrored_part_keeps_facing_outward():
    matrix = np.diag([-1.0, 1.0, 1.0, 1.0])
    ball = fixed.ball()
    placed = Part("a", ball, matrix).placed
    np.testing.assert_array_equal(placed.faces, ball.faces[:, ::-1])


def test_a_single_plain_part_is_a_mesh():
    ball = fixed.ball()
    assert assembled([Part("a", ball)]) is ball
    assert isinstance(assembled([Part("a", ball, moved_by(1.0))]), Assembly)
    assert isinstance(as_mesh(as_assembly(ball)), Mesh)
