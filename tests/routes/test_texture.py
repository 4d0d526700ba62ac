"""Looks of stored meshes and of generations: materials and photos, read back by other programs."""

from __future__ import annotations

import json
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import lib3mf
import numpy as np
import pytest
import trimesh
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from orfeas.domain.presets import MATERIALS
from orfeas.geometry import colors
from tests.geometry.test_formats import needs_validator, node_modules
from tests.routes import solids
from tests.routes.reading import ReadingClient

VALIDATOR = Path(__file__).parents[1] / "geometry" / "gltf_validator.cjs"
SIDES = {
    "front": (200, 30, 30), "left": (30, 200, 30), "back": (30, 30, 200), "right": (200, 200, 30),
    "top": (30, 200, 200), "bottom": (200, 30, 200),
}  # fmt: skip
NORMALS = {
    "front": (0, 0, 1), "left": (-1, 0, 0), "back": (0, 0, -1), "right": (1, 0, 0), "top": (0, 1, 0),
    "bottom": (0, -1, 0),
}  # fmt: skip
WOOD = MATERIALS["wood"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return ReadingClient(app, app.response_class)


def store(client: FlaskClient, data: bytes, name: str) -> str:
    return str(client.post("/api/v1/uploads", data={"file": (BytesIO(data), name)}).get_json()["id"])


def plain(color: tuple[int, int, int]) -> bytes:
    target = BytesIO()
    Image.new("RGB", (64, 64), color).save(target, "PNG")
    return target.getvalue()


def mesh(client: FlaskClient, made: trimesh.Trimesh | None = None) -> str:
    return store(client, solids.stl(made or solids.box(40, 40, 40)), "part.stl")


def ask(client: FlaskClient, **members: Any) -> Any:
    return client.post("/api/v1/meshes/texture", json=members)


def files(client: FlaskClient, job: dict[str, Any]) -> dict[str, bytes]:
    return {asset["format"]: client.get(asset["url"]).data for asset in job["result"]["assets"]}


def gltf(data: bytes) -> dict[str, Any]:
    return dict(json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")]))


def validated(data: bytes, folder: Path) -> dict[str, Any]:
    """What the Khronos validator says."""
    path, modules = folder / "made.glb", node_modules()
    path.write_bytes(data)
    command = ["node", str(VALIDATOR), str(modules and modules.resolve()), str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout))


def test_a_cube_painted_from_six_sides_has_the_colour_of_each(client: FlaskClient, finished: Any) -> None:
    images = {side: {"asset_id": store(client, plain(color), f"{side}.png")} for side, color in SIDES.items()}
    job = finished(
        ask(client, input={"asset_id": mesh(client)}, mode="projection", images=images, formats=["glb"], size=256)
    )
    assert (job["type"], job["result"]["share_seen"]) == ("texture", 1.0)
    assert 0.3 < job["result"]["uv_coverage"] <= 1.0
    made = trimesh.load(BytesIO(files(client, job)["glb"]), file_type="glb", force="mesh")
    picture = np.asarray(made.visual.material.baseColorTexture.convert("RGB"), dtype=float)
    assert max(picture.shape[:2]) == 256
    for side, color in SIDES.items():
        facing = np.flatnonzero(made.face_normals @ NORMALS[side] > 0.99)
        assert len(facing) == 2
        uv = np.einsum(
            "nc,fck->fnk", np.random.default_rng(0).dirichlet((1, 1, 1), 200), made.visual.uv[made.faces[facing]]
        )
        rows = np.clip(((1 - uv[..., 1]) * len(picture)).astype(int), 0, len(picture) - 1)
        columns = np.clip((uv[..., 0] * picture.shape[1]).astype(int), 0, picture.shape[1] - 1)
        assert np.abs(picture[rows, columns] - color).mean() < 0.03 * 255
        assert np.abs(picture[rows, columns] - color).max() < 0.1 * 255


def test_a_material_is_in_every_file_that_can_hold_it(client: FlaskClient, finished: Any) -> None:
    job = finished(
        ask(client, input={"asset_id": mesh(client)}, mode="material", material="wood", formats=["glb", "obj", "3mf"])
    )
    made = files(client, job)
    (material,) = gltf(made["glb"])["materials"]
    surface = material["pbrMetallicRoughness"]
    assert surface["baseColorFactor"] == pytest.approx([*WOOD.base_color, 1.0])
    assert (surface["metallicFactor"], surface["roughnessFactor"]) == (WOOD.metalness, WOOD.roughness)
    read = trimesh.load(BytesIO(made["glb"]), file_type="glb", force="mesh").visual.material
    assert read.roughnessFactor == pytest.approx(WOOD.roughness)
    with zipfile.ZipFile(BytesIO(made["obj"])) as archive:
        mtl = archive.read("model.mtl").decode()
        assert "usemtl" in archive.read("model.obj").decode()
    assert "Kd 0.55 0.27 0.07" in mtl
    assert "Pr 0.8" in mtl
    assert displayed(made["3mf"]) == [tuple(colors.srgb(np.array([WOOD.base_color]))[0])]
    assert job["result"]["assets"][1]["media_type"] == "application/zip"


def displayed(data: bytes) -> list[tuple[int, ...]]:
    """Colours of the materials in a 3MF file, as the consortium's own reader finds them."""
    model = lib3mf.get_wrapper().CreateModel()
    model.QueryReader("3mf").ReadFromBuffer(data)
    groups, found = model.GetBaseMaterialGroups(), []
    while groups.MoveNext():
        group = groups.GetCurrentBaseMaterialGroup()
        for number in group.GetAllPropertyIDs():
            color = group.GetDisplayColor(number)
            found.append((color.Red, color.Green, color.Blue))
    return found


@needs_validator
@pytest.mark.parametrize("mode", ["material", "projection"])
def test_the_khronos_validator_finds_no_error(client: FlaskClient, finished: Any, tmp_path: Path, mode: str) -> None:
    looks = {
        "material": {"material": "glass"},
        "projection": {"images": {"front": {"asset_id": store(client, plain((9, 90, 200)), "b.png")}}, "size": 256},
    }
    job = finished(ask(client, input={"asset_id": mesh(client)}, mode=mode, formats=["glb"], **looks[mode]))
    assert validated(files(client, job)["glb"], tmp_path)["issues"]["numErrors"] == 0


def test_own_properties_change_the_preset(client: FlaskClient, finished: Any) -> None:
    custom = {"opacity": 0.5, "emissive_color": [1, 0, 0], "emissive_intensity": 2, "roughness": 0.25}
    asked = {"input": {"asset_id": mesh(client)}, "mode": "material", "material": "ceramic", "formats": ["glb"]}
    job = finished(ask(client, **asked, custom=custom))
    (material,) = gltf(files(client, job)["glb"])["materials"]
    assert material["alphaMode"] == "BLEND"
    assert material["emissiveFactor"] == [1.0, 0.0, 0.0]
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == 0.25
    assert material["pbrMetallicRoughness"]["baseColorFactor"] == pytest.approx([*MATERIALS["ceramic"].base_color, 0.5])
    again = client.post(f"{job['links']['self']}/retry").get_json()
    assert (again["cached"], again["fingerprint"]) == (True, job["fingerprint"])


def test_pictures_may_come_with_the_request_and_are_kept_with_the_job(client: FlaskClient, finished: Any) -> None:
    asked = {"input": {"upload": "a"}, "mode": "projection", "images": {"front": {"upload": "b"}}, "formats": ["ply"]}
    parts = {"a": (BytesIO(solids.stl(solids.ball())), "ball.stl"), "b": (BytesIO(plain((9, 90, 200))), "b.png")}
    answer = client.post("/api/v1/meshes/texture", data={"request": json.dumps(asked), **parts})
    job = finished(answer)
    assert "ply" in job["warnings"][0]
    assert 0.2 < job["result"]["share_seen"] < 0.5
    picture = job["request"]["images"]["front"]["asset_id"]
    assert client.get(f"/api/v1/assets/{picture}").get_json()["expires_at"] is None
    again = finished(client.post(f"{job['links']['self']}/retry"))
    assert again["fingerprint"] == job["fingerprint"]
    made = trimesh.load(BytesIO(files(client, job)["ply"]), file_type="ply")
    assert np.abs(np.asarray(made.visual.vertex_colors)[:, :3].astype(int) - (9, 90, 200)).max() <= 3


@pytest.mark.parametrize(
    "members, code, pointer",
    [
        ({"mode": "paint"}, "parameter_not_supported", "/mode"),
        ({"mode": "gold"}, "invalid_request", "/mode"),
        ({}, "invalid_request", "/mode"),
        ({"mode": "material"}, "invalid_request", "/material"),
        ({"mode": "material", "material": "cheese"}, "invalid_request", "/material"),
        ({"mode": "material", "custom": {"opacity": 2}}, "invalid_request", "/custom/opacity"),
        ({"mode": "material", "custom": {"normal_scale": 2}}, "parameter_not_supported", "/custom/normal_scale"),
        ({"mode": "material", "material": "wood", "size": 512}, "parameter_not_supported", "/size"),
        ({"mode": "material", "material": "wood", "images": {"front": {"asset_id": "0" * 64}}},
         "parameter_not_supported", "/images"),
        ({"mode": "material", "material": "wood", "formats": ["stl"]}, "parameter_not_supported", "/formats"),
        ({"mode": "material", "material": "wood"}, "parameter_not_supported", "/formats"),
        ({"mode": "projection"}, "invalid_request", "/images"),
        ({"mode": "projection", "size": 100}, "invalid_request", "/size"),
        ({"mode": "projection", "material": "wood"}, "parameter_not_supported", "/material"),
        ({"mode": "projection", "images": {"inside": {"asset_id": "0" * 64}}}, "invalid_request", "/images/inside"),
        ({"mode": "projection", "images": {"top": {"asset_id": "0" * 64}}, "formats": ["glb"]}, "file_not_found",
         "/images/top"),
        ({"mode": "projection", "images": {"top": {"asset_id": "MESH"}}, "formats": ["glb"]}, "invalid_request",
         "/images/top"),
    ],
)  # fmt: skip
def test_what_changes_nothing_or_cannot_be_done_is_refused(
    client: FlaskClient, members: dict[str, Any], code: str, pointer: str
) -> None:
    asset_id = mesh(client)
    answer = ask(client, input={"asset_id": asset_id}, **json.loads(json.dumps(members).replace("MESH", asset_id)))
    problem = answer.get_json()
    assert (problem["code"], [error["pointer"] for error in problem["errors"]]) == (code, [pointer])
    assert answer.status_code == (404 if code == "file_not_found" else 422)


def test_what_is_made_of_a_photo_can_be_of_a_material(client: FlaskClient, finished: Any) -> None:
    photo = Path(__file__).parents[1] / "data" / "star.png"
    asked = {
        "image": {"asset_id": store(client, photo.read_bytes(), "star.png")}, "quality": 1, "preview": False,
        "formats": ["glb", "stl"], "texture": {"mode": "material", "material": "metal"},
    }  # fmt: skip
    job = finished(client.post("/api/v1/generations", json=asked))
    assert job["request"]["texture"] == {"mode": "material", "material": "metal", "size": 1024}
    (material,) = gltf(files(client, job)["glb"])["materials"]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == MATERIALS["metal"].metalness
    assert "baseColorTexture" not in material["pbrMetallicRoughness"]
    recipe = gltf(files(client, job)["glb"])["asset"]["extras"]["orfeas"]["stages"]
    assert recipe[-1]["stage"] == "mesh.texture"


def test_a_sentence_can_be_made_of_another_material(client: FlaskClient, finished: Any) -> None:
    asked = {"prompt": "a red cube on a wooden table", "formats": ["glb"], "preview": False}
    job = finished(
        client.post("/api/v1/generations", json={**asked, "texture": {"mode": "material", "material": "rubber"}})
    )
    made = gltf(files(client, job)["glb"])
    rubber = [*MATERIALS["rubber"].base_color, 1.0]
    assert len(made["nodes"]) > 2
    assert all(m["pbrMetallicRoughness"]["baseColorFactor"] == pytest.approx(rubber) for m in made["materials"])
