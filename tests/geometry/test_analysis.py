"""What the analysis finds, against solids of known measures, brute force and an independent library."""

from __future__ import annotations

import itertools
import json
import os
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from orfeas.domain.presets import PRINTERS
from orfeas.errors import CapabilityMissingError, EmptyMeshError
from orfeas.geometry.analysis import analyze, boxes, scores, walls
from orfeas.geometry.analysis.crossings import crossings
from orfeas.geometry.analysis.predicates import orient2d, orient3d
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids

EXAMPLES = 400 if os.environ.get("TEST_SCALE") == "full" else 25
PRINTER = PRINTERS["halot-x1"]
Point = tuple[Fraction, ...]


def analysis(mesh: Mesh, **more: Any) -> dict[str, Any]:
    """For the default printer, as it stands in an answer."""
    found = analyze(mesh, **{"printer": PRINTER, **more})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def codes(found: dict[str, Any]) -> dict[str, int]:
    """The problems by their counts."""
    return {problem["code"]: problem["count"] for problem in found["printability"]["problems"]}


def test_a_box_has_its_measures_and_nothing_wrong() -> None:
    found = analysis(solids.box((20.0, 30.0, 40.0), at=(5.0, 6.0, 7.0)))
    assert found["volume"] == pytest.approx(24_000.0)
    assert found["surface_area"] == pytest.approx(5_200.0)
    assert found["center_of_mass"] == pytest.approx([5.0, 6.0, 7.0])
    assert found["bounding_box"] == {"min": [-5.0, -9.0, -13.0], "max": [15.0, 21.0, 27.0], "size": [20.0, 30.0, 40.0]}
    assert (found["vertex_count"], found["edge_count"], found["face_count"], found["genus"]) == (8, 18, 12, 0)
    assert found["wall_thickness"]["min_mm"] == pytest.approx(20.0, rel=1e-4)
    assert found["overhang_area"] == 0.0  # it stands on the bed
    assert (found["quality_score"], found["printability_score"]) == (100.0, 100.0)
    assert found["printability"] == {"status": "healthy", "problems": []}
    assert found["recommended_actions"] == []


def test_a_ball_is_as_thick_as_its_diameter() -> None:
    found = analysis(solids.ball(25.0, 5))
    assert found["volume"] == pytest.approx(4.0 / 3.0 * np.pi * 25.0**3, rel=0.002)
    assert found["surface_area"] == pytest.approx(4.0 * np.pi * 25.0**2, rel=0.002)
    assert found["wall_thickness"]["median_mm"] == pytest.approx(50.0, rel=0.002)
    # A zone of a sphere has the area of its height: steeper than 45 degrees is that below -r / sqrt 2.
    assert found["overhang_share"] == pytest.approx((1.0 - np.sqrt(0.5)) / 2.0, rel=0.03)


def test_a_torus_has_a_handle_and_the_thickness_of_its_tube() -> None:
    torus = solids.torus(128, 64)
    found = analysis(torus.moved(torus.vertices * 20.0))
    assert found["genus"] == 1
    assert found["volume"] == pytest.approx(2.0 * np.pi**2 * 20.0 * 8.0**2, rel=0.005)
    assert found["surface_area"] == pytest.approx(4.0 * np.pi**2 * 20.0 * 8.0, rel=0.005)
    assert found["wall_thickness"]["median_mm"] == pytest.approx(16.0, rel=0.01)


@pytest.mark.parametrize("wall, thin", [(2.0, False), (0.5, True)])
def test_a_hollow_box_has_the_thickness_of_its_wall(wall: float, thin: bool) -> None:
    inner = solids.inside_out(solids.box((30.0 - 2 * wall,) * 3))
    found = analysis(solids.together(solids.box((30.0,) * 3), inner))
    assert found["volume"] == pytest.approx(30.0**3 - (30.0 - 2 * wall) ** 3)
    assert found["wall_thickness"]["min_mm"] == pytest.approx(wall, rel=0.001)
    assert (found["body_count"], found["inverted_faces"], found["self_intersections"]) == (2, 0, 0)
    assert ("thin_walls" in codes(found)) is thin
    assert found["printability_score"] == (90.0 if thin else 100.0)


def test_up_decides_what_overhangs_and_what_fits() -> None:
    table = solids.together(solids.box((40.0, 4.0, 40.0), at=(0, 20, 0)), solids.box((8.0, 40.0, 8.0)))
    standing, lying = analysis(table, up_axis="y"), analysis(table, up_axis="z")
    assert standing["overhang_area"] == pytest.approx(1600.0)
    assert lying["overhang_area"] != standing["overhang_area"]
    tall = solids.box((100.0, 180.0, 100.0))
    assert "too_large" not in codes(analysis(tall, up_axis="y"))
    assert codes(analysis(tall, up_axis="z")) == {"too_large": 1}
    assert analysis(tall, up_axis="z")["printability_score"] == 80.0


