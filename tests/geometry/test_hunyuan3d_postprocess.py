"""Our clean-up of a generated mesh keeps the components and reaches the counts that the published program does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from orfeas.geometry.clean import clean
from orfeas.geometry.manifoldness import bodies, topology
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.simplify import simplify

FLOATERS_BELOW = 0.005
"""The published share, there of the faces of the largest component and here of its volume."""


@pytest.fixture(scope="module")
def recorded():
    """The arrays of one recorded run."""
    path = Path(__file__).parents[1] / "data" / "hunyuan3d" / "vectors" / "base_postprocess.npz"
    with np.load(path) as stored:
        return {key: stored[key] for key in stored.files}


def mesh(recorded, name):
    """One of the recorded meshes."""
    return Mesh(recorded[f"{name}_v"].astype(np.float64), recorded[f"{name}_f"].astype(np.int64))


def points_on(surface, count):
    """Points spread over a mesh."""
    return trimesh.sample.sample_surface(
        trimesh.Trimesh(surface.vertices, surface.faces, process=False), count, seed=1
    )[0]


def distance(one, other):
    """The largest distance from either surface to the other, to the spacing of the points."""
    return max(
        cKDTree(points_on(b, 300_000)).query(points_on(a, 5_000))[0].max() for a, b in ((one, other), (other, one))
    )


def in_order(vertices):
    """Vertices sorted by position."""
    return vertices[np.lexsort(vertices.T)]


def test_the_same_components_are_kept(recorded):
    cleaned = clean(mesh(recorded, "in"), floaters_below=FLOATERS_BELOW)
    count, body = bodies(cleaned.faces)
    assert sorted(np.bincount(body, minlength=count)) == sorted(recorded["in_parts"])[1:]
    expected = mesh(recorded, "floater")
    assert len(cleaned.faces) == len(expected.faces)
    np.testing.assert_allclose(in_order(cleaned.vertices), in_order(expected.vertices), atol=1e-6)


def test_a_clean_mesh_has_no_degenerate_faces_to_lose(recorded):
    expected = mesh(recorded, "degen")
    cleaned = clean(mesh(recorded, "floater"))
    assert (len(cleaned.vertices), len(cleaned.faces)) == (len(expected.vertices), len(expected.faces))


def test_a_reduced_mesh_has_the_published_count_and_is_as_near(recorded):
    original, expected = mesh(recorded, "floater"), mesh(recorded, "reduced")
    reduced = simplify(original, 1000, exact=False)
    assert 0.99 * len(expected.faces) <= len(reduced.faces) <= 1000
    assert distance(reduced, original) < 0.02
    assert distance(reduced, expected) < 0.02
    found = topology(reduced.faces)
    assert found.is_watertight
    assert found.body_count == 2


def test_the_whole_chain_from_the_raw_mesh_is_closed(recorded):
    raw = mesh(recorded, "e2e")
    cleaned = clean(raw, floaters_below=FLOATERS_BELOW)
    assert len(cleaned.faces) == len(raw.faces)
    found = topology(simplify(cleaned, 2000, exact=True).faces)
    assert found.is_watertight
    assert found.is_manifold
