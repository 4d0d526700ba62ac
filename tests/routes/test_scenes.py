"""Scenes over v1: objects, layouts, one file of all."""

from __future__ import annotations

import json
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import trimesh

from orfeas.domain.layout import STRATEGIES
from tests.browser.test_three import in_three, needs_three
from tests.geometry.test_formats import needs_validator, node_modules
from tests.routes.reading import ReadingClient

SCENES = "/api/v1/scenes"
VALIDATOR = Path(__file__).parents[1] / "geometry" / "gltf_validator.cjs"


@pytest.fixture
def client(app):
    app.test_client_class = ReadingClient
    return app.test_client()


def box(x: float, y: float, z: float) -> bytes:
    """An STL file with z up, so that the scene sees x wide, y high and z deep."""
    return bytes(trimesh.creation.box((x, z, y)).export(file_type="stl"))


@pytest.fixture
def scene(client):
    return client.post(SCENES, json={"name": "test scene"}).get_json()["id"]


@pytest.fixture
def add(client, worker, scene):
    """Upload a box and put it into the scene; its sides are read by the worker."""

    def put(x: float, y: float, z: float, **members):
        asset = client.post("/api/v1/uploads", data={"file": (BytesIO(box(x, y, z)), "box.stl")}).get_json()
        client.get(f"/api/v1/assets/{asset['id']}")
        client.post("/api/v1/meshes/analyze", json={"input": {"asset_id": asset["id"]}})
        worker.drain()
        answer = client.post(f"{SCENES}/{scene}/objects", json={"input": {"asset_id": asset["id"]}, **members})
        assert answer.status_code == 201, answer.get_json()
        return answer.get_json()["objects"][-1]

    return put


def read(client, scene):
    return client.get(f"{SCENES}/{scene}").get_json()


def test_a_scene_is_opened_listed_and_let_go(client, scene):
    found = read(client, scene)
    assert (found["name"], found["lighting"], found["camera"]) == ("test scene", "studio", "angle1")
    assert (found["objects"], found["bounds_mm"], found["overlaps"]) == ([], None, 0)
    assert [entry["id"] for entry in client.get(SCENES).get_json()["items"]] == [scene]
    assert client.delete(f"{SCENES}/{scene}").status_code == 204
    assert client.get(f"{SCENES}/{scene}").status_code == 404


def test_scenes_come_in_pages(client):
    for index in range(5):
        client.post(SCENES, json={"name": f"s{index}"})
    first = client.get(f"{SCENES}?limit=2")
    second = client.get(f"{SCENES}?limit=2&cursor={first.get_json()['next_cursor']}").get_json()
    assert [entry["name"] for entry in (*first.get_json()["items"], *second["items"])] == ["s4", "s3", "s2", "s1"]
    assert 'rel="next"' in first.headers["Link"]
    oldest = client.get(f"{SCENES}?limit=5&sort=created_at").get_json()["items"]
    assert [entry["name"] for entry in oldest] == ["s0", "s1", "s2", "s3", "s4"]
    assert client.get(f"{SCENES}?cursor=x").get_json()["code"] == "bad_cursor"


def test_an_object_stands_on_its_underside_and_can_be_changed(client, scene, add):
    added = add(20, 40, 10, position=[5, 0, 0], name="tower")
    assert added["name"] == "tower"
    found = read(client, scene)
    assert found["bounds_mm"]["min"] == pytest.approx([-5, 0, -5])
    assert found["bounds_mm"]["max"] == pytest.approx([15, 40, 5])
    url = f"{SCENES}/{scene}/objects/{added['id']}"
    changed = client.patch(url, json={"scale": 2, "rotation_deg": [0, 90, 0], "material": "wood"}).get_json()
    assert changed["bounds_mm"]["size"] == pytest.approx([20, 80, 40])
    assert changed["objects"][0]["material"] == "wood"
    hidden = client.patch(url, json={"visible": False}).get_json()
    assert hidden["bounds_mm"] is None
    assert client.delete(url).status_code == 204
    assert read(client, scene)["objects"] == []