def test_each_defect_is_counted_and_placed() -> None:
    ball = solids.ball(30.0, 3)
    faces = ball.faces.copy()
    faces[100] = faces[100, ::-1]
    extra = np.concatenate([faces[2:], faces[10:11], faces[20:21, [0, 0, 1]]])
    found = analysis(Mesh(ball.vertices, extra))
    assert (found["duplicate_faces"], found["degenerate_faces"], found["inverted_faces"]) == (1, 1, 1)
    assert found["non_manifold_edges"] == 3  # of the face that is there twice
    assert found["printability"]["status"] == "error"
    for problem in found["printability"]["problems"]:
        assert problem["detail"].endswith(".")
        assert 0 < len(problem["points"]) <= 500
        radius = np.linalg.norm(problem["points"], axis=1)
        assert ((radius > 29.0) & (radius < 30.01)).all()
    assert found["recommended_actions"]


def test_holes_are_loops_even_where_two_touch() -> None:
    grid = trimesh.creation.icosphere(3)
    corner = int(grid.faces[0, 0])
    around = np.flatnonzero((grid.faces == corner).any(axis=1))
    across = [around[0], next(f for f in around if len(set(grid.faces[f]) & set(grid.faces[around[0]])) == 1)]
    mesh = solids.of(grid)
    found = analysis(Mesh(mesh.vertices, np.delete(mesh.faces, across, axis=0)))
    assert found["holes_count"] == 2
    assert found["boundary_edges"] == 6
    assert not found["is_manifold"]  # fans are apart in the corner where the holes touch


def test_a_ball_inside_out_is_told_from_a_cavity() -> None:
    ball = solids.inside_out(solids.ball(20.0, 3))
    assert analysis(ball)["inverted_faces"] == len(ball.faces)
    opened = Mesh(ball.vertices, ball.faces[1:])
    assert analysis(opened)["inverted_faces"] == len(ball.faces) - 1
    patched = ball.faces.copy()
    patched[:200] = patched[:200, ::-1]
    assert analysis(Mesh(ball.vertices, patched))["inverted_faces"] == len(ball.faces) - 200


def test_many_points_are_thinned_evenly() -> None:
    found = analysis(Mesh(*_flat_grid(40)))
    holes = next(problem for problem in found["printability"]["problems"] if problem["code"] == "holes")
    assert found["holes_count"] == 1
    assert len(holes["points"]) == 160
    soup = solids.soup(solids.ball(10.0, 4))
    cracked = Mesh(
        soup.vertices + np.repeat(np.random.default_rng(0).normal(0, 1, (len(soup.faces), 3)), 3, 0), soup.faces
    )
    assert all(len(problem["points"]) <= 500 for problem in analysis(cracked)["printability"]["problems"])


def _flat_grid(side: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x, y = np.mgrid[0 : side + 1, 0 : side + 1].astype(float)
    a = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).ravel()
    faces = np.concatenate([np.stack([a, a + side + 1, a + 1], 1), np.stack([a + 1, a + side + 1, a + side + 2], 1)])
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1), faces


def test_a_mesh_of_nothing_but_empty_faces_is_analysed() -> None:
    found = analysis(Mesh(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0, 0, 1], [1, 1, 0]])))
    assert (found["degenerate_faces"], found["volume"], found["wall_thickness"]["min_mm"]) == (2, None, None)
    with pytest.raises(EmptyMeshError):
        analyze(Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)), printer=PRINTER)


def test_crossings_are_skipped_or_looked_for_as_asked() -> None:
    apart = solids.together(solids.box(), solids.box(at=(0.4, 0.3, 0.2)))
    shares: list[float] = []
    assert analysis(apart, self_intersections=False)["self_intersections"] == -1
    found = analysis(apart, on_progress=shares.append)
    assert found["self_intersections"] == trial(apart.vertices, apart.faces) > 0
    assert found["quality_score"] < 100.0
    assert shares == sorted(shares)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["spread", "lattice", "sheet"]),
    count=st.integers(2, 24),
)
def test_crossings_of_soup_are_those_of_brute_force(seed: int, kind: str, count: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(3 * count, 3))
    if kind != "spread":  # corners on edges, edges in planes, planes in planes
        places = rng.integers(0, 5, size=places.shape).astype(float)
    if kind == "sheet":
        places[:, 2] = rng.integers(0, 2, size=len(places))
    faces = np.arange(3 * count).reshape(-1, 3)
    assert crossings(places, faces).pairs == trial(places, faces)


