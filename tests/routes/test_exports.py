"""Exports of v1: collision bodies, levels of detail, units and bundles."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import pytest
import trimesh
from flask import Flask
from flask.testing import FlaskClient

from tests.routes import solids
from tests.routes.reading import ReadingClient


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return ReadingClient(app, app.response_class)


def export(client: FlaskClient, mesh: trimesh.Trimesh, **members: Any) -> Any:
    form = {"input": (BytesIO(solids.stl(mesh)), "part.stl"), **{key: str(value) for key, value in members.items()}}
    return client.post("/api/v1/exports", data=form)


def fetch(client: FlaskClient, job: dict[str, Any]) -> bytes:
    return bytes(client.get(job["result"]["assets"][0]["url"]).data)


def test_collision_and_levels_are_further_nodes(client: FlaskClient, finished: Any) -> None:
    job = finished(export(client, solids.ball(), format="glb", collision="box", lods="400,100"))
    assert (job["type"], job["result"]["assets"][0]["filename"]) == ("export", "part.glb")
    scene = trimesh.load_scene(BytesIO(fetch(client, job)), file_type="glb")
    faces = {name: len(part.faces) for name, part in scene.geometry.items()}
    assert faces == {"part": 1280, "part_collision_1": 12, "part_lod_1": 400, "part_lod_2": 100}
    assert job["result"]["measures"]["glb"]["face_count"] == sum(faces.values())


def test_a_format_without_nodes_gets_a_file_for_each_in_a_bundle(client: FlaskClient, finished: Any) -> None:
    job = finished(export(client, solids.ball(), format="stl", collision="convex_hull", bundle="true"))
    (made,) = job["result"]["assets"]
    assert (made["role"], made["format"], made["filename"]) == ("bundle", "zip", "part.zip")
    with zipfile.ZipFile(BytesIO(fetch(client, job))) as archive:
        assert archive.namelist() == ["part.stl", "part_collision_1.stl"]
        assert solids.loaded(archive.read("part_collision_1.stl")).is_convex
    assert job["result"]["measures"]["zip"]["face_count"] == 1280


def test_several_surfaces_in_one_that_holds_one_are_refused(client: FlaskClient) -> None:
    refused = export(client, solids.ball(), format="stl", collision="box")
    assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid_request")
    assert refused.get_json()["errors"][0]["pointer"] == "/bundle"


def test_coordinates_are_in_the_unit_asked_for(client: FlaskClient, finished: Any) -> None:
    job = finished(export(client, solids.box(25.4, 50.8, 76.2), format="obj", unit="inch", up_axis="z"))
    assert solids.loaded(fetch(client, job), "obj").extents == pytest.approx([1, 2, 3])
    assert job["result"]["measures"]["obj"]["extents_mm"] == pytest.approx([25.4, 76.2, 50.8])
    refused = export(client, solids.box(1, 1, 1), format="glb", unit="mm")
    assert (refused.status_code, refused.get_json()["code"]) == (422, "parameter_not_supported")


@pytest.mark.parametrize(
    "members", [{"format": "step"}, {"format": "glb", "lods": "3"}, {"format": "glb", "max_parts": 0}]
)
def test_wrong_requests_are_refused(client: FlaskClient, members: dict[str, Any]) -> None:
    refused = export(client, solids.box(1, 1, 1), **members)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid_request")


def test_formats_and_retries(client: FlaskClient, finished: Any) -> None:
    job = finished(export(client, solids.box(1, 2, 3), format="ply", unit="cm"))
    assert (job["request"]["formats"], job["request"]["written_unit"]) == (["ply"], "cm")
    again = client.post(f"{job['links']['self']}/retry").get_json()
    assert (again["type"], again["cached"], again["fingerprint"]) == ("export", True, job["fingerprint"])


def test_levels_have_to_fall(client: FlaskClient, finished: Any) -> None:
    failed = finished(export(client, solids.ball(), format="glb", lods="100,400"), "failed")
    assert failed["error"]["code"] == "invalid_request"
