"""Cameras over the compatible surface: presets, positions, paths, kept views."""

from __future__ import annotations

import math

import numpy as np
import pytest

PRESETS = "/api/camera/presets"
POSITION = "/api/camera/position"
TURNTABLE = "/api/camera/animation/turntable"
ORBITAL = "/api/camera/animation/orbital"
SAVE = "/api/camera/preset/save"


def test_the_standard_views_look_at_the_origin_from_the_distance_asked(client):
    found = client.get(PRESETS, query_string={"distance": 4}).get_json()
    assert found["presets"] == ["front", "back", "left", "right", "top", "bottom", "angle1", "angle2"]
    assert found["configurations"]["front"]["position"] == {"x": 0, "y": 0, "z": 4}
    assert found["configurations"]["left"]["position"] == {"x": -4, "y": 0, "z": 0}
    assert found["configurations"]["angle1"]["position"] == pytest.approx({"x": 2.8, "y": 2, "z": 2.8})
    assert {view["fov"] for view in found["configurations"].values()} == {50}
    assert found["saved"] == []
    assert found["default_distance"] == 10


def test_without_a_body_the_default_camera_is_described(client):
    found = client.post(POSITION).get_json()
    assert found["success"] is True
    assert found["camera"] == {"position": [0, 5, 10], "target": [0, 0, 0], "fov": 50, "projection": "perspective"}
    assert found["camera_threejs"]["projectionMode"] == "perspective"
    assert found["look_at"]["theta"] == pytest.approx(0.0)
    assert found["look_at"]["phi"] == pytest.approx(math.asin(5 / math.hypot(5, 10)))


@pytest.mark.parametrize("position", [[3, 4, 5], [0, 7, 0], [0, -7, 0], [-1, 0, 0], [2, 2, -9]])
def test_the_view_matrix_is_a_rotation_that_puts_the_target_straight_ahead(client, position):
    found = client.post(POSITION, json={"position": position, "target": [1, 0, 0]}).get_json()
    matrix = np.array(found["view_matrix"]).reshape(4, 4).T
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)
    np.testing.assert_allclose(
        matrix @ [1, 0, 0, 1], [0, 0, -math.dist(position, [1, 0, 0]), 1], atol=1e-9
    )  # a camera looks along -z


def test_look_at_angles_lead_back_to_the_position(client):
    given = [3.0, -2.0, 6.0]
    angles = client.post(POSITION, json={"position": given}).get_json()["look_at"]
    flat = angles["distance"] * math.cos(angles["phi"])
    again = [
        flat * math.sin(angles["theta"]),
        angles["distance"] * math.sin(angles["phi"]),
        flat * math.cos(angles["theta"]),
    ]
    assert again == pytest.approx(given)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_turntable_keeps_its_distance_from_the_axis_and_its_height_along_it(client, axis):
    body = {"distance": 8, "height": -3, "axis": axis, "frames": 9, "duration": 4, "speed": 2}
    path = client.post(TURNTABLE, json=body).get_json()["animation"]
    points = np.array([point["position"] for point in path["path_points"]])
    along = "xyz".index(axis)
    np.testing.assert_allclose(points[:, along], -3.0)
    np.testing.assert_allclose(np.linalg.norm(np.delete(points, along, axis=1), axis=1), 8.0)
    assert [point["t"] for point in path["path_points"]] == pytest.approx(list(np.linspace(0, 4, 9)))
    np.testing.assert_allclose(points[0], points[4], atol=1e-9)  # one of two turns is done
    assert all(point["up"]["xyz".index(axis)] == 1.0 for point in path["path_points"])
    assert (path["loop"], path["speed"], path["rotation_axis"]) == (True, 2, axis)


def test_an_orbit_rises_and_sinks_as_published(client):
    body = {"radius": 6, "height_variation": 2, "duration": 8, "frames": 17}
    path = client.post(ORBITAL, json=body).get_json()["animation"]
    for point in path["path_points"]:
        x, y, z = point["position"]
        assert y == pytest.approx(2 * math.sin(2 * math.pi * point["t"] / 8), abs=1e-9)
        assert math.hypot(x, z) == pytest.approx(6)
    assert path["animation_type"] == "orbital"
    assert path["orbital_height_variation"] == 2


def test_a_kept_view_is_listed_and_replaced_under_its_id(client):
    first = client.post(SAVE, json={"name": "hero shot", "position": [1, 2, 3], "description": "left"}).get_json()
    assert first["preset_name"] == "hero shot"
    assert "replaced" not in first
    again = client.post(SAVE, json={"name": "hero shot", "fov": 30, "projection": "orthographic"}).get_json()
    assert again["replaced"] is True
    assert again["preset_id"] == first["preset_id"]
    (saved,) = client.get(PRESETS).get_json()["saved"]
    assert (saved["name"], saved["fov"], saved["projection"]) == ("hero shot", 30, "orthographic")
    assert saved["position"] == [0, 5, 10]


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a" * 65, "é", None, "front"])
def test_a_name_that_cannot_be_kept_is_refused(client, name):
    answer = client.post(SAVE, json={"name": name})
    assert answer.status_code == 400
    assert client.get(PRESETS).get_json()["saved"] == []


@pytest.mark.parametrize(
    "url, body",
    [
        (POSITION, {"position": [1, 2]}),
        (POSITION, {"position": [1, 2, "x"]}),
        (POSITION, {"position": [0, 0, 0]}),
        (POSITION, {"position": [1e-7, 0, 0]}),
        (POSITION, {"fov": 0}),
        (POSITION, {"fov": 180}),
        (POSITION, {"projection": "fisheye"}),
        (POSITION, {"position": [1e300, 0, 0]}),
        (TURNTABLE, {"distance": 0}),
        (TURNTABLE, {"duration": 121}),
        (TURNTABLE, {"speed": 0}),
        (TURNTABLE, {"axis": "w"}),
        (TURNTABLE, {"frames": 7}),
        (ORBITAL, {"radius": -1}),
        (ORBITAL, {"height_variation": -0.1}),
        (ORBITAL, {"frames": 601}),
    ],
)
def test_a_camera_that_cannot_be_is_refused(client, url, body):
    answer = client.post(url, json=body)
    assert answer.status_code == 400
    assert answer.get_json()["code"] == "invalid_request"
    assert answer.get_json()["details"]


def test_unknown_members_are_named_in_warnings(client):
    found = client.post(POSITION, json={"zoom": 2}).get_json()
    assert any("zoom" in warning for warning in found["warnings"])


@pytest.mark.parametrize("distance", ["0", "-1", "100001", "nan", "x"])
def test_a_distance_out_of_range_is_refused(client, distance):
    assert client.get(PRESETS, query_string={"distance": distance}).status_code == 400


def test_json_is_read_whatever_the_body_calls_itself(client):
    for media_type in ("application/x-www-form-urlencoded", "text/plain", ""):
        found = client.post(POSITION, data='{"fov": 33}', content_type=media_type).get_json()
        assert found["camera"]["fov"] == 33
    form = client.post(POSITION, data={"fov": "34"}).get_json()
    assert form["camera"]["fov"] == 34
