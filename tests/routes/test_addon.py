"""The paths of existing add-ons, as those call them."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import trimesh

from tests.serving import Server

DATA = Path(__file__).parents[1] / "data"
PHOTO = base64.b64encode((DATA / "mug.png").read_bytes()).decode()
QUICK = {"image": PHOTO, "octree_resolution": 48}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60.0) as made:
        yield made


def loaded(data: bytes, kind: str) -> Any:
    return trimesh.load(BytesIO(data), file_type=kind, force="mesh")


@pytest.mark.parametrize("kind", ["glb", "obj", "stl", "ply"])
def test_a_picture_is_answered_with_the_file_itself(client, kind):
    answer = client.post("/generate", json={**QUICK, "type": kind})
    assert answer.status_code == 200, answer.text
    assert len(loaded(answer.content, kind).faces) > 100
    job = client.get(f"/api/v1/jobs/{answer.headers['X-Job-ID']}").json()
    assert job["state"] == "succeeded"
    assert "X-Orfeas-Warnings" not in answer.headers  # defaults that have no effect are nobody's wish


def test_who_will_not_wait_is_told_the_job_that_goes_on(client):
    body = {**QUICK, "octree_resolution": 103}
    refused = client.post("/generate", json=body, headers={"Prefer": "wait=0"})
    assert refused.status_code == 404
    assert refused.headers["Preference-Applied"] == "wait=0"
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json()["code"] == "result_not_ready"
    job = client.get(f"/api/v1/jobs/{refused.json()['job_id']}?wait=60").json()
    assert job["state"] == "succeeded"
    again = client.post("/generate?wait=0", json=body)
    assert len(loaded(again.content, "glb").faces) > 100


def test_a_data_uri_a_texture_and_a_number_of_faces_are_honoured(client):
    body = {"image": f"data:image/png;base64,{PHOTO}", "texture": True, "face_count": 700, "octree_resolution": 49}
    answer = client.post("/generate", json=body)
    mesh = loaded(answer.content, "glb")
    assert len(mesh.faces) == 700
    assert mesh.visual.material.baseColorTexture is not None


def test_what_the_engine_cannot_use_is_named(client):
    answer = client.post("/generate", json={**QUICK, "guidance_scale": 3.0, "seed": 7})
    assert "guidance" in answer.headers["X-Orfeas-Warnings"]
    assert "seed" in answer.headers["X-Orfeas-Warnings"]


def test_a_sent_picture_is_asked_for_until_it_is_there(client):
    uid = client.post("/send", json={**QUICK, "octree_resolution": 100}).json()["uid"]
    seen = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = client.get(f"/status/{uid}").json()
        seen.append(found["status"])
        if found["status"] != "processing":
            break
        time.sleep(0.02)
    assert seen[-1] == "completed"
    assert found["job_id"] == uid
    assert len(loaded(base64.b64decode(found["model_base64"]), "glb").faces) > 100


def test_a_sentence_becomes_a_model(client):
    answer = client.post("/generate", json={"text": "a red cube of 20 mm", "type": "stl"})
    assert answer.status_code == 200, answer.text
    assert loaded(answer.content, "stl").extents == pytest.approx([20, 20, 20], rel=0.01)


def test_a_mesh_is_shown_the_picture_on_its_front(client):
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.02)
    glb = base64.b64encode(ball.export(file_type="glb")).decode()
    answer = client.post("/generate", json={"image": PHOTO, "mesh": glb, "octree_resolution": 64})
    assert answer.status_code == 200, answer.text
    assert "octree_resolution has no effect" in answer.headers["X-Orfeas-Warnings"]
    made = loaded(answer.content, "glb")
    assert len(made.faces) == len(ball.faces)
    assert made.extents == pytest.approx(ball.extents, rel=1e-3)
    texture = made.visual.material.baseColorTexture
    assert len(texture.convert("RGB").getcolors(texture.width * texture.height)) > 100  # a photo, not one colour
    uid = client.post("/send", json={"image": PHOTO, "mesh": f"data:model/gltf-binary;base64,{glb}"}).json()["uid"]
    assert client.get(f"/api/v1/jobs/{uid}?wait=60").json()["type"] == "texture"
    assert base64.b64decode(client.get(f"/status/{uid}").json()["model_base64"]) == answer.content


def test_warnings_are_told_again_at_status(client):
    sent = client.post("/send", json={**QUICK, "seed": 9}).json()
    assert any("seed" in warning for warning in sent["warnings"])
    assert client.get(f"/status/{sent['uid']}").json()["warnings"] == sent["warnings"]


def test_a_job_that_fails_answers_with_its_problem(client, server):
    uid = client.post("/send", json={"image": PHOTO, "octree_resolution": 101}).json()["uid"]
    assert client.post(f"/api/v1/jobs/{uid}/cancel").status_code == 200
    found = client.get(f"/status/{uid}").json()
    assert found["status"] in ("failed", "completed")
    if found["status"] == "failed":
        assert found["error"]
    refused = client.post("/generate", json={"text": "florp of the blarg"})
    assert refused.json()["code"] == "prompt_not_understood"


@pytest.mark.parametrize(
    "body, status, code",
    [
        ({}, 400, "invalid_request"),
        ({"image": PHOTO, "text": "a cube"}, 400, "invalid_request"),
        ({"mesh": "AAAA"}, 400, "invalid_request"),
        ({"image": PHOTO, "mesh": "***"}, 400, "invalid_request"),
        ({"image": PHOTO, "mesh": "AAAA"}, 400, "invalid_request"),
        ({"image": "***"}, 400, "invalid_request"),
        ({"image": ""}, 400, "invalid_request"),
        ({"image": "AAAA"}, 400, "invalid_image"),
        ({**QUICK, "type": "fbx"}, 400, "invalid_request"),
        ({**QUICK, "octree_resolution": 4}, 400, "invalid_request"),
        ({**QUICK, "num_inference_steps": 0}, 400, "invalid_request"),
        ({**QUICK, "face_count": 1}, 400, "invalid_request"),
    ],
)
def test_what_cannot_be_made_is_refused(client, body, status, code):
    for path in ("/generate", "/send"):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_uid_is_not_processing_for_ever(client):
    assert client.get("/status/nothing").status_code == 404
    assert client.get("/status/00000000-0000-4000-8000-000000000000").json()["code"] == "job_not_found"


def test_waiting_holds_nobody_else_up(client):
    answers: list[int] = []

    def wait(size: int) -> None:
        with httpx.Client(base_url=client.base_url, timeout=60.0) as own:
            answers.append(own.post("/generate", json={"image": PHOTO, "octree_resolution": size}).status_code)

    threads = [threading.Thread(target=wait, args=(110 + index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    assert client.get("/api/health").status_code == 200
    assert time.perf_counter() - started < 1.0
    for thread in threads:
        thread.join()
    assert answers == [200] * 4
