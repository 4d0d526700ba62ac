"""Sentences by models over HTTP: a tiny diffusers pipeline makes the picture, a tiny checkpoint the shape."""

from __future__ import annotations

import os
import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.gpu.text_to_image import write
from tests.routes.neural import PICTURES, SMALL, Client

pytestmark = pytest.mark.filterwarnings("default")  # the libraries deprecate things of each other

FULL = os.environ.get("TEST_SCALE") == "full"
SENTENCE = "a snarling gryphon"
LITTLE = {"prompt": SENTENCE, "width": 256, "height": 256, "steps": 2}
SHAPE = {"steps": 2, "octree_resolution": 32, "format": "glb"}


@pytest.fixture(scope="module")
def client(neural: Client) -> Client:
    """The server of this folder, before and after its text-to-image folder is there."""
    answer = neural.ask("POST", "/api/text-to-image", json=LITTLE)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
    assert "ORFEAS_TEXT_TO_IMAGE_MODEL" in answer.json()["detail"]
    solid = neural.ended(neural.ask("POST", "/api/v1/generations", json={"prompt": "a cube", "preview": False}))
    assert solid["result"]["method"] == "parametric"
    info = neural.ask("GET", "/api/models-info").json()
    assert (info["mode"], info["text_to_image_ready"]) == ("powerful_3d", False)
    write(neural.server.data_dir.parent / PICTURES)
    return neural


def finished(client: Client, job_id: str) -> dict[str, Any]:
    """The record of a compatible job at its end."""
    deadline = time.monotonic() + 40.0
    while time.monotonic() < deadline:
        shown = client.ask("GET", f"/api/job-status/{job_id}?wait=5").json()
        if shown["status"] in ("completed", "failed"):
            return dict(shown)
    raise AssertionError(client.server.log())


def drawn(client: Client, **members: Any) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """A finished picture and its pixels."""
    answer = client.ask("POST", "/api/text-to-image", json={**LITTLE, **members})
    assert (answer.status_code, answer.json()["engine"]) == (200, "diffusers")
    shown = finished(client, answer.json()["job_id"])
    assert shown["status"] == "completed", shown
    return shown, np.asarray(Image.open(BytesIO(client.ask("GET", shown["preview_url"]).content)))


def test_every_parameter_of_a_picture_reaches_the_model(client: Client) -> None:
    _, plain = drawn(client)
    assert plain.shape == (256, 256, 3)
    changes: list[dict[str, Any]] = [
        {"seed": 1}, {"steps": 3}, {"guidance_scale": 2.0}, {"negative_prompt": "fog"}, {"style": "anime"},
        {"prompt": "a sleeping gryphon"},
    ]  # fmt: skip
    for change in changes:
        assert not np.array_equal(drawn(client, **change)[1], plain), change
    again = client.ask("POST", "/api/text-to-image", json=LITTLE).json()
    assert (again["status"], again["cached"]) == ("completed", True)


def test_a_picture_by_a_model_becomes_a_shape_by_a_model(client: Client) -> None:
    shown, _ = drawn(client)
    assert shown["filename"] == f"{shown['job_id']}_generated.png"
    body = {"job_id": shown["job_id"], "engine": "hunyuan3d", **SHAPE}
    started = client.ask("POST", "/api/generate-3d", json=body).json()
    assert started["engine"] == "hunyuan3d"
    made = finished(client, shown["job_id"])
    assert (made["status"], made["job_type"]) == ("completed", "text-to-3d"), made.get("error")
    assert made["preview_url"] == shown["preview_url"]
    assert client.ask("GET", made["download_url"]).content[:4] == b"glTF"
    assert client.ask("GET", made["download_url"].replace(".glb", ".ply")).content[:3] == b"ply"
    raised = {"job_id": shown["job_id"], "engine": "embedded", "quality": 1, "format": "stl"}
    client.ask("POST", "/api/generate-3d", json=raised)
    assert finished(client, shown["job_id"])["method"] in ("relief", "silhouette-inflation")


def test_a_sentence_is_cancelled_while_its_picture_is_made(client: Client) -> None:
    answer = client.ask("POST", "/api/v1/generations", json={**SMALL, "prompt": SENTENCE, "use_cache": False})
    job = client.until(answer.json(), lambda job: bool(job["progress"]["step"]))
    assert (job["progress"]["stage"], job["progress"]["steps"]) == ("image.generate", 50)
    assert client.ask("POST", f"/api/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


@pytest.mark.skipif(not FULL, reason="50 steps of 512 pixels take 20 s on a processor; TEST_SCALE=full runs them")
def test_a_sentence_goes_through_both_models_and_is_made_again_from_its_row(client: Client) -> None:
    body = {**SMALL, "prompt": SENTENCE, "steps": 2, "seed": 3}
    job = client.ended(client.ask("POST", "/api/v1/generations", json=body))
    assert (job["result"]["engine"], job["result"]["seed"]) == ("hunyuan3d", 3)
    manifest = client.ask("GET", job["links"]["manifest"])
    stages = [operation["stage"] for operation in manifest.json()["operations"]]
    assert stages[:5] == ["image.generate", "image.prepare", "shape.encode", "shape.sample", "shape.decode"]
    assert manifest.json()["operations"][0]["parameters"]["seed"] == 3
    assert str(client.server.data_dir.parent) not in manifest.text
    again = client.ended(client.ask("POST", f"/api/v1/jobs/{job['id']}/retry"))
    assert (again["cached"], again["fingerprint"]) == (True, job["fingerprint"])
    coarse = client.ask("POST", f"/api/v1/jobs/{job['id']}/derive", json={"octree_resolution": 24})
    assert "shape.sample" not in client.ended(coarse)["result"]["timings"]
    known = {"prompt": "a red cube", "engine": "embedded", "preview": False}
    assert client.ended(client.ask("POST", "/api/v1/generations", json=known))["result"]["method"] == "parametric"


def test_v1_makes_pictures_by_the_model_and_capabilities_say_so(client: Client) -> None:
    body = {**LITTLE, "guidance_scale": 3.5, "negative_prompt": "fog"}
    job = client.ended(client.ask("POST", "/api/v1/images", json=body))
    assert (job["result"]["model"], job["result"]["settings"]["guidance_scale"]) == (PICTURES, 3.5)
    features = client.ask("GET", "/api/v1/capabilities").json()["features"]
    assert features["text_to_image_model"] == {"available": True, "reason": None}
    assert features["text_to_3d"]["available"]
    info = client.ask("GET", "/api/models-info").json()
    assert (info["mode"], info["text_to_image_ready"]) == ("full_ai", True)
