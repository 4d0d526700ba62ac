"""Backgrounds removed by a network over HTTP: a real gpu worker on the processor, a graph that the test makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.gpu.background import write_graph
from tests.routes.neural import Client, serve

SETTING = "ORFEAS_BACKGROUND_MODEL"
FOLDER = "cutter"


def photo(seed: int) -> bytes:
    """A dark disc on light noise, as JPEG."""
    noise = np.random.default_rng(seed).integers(150, 255, (96, 128, 3), dtype=np.uint8)
    y, x = np.mgrid[:96, :128]
    noise[(y - 48) ** 2 + (x - 64) ** 2 < 30**2] = 25
    data = BytesIO()
    Image.fromarray(noise).save(data, "JPEG", quality=95)
    return data.getvalue()


def asked(client: Client, seed: int, **members: Any) -> Any:
    small = {"quality": 1, "formats": ["stl"], "preview": False, "engine": "embedded", "image": {"upload": "photo"}}
    return client.ask(
        "POST", "/api/v1/generations",
        files={
            "photo": ("photo.jpg", photo(seed), "image/jpeg"),
            "request": (None, json.dumps({**small, **members}), "application/json"),
        },
    )  # fmt: skip


def operation(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of the stage that cuts the subject out."""
    found = client.ask("GET", job["links"]["manifest"])
    assert str(client.server.data_dir.parent) not in found.text
    return next(dict(done) for done in found.json()["operations"] if done["stage"] == "image.prepare")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("cutting")
    with serve(folder, background_model=FOLDER) as server:
        yield Client(server)


@pytest.fixture(scope="module")
def without(client: Client) -> dict[str, Any]:
    """A job before the folder is there: done by segmentation, and said."""
    job = client.ended(asked(client, 1))
    assert any(SETTING in text and "ORFEAS_MODEL_DIR" in text for text in job["warnings"])
    assert client.ask("GET", "/api/v1/capabilities").json()["features"]["background_model"]["available"] is False
    assert "model" not in operation(client, job)["parameters"]
    write_graph(client.server.data_dir.parent / "models" / "someone" / FOLDER)
    return job


def test_a_folder_below_the_model_folder_is_found_and_used(client: Client, without: dict[str, Any]) -> None:
    job = client.ended(asked(client, 1))
    assert not any(SETTING in text for text in job["warnings"])
    assert job["fingerprint"] != without["fingerprint"]
    done = operation(client, job)
    assert (done["parameters"]["model"], done["parameters"]["place"]) == (FOLDER, FOLDER)
    found = client.made(job, "image.prepare")
    assert found.found
    assert (found.alpha > 0.5).mean() == pytest.approx(np.pi * 30**2 / (65 * 65), rel=0.06)
    assert client.ask("GET", "/api/v1/capabilities").json()["features"]["background_model"]["available"]
    assert client.loaded(FOLDER)
    again = client.ended(asked(client, 1))
    assert (again["cached"], again["fingerprint"]) == (True, job["fingerprint"])


def test_what_keeps_its_background_needs_no_network(client: Client, without: dict[str, Any]) -> None:
    job = client.ended(asked(client, 2, remove_background="never"))
    assert "model" not in operation(client, job)["parameters"]


def test_shapes_by_a_model_and_the_compatible_surface_use_it_too(client: Client, without: dict[str, Any]) -> None:
    members = {"engine": "hunyuan3d", "model": "hunyuan3d-dit-v2-tiny", "steps": 2, "octree_resolution": 32}
    job = client.ended(asked(client, 3, **members))
    assert operation(client, job)["parameters"]["frame"] == "whole"
    sent = {"image": ("photo.jpg", photo(4), "image/jpeg")}
    form = {"engine": "embedded", "quality": "1", "format": "stl"}
    started = client.ask("POST", "/api/generate", files=sent, data=form).json()
    shown = client.ask("GET", f"/api/job-status/{started['job_id']}?wait=30")
    assert shown.json()["status"] == "completed", shown.text
    assert str(client.server.data_dir.parent) not in shown.text
    assert client.ask("GET", shown.json()["download_url"].replace(".stl", ".ply")).content[:3] == b"ply"


def test_twelve_at_once_each_get_their_own_subject(client: Client, without: dict[str, Any]) -> None:
    answers = [asked(client, 100 + seed, remove_background="always") for seed in range(12)]
    jobs = [client.ended(answer) for answer in answers]
    assert len({job["fingerprint"] for job in jobs}) == 12
    for job in jobs:
        assert client.made(job, "image.prepare").found


def test_other_files_are_another_model_and_what_was_made_stays(client: Client, without: dict[str, Any]) -> None:
    before = client.ended(asked(client, 5))
    write_graph(client.server.data_dir.parent / "models" / "someone" / FOLDER, level=0.01)
    coarse = client.ask("POST", f"/api/v1/jobs/{before['id']}/derive", json={"target_faces": 500})
    assert "image.prepare" not in client.ended(coarse)["result"]["timings"]
    after = client.ended(asked(client, 5))
    assert after["fingerprint"] != before["fingerprint"]
    again = client.ended(client.ask("POST", f"/api/v1/jobs/{before['id']}/retry"))
    assert again["fingerprint"] == after["fingerprint"]


def test_a_broken_folder_ends_the_job_with_a_reason(client: Client, without: dict[str, Any]) -> None:
    graph = client.server.data_dir.parent / "models" / "someone" / FOLDER / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    job = client.ended(asked(client, 6), "failed")
    assert job["error"]["code"] == "model_unavailable"
    assert "onnxruntime cannot load it" in job["error"]["detail"]
    assert str(client.server.data_dir.parent) not in json.dumps(job)
    graph.write_bytes(whole)
    client.ended(asked(client, 6))
