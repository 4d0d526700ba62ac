"""Sizes and axes."""

from __future__ import annotations

import numpy as np
import pytest

from orfeas.errors import EmptyMeshError
from orfeas.geometry import scale
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids

BOX = solids.box((2.0, 4.0, 1.0), at=(7.0, -3.0, 5.0))


def extents(mesh: Mesh) -> list[float]:
    return np.ptp(mesh.vertices, axis=0).tolist()


def test_without_dimensions_the_longest_side_is_100_mm():
    assert extents(scale.fit(BOX, dimensions_mm=None)) == pytest.approx([50.0, 100.0, 25.0])


def test_without_dimensions_stretch_keeps_proportions():
    assert extents(scale.fit(BOX, dimensions_mm=None, fit="stretch")) == pytest.approx([50.0, 100.0, 25.0])


def test_inside_fills_the_box_on_the_tightest_axis():
    assert extents(scale.fit(BOX, dimensions_mm=(30.0, 30.0, 30.0))) == pytest.approx([15.0, 30.0, 7.5])
    assert extents(scale.fit(BOX, dimensions_mm=(10.0, 80.0, 30.0))) == pytest.approx([10.0, 20.0, 5.0])


def test_stretch_fills_the_box():
    stretched = scale.fit(BOX, dimensions_mm=(30.0, 20.0, 10.0), fit="stretch")
    assert extents(stretched) == pytest.approx([30.0, 20.0, 10.0])
    assert signed_volume(stretched.vertices, stretched.faces) == pytest.approx(6000.0)


def test_it_stands_on_the_ground_in_the_middle():
    placed = scale.fit(BOX, dimensions_mm=None)
    assert placed.vertices.min(axis=0) == pytest.approx([-25.0, 0.0, -12.5])
    assert placed.vertices.max(axis=0) == pytest.approx([25.0, 100.0, 12.5])


def test_vertices_without_faces_do_not_count():
    stray = Mesh(np.concatenate([BOX.vertices, [[900.0, 900.0, 900.0]]]), BOX.faces)
    assert extents(Mesh(scale.fit(stray, dimensions_mm=None).vertices[:8], BOX.faces)) == pytest.approx([50, 100, 25])


def test_a_flat_mesh_keeps_its_flat_axis():
    flat = BOX.moved(BOX.vertices * [1.0, 1.0, 0.0])
    assert extents(scale.fit(flat, dimensions_mm=(30.0, 20.0, 10.0), fit="stretch")) == pytest.approx([30.0, 20.0, 0.0])


def test_a_point_has_no_size():
    with pytest.raises(EmptyMeshError):
        scale.fit(BOX.moved(BOX.vertices * 0.0), dimensions_mm=None)


def test_z_up_is_a_rotation_that_puts_height_on_z():
    turned = scale.turn(BOX, "z")
    assert extents(turned) == pytest.approx([2.0, 1.0, 4.0])
    assert signed_volume(turned.vertices, turned.faces) == pytest.approx(8.0)
    assert scale.turn(BOX, "y") is BOX
    # The front, towards +z with y up, looks towards -y on a printer's bed.
    assert scale.z_up(np.array([[0.0, 0.0, 1.0]])).tolist() == [[0.0, -1.0, 0.0]]
    assert scale.turn_back(turned, "z").vertices == pytest.approx(BOX.vertices)
