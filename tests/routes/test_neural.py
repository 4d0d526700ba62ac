"""Shapes by models over HTTP, on a real server with a device of its own and the tiny checkpoints."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from tests.gpu.harness import assert_same_mesh
from tests.gpu.hunyuan3d.golden import INPUTS
from tests.routes.neural import FINAL, SMALL, Client, alone, pipe_of

FULL = os.environ.get("TEST_SCALE") == "full"
TINY, TURBO, VIEWS = "hunyuan3d-dit-v2-tiny", "hunyuan3d-dit-v2-tiny-turbo", "hunyuan3d-dit-v2-tiny-mv"
AT_ONCE = 48 if FULL else 12


@pytest.fixture(scope="module")
def client(neural: Client) -> Client:
    """The server of this folder."""
    return neural


@pytest.fixture(scope="module")
def v21(client: Client) -> str:
    """The id of the tiny 2.1 model: the release has the same name, so its repository is part of it."""
    models = client.ask("GET", "/api/v1/models").json()["items"]
    place = ("tencent/Hunyuan3D-2.1tiny", "pipeline")
    return str(next(model["id"] for model in models if (model["repo"], model["capabilities"]["component"]) == place))


def assert_latents(client: Client, job: dict[str, Any], expected: torch.Tensor) -> None:
    torch.testing.assert_close(client.latents(job), expected, atol=1e-4, rtol=0.0)


def assert_mesh(client: Client, job: dict[str, Any], model: str, latents: torch.Tensor, octree: int = 32) -> None:
    pipe = pipe_of(model)
    expected = pipe.extract(pipe.volume(pipe.decode_latents(latents[None]), octree), 0.0)
    assert_same_mesh(client.made(job, "shape.decode"), expected, octree)


@pytest.mark.parametrize("model, steps", [(TINY, 30), (TURBO, 5)])
def test_a_model_makes_what_its_pipeline_makes(client: Client, model: str, steps: int) -> None:
    job = client.ended(client.generate(model=model, quality=5, seed=7))
    result = job["result"]
    assert (result["engine"], result["model"], result["method"], result["seed"]) == ("hunyuan3d", model, model, 7)
    assert result["settings"]["steps"] == steps
    assert result["settings"]["guidance_scale"] == 5.0
    assert (result["licence"], result["degraded"]) == (None, [])
    assert result["measures"]["glb"]["face_count"] <= 40_000
    manifest = client.ask("GET", job["links"]["manifest"]).json()
    assert (manifest["model"]["id"], manifest["device"], manifest["batch_size"]) == (model, "cpu", 1)
    expected = alone(model, 0, steps, seed=7)
    assert_latents(client, job, expected)
    assert_mesh(client, job, model, expected)


def test_the_model_of_the_later_architecture_works_alike(client: Client, v21: str) -> None:
    job = client.ended(client.generate(1, model=v21, steps=4, guidance_scale=2.0))
    assert_latents(client, job, alone("v21", 1, 4, guidance=2.0))


def test_several_views_go_to_a_model_that_takes_them(client: Client) -> None:
    named = (("front", 0), ("left", 1), ("back", 2))
    job = client.ended(client.generate(dict(named), steps=4))
    assert job["result"]["model"] == VIEWS
    assert set(job["request"]["images"]) == {"front", "left", "back"}
    assert_latents(client, job, alone(VIEWS, named, 4))
    again = client.ended(client.ask("POST", f"/api/v1/jobs/{job['id']}/retry"))
    assert (again["cached"], again["result"]["model"]) == (True, VIEWS)
    other = client.generate({"front": 0}, model=TINY)
    assert (other.status_code, other.json()["code"]) == (422, "capability_missing")


def test_many_at_once_get_what_each_would_get_alone(client: Client) -> None:
    asked = [
        {
            "model": TINY if number % 3 else TURBO,
            "steps": 3 + number % 4,
            "seed": number,
            "guidance_scale": 2.0 + number % 3,
            "octree_resolution": (32, 24, 40)[number % 3],
        }
        for number in range(AT_ONCE)
    ]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda members: client.generate(members["seed"] % 3, **members), asked))
    for members, answer in zip(asked, answers, strict=True):
        model, seed = str(members["model"]), int(members["seed"])
        job = client.ended(answer)
        expected = alone(model, seed % 3, int(members["steps"]), seed, float(members["guidance_scale"]))
        assert_latents(client, job, expected)
        assert_mesh(client, job, model, expected, int(members["octree_resolution"]))


def test_a_deterministic_request_is_equal_bit_for_bit_among_others(client: Client) -> None:
    members = {"model": TINY, "steps": 6, "seed": 77, "deterministic": True, "use_cache": False}
    lone = client.ended(client.generate(1, **members))
    others = [client.generate(model=TINY, steps=40, seed=700 + number) for number in range(3)]
    client.until(others[0].json(), lambda job: (job["progress"]["step"] or 0) > 0)
    among = client.ended(client.generate(1, **members))
    assert torch.equal(client.latents(lone), client.latents(among))
    assert lone["result"]["assets"][0]["asset_id"] == among["result"]["assets"][0]["asset_id"]
    for other in others:
        client.ended(other)


def test_a_derived_job_decodes_the_kept_latents_again(client: Client) -> None:
    job = client.ended(client.generate(model=TINY, steps=5, seed=21))
    changes = {"octree_resolution": 48, "mc_level": 0.1, "target_faces": 700, "formats": ["stl"]}
    derived = client.ended(client.ask("POST", f"/api/v1/jobs/{job['id']}/derive", json=changes))
    ran = derived["result"]["timings"]
    assert "shape.decode" in ran
    assert not {"image.prepare", "shape.encode", "shape.sample"} & set(ran)
    assert derived["result"]["measures"]["stl"]["face_count"] in (699, 700)
    assert [asset["format"] for asset in derived["result"]["assets"]] == ["stl"]
    assert_latents(client, derived, client.latents(job))


def test_latents_that_are_not_kept_are_no_entry_of_their_tier(client: Client) -> None:
    kept, gone = (
        client.ended(client.generate(model=TINY, steps=3, seed=33 + kept, keep_latent=kept, deterministic=True))
        for kept in (True, False)
    )
    entries = {entry["fingerprint"] for entry in client.ask("GET", "/api/v1/cache/entries?limit=200").json()["items"]
               if entry["tier"] == "latents"}  # fmt: skip
    assert client.fingerprint(kept, "shape.sample") in entries
    assert client.fingerprint(gone, "shape.sample") not in entries


def test_a_random_seed_is_drawn_recorded_and_repeatable(client: Client) -> None:
    one, two = (client.ended(client.generate(model=TINY, steps=3, seed="random")) for _ in range(2))
    assert one["result"]["seed"] != two["result"]["seed"]
    again = client.generate(model=TINY, steps=3, seed=one["result"]["seed"])
    assert client.ended(again)["cached"] is True
    assert_latents(client, one, alone(TINY, 0, 3, seed=one["result"]["seed"]))


def test_what_names_no_engine_gets_the_first_model(client: Client, v21: str) -> None:
    found = client.ask("GET", "/api/v1/capabilities").json()
    assert found["engines"]["hunyuan3d"] == {"available": True, "reason": None}
    assert (found["auto"]["engine"], found["auto"]["model"]) == ("hunyuan3d", v21)
    assert found["features"]["multi_view"]["available"] is True
    assert "gpu" in {queue for device in found["devices"] for queue in device["queues"]}
    assert client.ended(client.generate(steps=3))["result"]["model"] == v21
    assert client.ended(client.generate(mode="relief", quality=1))["result"]["engine"] == "embedded"
    assert client.ended(client.generate(engine="embedded", quality=1))["result"]["engine"] == "embedded"


@pytest.mark.parametrize(
    "members, status, code",
    [
        ({"model": "hunyuan3d-dit-v2-mini"}, 503, "model_unavailable"),
        ({"model": "nothing"}, 503, "model_unavailable"),
        ({"model": "hunyuan3d-vae-v2-tiny"}, 503, "model_unavailable"),
        ({"model": TINY, "mode": "relief"}, 422, "parameter_not_supported"),
        ({"model": TINY, "engine": "embedded"}, 422, "parameter_not_supported"),
    ],
)
def test_what_cannot_run_is_refused_with_what_to_do(client: Client, members: Any, status: int, code: str) -> None:
    answer = client.generate(**members)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 503:
        assert answer.json()["missing"]


def test_the_compatible_surface_takes_models_too(client: Client) -> None:
    members = {
        "format": "glb", "engine": "hunyuan3d", "model": TINY, "steps": "3", "octree_resolution": "32",
        "mode": "relief", "seed": "5",
    }  # fmt: skip
    image = {"image": ("thing.png", (INPUTS / "input_0.png").read_bytes(), "image/png")}
    answer = client.ask("POST", "/api/generate-3d?wait=40", files=image, data=members)
    started = answer.json()
    assert (answer.status_code, started["status"]) == (200, "completed"), started
    assert (started["engine"], started["model"], started["method"]) == ("hunyuan3d", TINY, TINY)
    assert started["settings"] == {
        "steps": 3, "octree_resolution": 32, "guidance_scale": 5.0, "target_faces": 80_000, "seed": 5,
    }  # fmt: skip
    assert any(warning.startswith("mode has no effect") for warning in started["warnings"])
    file = client.ask("GET", f"/api/download/{started['job_id']}/model.stl")
    assert file.status_code == 200
    assert np.frombuffer(file.content[80:84], np.uint32)[0] > 100


def test_progress_counts_steps_and_a_cancelled_job_stops(client: Client) -> None:
    gone = client.generate(model=TINY, steps=100, seed=50).json()
    kept = client.generate(model=TINY, steps=60, seed=51)
    seen = client.until(gone, lambda job: (job["progress"]["step"] or 0) > 1)
    assert (seen["progress"]["stage"], seen["progress"]["steps"]) == ("shape.sample", 100)
    cancelled = client.ask("POST", f"/api/v1/jobs/{gone['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert_latents(client, client.ended(kept), alone(TINY, 0, 60, seed=51))
    assert client.job(gone)["state"] == "cancelled"


def test_estimates_and_batches_know_models_and_views(client: Client) -> None:
    asset = client.ended(client.generate(model=TINY, steps=3))["request"]["image"]
    found = client.ask("POST", "/api/v1/generations/estimate", json={"image": asset, "model": TURBO, "quality": 5})
    estimate = found.json()
    assert (estimate["engine"], estimate["model"], estimate["vram_mb"]) == ("hunyuan3d", TURBO, None)
    assert [other["change"]["quality"] for other in estimate["alternatives"]] == [3, 1]
    items = [{"image": asset, "model": TINY, "steps": 3}, {"images": {"front": asset, "back": asset}, "steps": 3}]
    batch = client.ask("POST", "/api/v1/batches", json={"items": items, "defaults": SMALL}).json()
    ended = [client.until({"id": entry["job_id"]}, lambda job: job["state"] in FINAL) for entry in batch["jobs"]]
    assert [job["result"]["model"] for job in ended] == [TINY, VIEWS]


def test_a_killed_device_costs_no_job_and_no_finished_sampling(client: Client) -> None:
    first = client.ended(client.generate(model=TINY, steps=3, seed=60))
    asked = {seed: client.generate(seed % 3, model=TINY, steps=20 + seed % 5, seed=seed) for seed in range(61, 65)}
    client.until(asked[64].json(), lambda job: job["progress"]["stage"] == "shape.sample")
    (device,) = client.devices()
    device.kill()
    derived = client.ask("POST", f"/api/v1/jobs/{first['id']}/derive", json={"octree_resolution": 40})
    for seed, answer in asked.items():
        job = client.ended(answer)
        assert_latents(client, job, alone(TINY, seed % 3, 20 + seed % 5, seed=seed))
    assert "shape.sample" not in client.ended(derived)["result"]["timings"]
    listed = [job["id"] for job in client.ask("GET", "/api/v1/jobs?limit=200").json()["items"]]
    assert len(set(listed)) == len(listed)
    assert {derived.json()["id"], *(answer.json()["id"] for answer in asked.values())} <= set(listed)