def test_a_change_of_a_scene_that_was_changed_meanwhile_is_refused(client, scene, add):
    added = add(10, 10, 10)
    url = f"{SCENES}/{scene}/objects/{added['id']}"
    etag = client.get(f"{SCENES}/{scene}").headers["ETag"]
    assert client.patch(url, json={"name": "a"}, headers={"If-Match": etag}).status_code == 200
    refused = client.patch(url, json={"name": "b"}, headers={"If-Match": etag})
    assert (refused.status_code, refused.get_json()["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_layout_leaves_no_overlap(client, scene, add, strategy):
    for index in range(5):
        add(10 + 7 * index, 20, 30 - 4 * index, position=[index, 3 * index, 0], rotation_deg=[0, 20 * index, 0])
    assert read(client, scene)["overlaps"] > 0
    laid = client.post(f"{SCENES}/{scene}/layout", json={"strategy": strategy, "spacing_mm": 2}).get_json()
    assert laid["overlaps"] == 0
    assert laid["bounds_mm"]["min"][1] == pytest.approx(0.0, abs=1e-9)


def test_a_row_keeps_the_spacing_and_a_bed_that_is_too_small_names_the_rest(client, scene, add):
    add(10, 10, 10, name="one")
    add(30, 10, 10, name="two")
    row = client.post(f"{SCENES}/{scene}/layout", json={"strategy": "row", "spacing_mm": 5}).get_json()
    assert row["bounds_mm"]["size"][0] == pytest.approx(45)
    body = {"strategy": "pack", "bed_mm": [20, 20]}
    refused = client.post(f"{SCENES}/{scene}/layout", json=body)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "does_not_fit")
    assert [entry["name"] for entry in refused.get_json()["rest"]] == ["two"]


def test_one_glb_has_nodes_materials_lights_and_a_camera(client, worker, scene, add):
    add(10, 20, 30, name="plain", position=[0, 0, 0])
    add(10, 20, 30, name="wooden", position=[50, 0, 0], rotation_deg=[0, 90, 0], material="wood")
    add(5, 5, 5, name="hidden", visible=False)
    job = client.post(f"{SCENES}/{scene}/export", json={"format": "glb"}).get_json()
    worker.drain()
    data = client.get(f"/api/v1/jobs/{job['id']}/result").data
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    names = {node["name"] for node in document["nodes"]}
    assert {"plain", "wooden", "main light", "fill light", "back light", "camera"} <= names
    assert "hidden" not in names
    lights = document["extensions"]["KHR_lights_punctual"]["lights"]
    assert lights[0]["intensity"] == pytest.approx(np.pi)
    assert document["cameras"][0]["type"] == "perspective"
    loaded = trimesh.load_scene(BytesIO(data), file_type="glb")
    low, high = loaded.bounds * 1000.0
    assert low == pytest.approx([-5, 0, -15], abs=1e-3)
    assert high == pytest.approx([65, 20, 15], abs=1e-3)
    assert any(np.allclose(m["pbrMetallicRoughness"]["baseColorFactor"][:3], [0.55, 0.27, 0.07]) for m in
               document["materials"] if "baseColorFactor" in m["pbrMetallicRoughness"])  # fmt: skip


@needs_validator
def test_the_glb_of_a_scene_passes_the_khronos_validator(client, worker, scene, add, tmp_path):
    add(10, 20, 30)
    add(10, 20, 30, position=[0, 0, 60], material="glass")
    for camera in ("top", {"position": [0, 40, 200], "target": [0, 0, 0], "projection": "orthographic"}):
        made = client.post(SCENES, json={"name": "s", "lighting": "night", "camera": camera}).get_json()["id"]
        asset = read(client, scene)["objects"][0]["asset_id"]
        client.post(f"{SCENES}/{made}/objects", json={"input": {"asset_id": asset}})
        job = client.post(f"{SCENES}/{made}/export", json={}).get_json()
        worker.drain()
        path = tmp_path / "scene.glb"
        path.write_bytes(client.get(f"/api/v1/jobs/{job['id']}/result").data)
        command = ["node", str(VALIDATOR), str(node_modules().resolve()), str(path)]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
        assert report["issues"]["messages"] == []


@needs_three
def test_three_js_loads_a_scene_with_the_same_transforms_lights_and_camera(client, worker, scene, add, tmp_path):
    add(10, 20, 30, name="plain", position=[0, 0, 0])
    add(10, 20, 30, name="turned", position=[50, 5, -7], rotation_deg=[30, 90, -45], material="wood")
    add(5, 6, 7, name="grown", position=[-40, 0, 12], rotation_deg=[0, 20, 0], scale=2.5, material="glass")
    job = client.post(f"{SCENES}/{scene}/export", json={"format": "glb"}).get_json()
    worker.drain()
    path = tmp_path / "scene.glb"
    path.write_bytes(client.get(f"/api/v1/jobs/{job['id']}/result").data)
    in_three(tmp_path, [{"glb": str(path), "json": str(tmp_path / "read.json")}])
    read_by_three = json.loads((tmp_path / "read.json").read_text())
    nodes = {node["name"]: node for node in read_by_three["nodes"]}
    loaded = trimesh.load_scene(path)
    for name in ("plain", "turned", "grown"):
        world = np.array(nodes[name]["matrix"]).reshape(4, 4).T
        assert world == pytest.approx(loaded.graph[name][0], abs=1e-9)
    assert np.cbrt(np.linalg.det(np.array(nodes["grown"]["matrix"]).reshape(4, 4)[:3, :3])) == pytest.approx(0.0025)
    assert nodes["turned"]["base"] == pytest.approx([0.55, 0.27, 0.07])
    lamps = [node for node in read_by_three["nodes"] if node["type"] == "DirectionalLight"]
    assert [lamp["intensity"] / np.pi for lamp in lamps] == pytest.approx([1.0, 0.3, 0.2])
    main = np.array(next(n for n in lamps if n["name"].startswith("main"))["matrix"]).reshape(4, 4).T
    assert main[:3, 2] == pytest.approx(np.array([5, 10, 5]) / np.sqrt(150.0), abs=1e-6), "it shines along -z"
    cameras = [node for node in read_by_three["nodes"] if node["type"] == "PerspectiveCamera"]
    assert (read_by_three["cameras"], [camera["fov"] for camera in cameras]) == (1, pytest.approx([50.0]))


@pytest.mark.parametrize("form", ["stl", "obj", "3mf"])
@pytest.mark.parametrize("flatten", [False, True])
def test_other_formats_hold_all_objects_at_their_places(client, finished, scene, add, form, flatten):
    add(10, 20, 30)
    add(10, 20, 30, position=[50, 0, 0])
    job = finished(client.post(f"{SCENES}/{scene}/export", json={"format": form, "flatten": flatten}))
    assert job["type"] == "scene_export"
    assert job["result"]["measures"][form]["extents_mm"] == pytest.approx([60, 20, 30], abs=1e-3)
    again = finished(client.post(f"/api/v1/jobs/{job['id']}/retry"))
    assert again["cached"] is True


def test_a_model_in_a_scene_cannot_be_deleted(client, scene, add):
    added = add(10, 10, 10)
    jobs = client.get("/api/v1/jobs").get_json()["items"]
    for job in jobs:
        client.delete(f"/api/v1/jobs/{job['id']}")
    refused = client.delete(f"/api/v1/assets/{added['asset_id']}")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "asset_in_use")
    assert refused.get_json()["references"] == [{"type": "scene", "id": scene}]