@settings(max_examples=max(5, EXAMPLES // 5), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-1.0, 1.0))
def test_crossings_of_turned_solids_are_those_of_brute_force(seed: int, shift: float) -> None:
    turn = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))[:3, :3]
    mesh = solids.together(solids.box(), solids.ball(0.6, 1, at=(shift, 0.1, 0.0)))
    vertices = mesh.vertices @ turn.T
    assert crossings(vertices, mesh.faces).pairs == trial(vertices, mesh.faces)


def test_small_blocks_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = solids.together(solids.ball(1.0, 3), solids.ball(1.0, 3, at=(0.7, 0.1, 0.0)))
    whole = crossings(mesh.vertices, mesh.faces)
    monkeypatch.setattr(boxes, "BLOCK", 64)
    parts = crossings(mesh.vertices, mesh.faces)
    assert (parts.pairs, parts.faces.tolist()) == (whole.pairs, whole.faces.tolist())
    assert whole.pairs > 0


def test_predicates_decide_what_rounding_cannot() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 300, 3))
    inside = (a + b) / 2.0
    rows = [a, b, inside, np.nextafter(rng.normal(size=a.shape) * 0 + a, b)]
    exact = [determinant([[Fraction(float(x)) for x in row[i]] for row in rows]) for i in range(len(a))]
    assert orient3d(*rows).tolist() == [(value > 0) - (value < 0) for value in exact]
    line = np.array([[0.1, 0.1]]), np.array([[0.3, 0.3]]), np.array([[0.7, 0.7]])
    assert orient2d(*line).tolist() == [0]
    assert orient2d(line[0], line[1], np.nextafter(line[2], [[0.0, 1.0]])).tolist() == [1]


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), removed=st.integers(0, 40), flipped=st.integers(0, 20))
def test_topology_agrees_with_trimesh(seed: int, removed: int, flipped: int) -> None:
    rng = np.random.default_rng(seed)
    mesh = solids.bumpy(solids.torus(16, 12) if seed % 2 else solids.ball(1.0, 2), seed)
    faces = np.delete(mesh.faces, rng.permutation(len(mesh.faces))[:removed], axis=0)
    chosen = rng.permutation(len(faces))[:flipped]
    faces[chosen] = faces[chosen, ::-1]
    found = analysis(Mesh(mesh.vertices, faces), self_intersections=False)
    theirs = trimesh.Trimesh(mesh.vertices, faces, process=False)
    theirs.remove_unreferenced_vertices()
    assert found["is_watertight"] == (theirs.is_watertight and theirs.is_winding_consistent)
    assert found["euler_number"] == theirs.euler_number
    assert found["edge_count"] == len(theirs.edges_unique)
    # Theirs counts bodies by common vertices, the definition here by common edges.
    groups = trimesh.graph.connected_components(theirs.face_adjacency, nodes=np.arange(len(faces)), min_len=1)
    assert found["body_count"] == len(groups)
    assert found["boundary_edges"] == int((np.bincount(theirs.edges_unique_inverse) == 1).sum())
    assert found["surface_area"] == pytest.approx(theirs.area)
    if found["is_watertight"]:
        assert found["volume"] == pytest.approx(theirs.volume)
        assert found["center_of_mass"] == pytest.approx(theirs.center_mass, abs=1e-5)


