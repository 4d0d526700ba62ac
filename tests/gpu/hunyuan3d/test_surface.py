"""The mesh of a volume: recorded meshes, exact coordinates, closed surfaces, and volumes without a surface."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

import trimesh  # noqa: E402

from orfeas.errors import EmptySurfaceError  # noqa: E402
from orfeas.gpu.hunyuan3d.grid import Grid, corners, sample_axes  # noqa: E402
from orfeas.gpu.hunyuan3d.surface import extract, index_surface, reference_mapping  # noqa: E402
from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402


def sampled(field, resolution, bounds=1.01):
    """A grid of an analytic field."""
    box = corners(bounds)
    axes = sample_axes(box, resolution, torch.device("cpu"))
    values = field(*torch.meshgrid(axes.x, axes.y, axes.z, indexing="ij"))
    return Grid(values, torch.ones_like(values, dtype=torch.bool), box, resolution)


def ball(radius, centre=(0.0, 0.0, 0.0)):
    """A field that is positive inside a ball."""
    return lambda x, y, z: (
        radius - ((x - centre[0]).square() + (y - centre[1]).square() + (z - centre[2]).square()).sqrt()
    )


@pytest.mark.parametrize("name", ["base", "turbovae", "v21"])
def test_vertices_and_faces_are_the_recorded_ones(name):
    mesh, values = vectors(f"{name}_mesh64"), vectors(f"{name}_vanilla64")["grid"][0].numpy()
    vertices, faces = index_surface(values, 0.0)
    positions = reference_mapping(vertices, 64)
    np.testing.assert_allclose(positions, mesh["raw_v"].numpy(), atol=1e-4)
    np.testing.assert_array_equal(faces, mesh["raw_f"].numpy())


@pytest.mark.parametrize("name", ["turbo", "mv"])
def test_a_small_grid_has_the_recorded_mesh(name):
    recorded = vectors(f"{name}_vae")
    vertices, faces = index_surface(recorded["vanilla32"][0].numpy(), 0.0)
    np.testing.assert_allclose(reference_mapping(vertices, 32), recorded["raw_v"].numpy(), atol=1e-4)
    np.testing.assert_array_equal(faces, recorded["raw_f"].numpy())


@pytest.mark.parametrize("name", ["base", "turbovae", "v21"])
def test_another_level_has_the_recorded_counts_and_extent(name):
    mesh, values = vectors(f"{name}_mesh64"), vectors(f"{name}_vanilla64")["grid"][0].numpy()
    vertices, faces = index_surface(values, -1 / 512)
    assert (len(vertices), len(faces)) == (mesh["level_v_count"], mesh["level_f_count"])
    positions = reference_mapping(vertices, 64)
    np.testing.assert_allclose(positions.min(axis=0), mesh["level_v_min"].numpy(), atol=1e-4)
    np.testing.assert_allclose(positions.max(axis=0), mesh["level_v_max"].numpy(), atol=1e-4)


def test_faces_are_outward_and_the_volume_is_the_shape_s():
    values = vectors("base_vanilla64")["grid"][0]
    grid = Grid(values, torch.ones_like(values, dtype=torch.bool), corners(1.01), 64)
    mesh = trimesh.Trimesh(*extract(grid), process=False)
    assert mesh.is_watertight
    # The recorded mesh is 64/65 of the true size.
    assert mesh.volume == pytest.approx(vectors("base_mesh64")["tm_volume"] * (65 / 64) ** 3, rel=1e-4)


@pytest.mark.parametrize("resolution", [24, 31, 64])
def test_positions_do_not_depend_on_the_resolution(resolution):
    vertices, _ = extract(sampled(ball(0.5, (0.2, -0.1, 0.3)), resolution))
    distances = np.linalg.norm(vertices - np.array([0.2, -0.1, 0.3]), axis=1)
    assert abs(distances - 0.5).max() < 0.05 * 2.02 / resolution


def test_an_oblong_box_does_not_stretch_the_shape():
    grid = sampled(ball(0.4, (0.5, 0.0, 0.0)), 40, bounds=(-0.2, -0.6, -0.5, 1.2, 0.6, 0.5))
    vertices, faces = extract(grid)
    assert abs(np.linalg.norm(vertices - np.array([0.5, 0, 0]), axis=1) - 0.4).max() < 0.003
    assert trimesh.Trimesh(vertices, faces, process=False).volume == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.01)


def test_a_shape_that_reaches_the_box_is_closed_there():
    mesh = trimesh.Trimesh(*extract(sampled(lambda x, y, z: 0.5 - z + 0 * x * y, 16)), process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(2.02 * 2.02 * 1.51, rel=1e-4)
    np.testing.assert_allclose(mesh.bounds, [[-1.01] * 3, [1.01, 1.01, 0.5]], atol=1e-5)
    assert mesh.area_faces.min() > 0


@pytest.mark.parametrize("value, side", [(1.0, "inside"), (-1.0, "outside")])
def test_a_volume_without_a_crossing_is_an_empty_surface(value, side):
    with pytest.raises(EmptySurfaceError, match=f"{side} the shape.*Try another seed"):
        extract(sampled(lambda x, y, z: torch.full_like(x, value), 8))


def test_unknown_values_leave_no_vertices_that_are_not_numbers():
    grid = sampled(ball(0.5), 24)
    grid.values[grid.values.abs() > 0.2] = torch.nan
    vertices, faces = extract(grid)
    assert np.isfinite(vertices).all()
    assert set(faces.flatten()) == set(range(len(vertices)))
    assert abs(np.linalg.norm(vertices, axis=1) - 0.5).max() < 0.01


@pytest.mark.parametrize("bounds", [(1, 2, 3), (0, 0, 0, 1, 0, 1), -1.0])
def test_bounds_without_extent_are_refused(bounds):
    with pytest.raises(ValueError, match="bounds"):
        corners(bounds)