@pytest.mark.parametrize(
    "path, body",
    [
        ("", {}),
        ("", {"name": "x", "lighting": "disco"}),
        ("", {"name": "x", "camera": {"position": [0, 0, 0]}}),
        ("", {"name": "x", "camera": 5}),
        ("/{scene}/objects", {}),
        ("/{scene}/objects", {"input": {"asset_id": "0" * 64}, "scale": 0}),
        ("/{scene}/objects", {"input": {"asset_id": "0" * 64}, "material": "cheese"}),
        ("/{scene}/layout", {"strategy": "heap"}),
        ("/{scene}/layout", {"bed_mm": [1]}),
        ("/{scene}/export", {"format": "ply"}),
        ("/{scene}/export", {}),
    ],
)
def test_what_a_scene_cannot_be_is_refused(client, scene, path, body):
    answer = client.post(SCENES + path.format(scene=scene), json=body)
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "invalid_request"


def test_an_unknown_view_is_refused_with_those_that_there_are(client):
    answer = client.post(SCENES, json={"name": "x", "camera": "nowhere"})
    assert answer.get_json()["code"] == "invalid_name"
    assert "angle1" in answer.get_json()["allowed"]


def test_the_older_addresses_do_the_same(client, worker, add, scene):
    add(10, 10, 10)
    made = client.post("/api/v1/scene/create", json={"name": "s"})
    assert made.headers["Link"] == '</api/v1/scenes>; rel="canonical"'
    other = made.get_json()["id"]
    asset = read(client, scene)["objects"][0]["asset_id"]
    one = f"/api/v1/scene/{other}"
    assert client.post(f"{one}/add-object", json={"input": {"asset_id": asset}}).status_code == 201
    assert client.post(f"{one}/layout", json={}).get_json()["overlaps"] == 0
    assert client.post(f"{one}/export", json={"format": "stl"}).status_code == 202
