"""Materials and light over the compatible surface."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
import trimesh
from trimesh.visual.material import SimpleMaterial

from tests.routes.reading import ReadingClient

METADATA = "/api/materials/metadata"
EXPORT = "/api/materials/export-mtl"


@pytest.fixture
def client(app):
    app.test_client_class = ReadingClient
    return app.test_client()


def test_the_published_materials_and_lights_are_listed(client):
    materials = client.get("/api/materials/presets").get_json()
    assert materials["materials"] == ["metal", "plastic", "wood", "glass", "ceramic", "rubber"]
    assert materials["presets"]["glass"]["opacity"] == 0.6
    assert materials["presets"]["metal"]["emissive_color"] == [0, 0, 0]
    lights = client.get("/api/lighting/presets").get_json()
    assert lights["environments"] == ["studio", "outdoor", "dramatic", "night", "warm"]
    assert lights["presets"]["outdoor"]["main_light_position"] == [10, 15, 5]
    assert lights["presets"]["night"]["main_light_color"] == [0.4, 0.6, 1]
    assert lights["presets"]["warm"]["shadow_intensity"] == 0.4


@pytest.mark.parametrize("method", ["get", "post"])
def test_own_properties_reach_every_form_of_the_material(client, method):
    own = {"base_color": [1, 0.5, 0], "opacity": 0.25, "emissive_color": [0, 0, 1], "emissive_intensity": 3}
    asked = {"material_type": "wood", "lighting_environment": "night"}
    if method == "get":
        answer = client.get(METADATA, query_string={**asked, "custom_properties": json.dumps(own)})
    else:
        answer = client.post(METADATA, json={**asked, "custom_properties": own})
    found = answer.get_json()["metadata"]
    assert found["material"]["base_color"] == [1, 0.5, 0]
    assert found["material"]["roughness"] == 0.8
    assert found["material_threejs"]["color"] == 0xFF7F00  # floor(0.5 * 255) = 127
    assert found["material_threejs"]["emissive"] == 0x0000FF
    assert found["material_threejs"]["transparent"] is True
    assert found["lighting_threejs"]["main"]["color"] == (102 << 16) | (153 << 8) | 255
    assert found["lighting"]["environment_type"] == "night"
    assert found["orfeas_version"]
    assert "job_id" not in answer.get_json()


def test_saved_metadata_is_a_file_of_a_job(client, worker):
    answer = client.post(METADATA, json={"save": True}).get_json()
    worker.drain()
    stored = client.get(answer["download_url"])
    assert stored.mimetype == "application/json"
    assert json.loads(stored.data) == answer["metadata"]
    assert answer["download_url"].endswith(answer["metadata_file"])


def test_an_exported_material_is_a_file_of_a_job_that_can_be_made_again(client, worker):
    answer = client.post(EXPORT, json={"material_type": "plastic", "material_name": "toy_blue"}).get_json()
    worker.drain()
    assert client.get(answer["download_url"]).get_data(as_text=True) == answer["mtl_content"]
    job = client.get(f"/api/v1/jobs/{answer['job_id']}").get_json()
    assert (job["type"], job["state"]) == ("material", "succeeded")
    again = client.post(f"/api/v1/jobs/{answer['job_id']}/retry").get_json()
    worker.drain()
    (asset,) = client.get(f"/api/v1/jobs/{again['id']}").get_json()["result"]["assets"]
    assert asset["filename"] == "toy_blue.mtl"


def test_saved_metadata_can_be_made_again(client, worker):
    first = client.post(METADATA, json={"save": True, "material_type": "rubber"}).get_json()
    worker.drain()
    again = client.post(f"/api/v1/jobs/{first['job_id']}/retry").get_json()
    worker.drain()
    stored = client.get(f"/api/download/{again['id']}/material_metadata.json")
    assert json.loads(stored.data)["material"]["material_type"] == "rubber"


def test_an_independent_reader_understands_the_mtl_text(client):
    own = {"roughness": 0.25, "emissive_color": [1, 0, 0], "emissive_intensity": 0.5}
    text = client.post(EXPORT, json={"material_name": "m", "custom_properties": own}).get_json()["mtl_content"]
    assert "Ke 0.5 0 0" in text.splitlines()
    square = b"mtllib m.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n"

    class Beside(trimesh.resolvers.Resolver):
        def __init__(self):
            """The one file is known already."""

        def get(self, name):
            return text.encode()

        def keys(self):
            return ["m.mtl"]

        def write(self, name, data):
            raise PermissionError(name)

        def namespaced(self, namespace):
            return self

    mesh = trimesh.load_mesh(BytesIO(square), file_type="obj", resolver=Beside())
    material = mesh.visual.material
    assert isinstance(material, SimpleMaterial)
    assert list(material.diffuse[:3]) == [135, 135, 135]
    assert material.glossiness == pytest.approx(750)
    assert all(line.split()[0] in {"#", "newmtl", "Ka", "Kd", "Ks", "Ke", "Ns", "d", "illum", "Pr", "Pm"}
               for line in text.splitlines())  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"material_type": "cheese"},
        {"lighting_environment": "disco"},
        {"custom_properties": {"shine": 1}},
        {"custom_properties": {"roughness": 1.1}},
        {"custom_properties": {"roughness": True}},
        {"custom_properties": {"base_color": [1, 0]}},
        {"custom_properties": {"base_color": [1, 0, 2]}},
        {"custom_properties": {"emissive_intensity": 101}},
        {"custom_properties": {"normal_scale": -1}},
        {"custom_properties": [1]},
        {"custom_properties": "{"},
    ],
)
def test_a_material_that_cannot_be_is_refused(client, body):
    assert client.post(METADATA, json=body).status_code == 400


def test_an_unknown_preset_is_answered_with_the_names_that_there_are(client):
    problem = client.post(METADATA, json={"material_type": "cheese"}).get_json()
    assert "rubber" in problem["details"][0]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "x" * 65])
def test_a_material_name_that_no_file_can_have_is_refused(client, name):
    assert client.post(EXPORT, json={"material_name": name}).status_code == 400