def test_walls_without_embree_are_measured_on_fewer_rays(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise CapabilityMissingError("no embree")

    ball = solids.ball(10.0, 3)
    with_embree = walls.walls(ball.vertices, ball.faces, samples=256)
    monkeypatch.setattr(walls, "Scene", missing)
    without = walls.walls(ball.vertices, ball.faces)
    assert len(without.thickness) == 256
    assert without.thickness == pytest.approx(with_embree.thickness, rel=1e-4)


@pytest.mark.parametrize(
    "wrong, quality, printed",
    [
        ({}, 100, 100),
        ({"is_watertight": False}, 70, 70),
        ({"is_manifold": False}, 80, 80),
        ({"degenerate_share": 0.07}, 93, 93),
        ({"degenerate_share": 0.9}, 80, 80),
        ({"intersecting_share": 0.9}, 70, 70),
        ({"fits": False, "thin_share": 0.02}, 100, 70),
        ({"thin_share": 0.01}, 100, 100),
        (
            {"is_watertight": False, "is_manifold": False, "degenerate_share": 1.0, "intersecting_share": 1.0},
            0,
            0,
        ),
    ],
)
def test_scores_lose_what_the_definition_says(wrong: dict[str, Any], quality: float, printed: float) -> None:
    fine = {"is_watertight": True, "is_manifold": True, "degenerate_share": 0.0, "intersecting_share": 0.0}
    found = scores(**{**fine, **wrong})
    assert (found.quality, found.printability) == (quality, printed)


# Brute force in fractions: segments cut out of the planes, polygons clipped, no predicate in common with the code.


def determinant(rows: list[list[Fraction]]) -> Fraction:
    """Of the differences to the last of four points."""
    u, v, w = ([x - y for x, y in zip(row, rows[3], strict=True)] for row in rows[:3])
    return u[0] * (v[1] * w[2] - v[2] * w[1]) - u[1] * (v[0] * w[2] - v[2] * w[0]) + u[2] * (v[0] * w[1] - v[1] * w[0])


def trial(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> int:
    """Crossing pairs among all pairs of faces without a common vertex."""
    single = vertices.astype(np.float32)
    triangles: list[list[Point]] = [[tuple(Fraction(float(x)) for x in single[i]) for i in face] for face in faces]
    pairs = itertools.combinations(range(len(faces)), 2)
    apart = ((i, j) for i, j in pairs if not set(faces[i]) & set(faces[j]))
    low, high = single[faces].min(axis=1), single[faces].max(axis=1)
    near = ((i, j) for i, j in apart if (low[i] <= high[j]).all() and (low[j] <= high[i]).all())
    return sum(_cross(triangles[i], triangles[j]) for i, j in near)


def _cross(a: list[Point], b: list[Point]) -> bool:
    heights_a = [determinant([list(p) for p in (*b, corner)]) for corner in a]
    heights_b = [determinant([list(p) for p in (*a, corner)]) for corner in b]
    if not any(heights_a) and not any(heights_b):
        return _overlap(a, b)
    if not any(heights_a) or not any(heights_b):
        return False
    cut_a, cut_b = _cut(a, heights_a), _cut(b, heights_b)
    if len(cut_a) < 2 or len(cut_b) < 2:
        return False
    along = [y - x for x, y in zip(cut_a[0], cut_a[1], strict=True)]
    ends = [sorted(sum(x * y for x, y in zip(p, along, strict=True)) for p in cut) for cut in (cut_a, cut_b)]
    touching = heights_a.count(Fraction(0)) == 2 and heights_b.count(Fraction(0)) == 2
    return max(ends[0][0], ends[1][0]) < min(ends[0][-1], ends[1][-1]) and not touching


def _cut(triangle: list[Point], heights: list[Fraction]) -> list[Point]:
    found = []
    for here in range(3):
        there = (here + 1) % 3
        if heights[here] == 0:
            found.append(triangle[here])
        if heights[here] * heights[there] < 0:
            share = heights[here] / (heights[here] - heights[there])
            found.append(_between(triangle[here], triangle[there], share))
    return found


def _between(one: Point, two: Point, share: Fraction) -> Point:
    return tuple(x + share * (y - x) for x, y in zip(one, two, strict=True))


def _overlap(a: list[Point], b: list[Point]) -> bool:
    """Whether one triangle clipped by the other one, both in one plane, has an area."""
    for axes in ((0, 1), (1, 2), (0, 2)):
        polygon, frame = ([tuple(point[axis] for axis in axes) for point in shape] for shape in (a, b))
        if _area(frame) == 0 or _area(polygon) == 0:
            continue
        frame = frame if _area(frame) > 0 else frame[::-1]
        for start, end in zip(frame, [*frame[1:], frame[0]], strict=True):
            polygon = _clipped(polygon, start, end)
        return len(polygon) > 2 and _area(polygon) != 0
    return False


def _clipped(polygon: list[Point], start: Point, end: Point) -> list[Point]:
    inside = [_area([start, end, point]) for point in polygon]
    found: list[Point] = []
    for index, point in enumerate(polygon):
        before = index - 1
        if inside[before] * inside[index] < 0:
            found.append(_between(polygon[before], point, inside[before] / (inside[before] - inside[index])))
        if inside[index] >= 0:
            found.append(point)
    return found


def _area(polygon: list[Point]) -> Fraction:
    following = [*polygon[1:], polygon[0]] if polygon else []
    pairs = zip(polygon, following, strict=True)
    return sum((one[0] * two[1] - one[1] * two[0] for one, two in pairs), Fraction(0))
