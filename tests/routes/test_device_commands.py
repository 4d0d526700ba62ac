"""Commands to a device over HTTP, and what it reports, on a real server with the tiny checkpoints."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from orfeas.config import Config
from orfeas.jobs.devices import DeviceFacts, Discovery, remember
from orfeas.services import Services
from tests.routes.neural import Client
from tests.routes.test_models import put, put_tiny
from tests.routes.test_monitoring import scrape, with_gpu

MODELS = "/api/v1/models"
TINY, TURBO, DECODER = "hunyuan3d-dit-v2-tiny", "hunyuan3d-dit-v2-tiny-turbo", "hunyuan3d-vae-v2-tiny"


@pytest.fixture
def client(neural: Client) -> Client:
    """A client of a device with nothing on it."""
    assert neural.ask("POST", f"{MODELS}/clear-cache", json={"scope": "memory"}).status_code == 200
    return neural


@pytest.fixture
def flask_client(app: Any) -> FlaskClient:
    """A client of an app without workers."""
    return app.test_client()  # type: ignore[no-any-return]


def command(client: Client, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
    answer = client.ask("POST", f"{MODELS}/{path}", **options)
    return answer.status_code, answer.json()


def loaded(client: Client) -> dict[str, Any]:
    return {model["id"]: model for model in client.ask("GET", f"{MODELS}/cache-status").json()["loaded"]}


def test_a_model_is_loaded_shown_and_unloaded_as_often_as_one_likes(client: Client) -> None:
    for _ in range(2):
        status, model = command(client, f"{TINY}/load")
        assert (status, model["id"], model["state"]) == (200, TINY, "loaded")
    (shown,) = loaded(client).values()
    assert shown["vram_mb"] > 0.5
    assert shown["pinned"] is False
    assert abs(time.time() - datetime.fromisoformat(shown["last_used"]).timestamp()) < 60.0
    assert client.ask("DELETE", f"{MODELS}/{TINY}").json()["code"] == "model_in_use"
    for _ in range(2):
        status, model = command(client, f"{TINY}/unload")
        assert (status, model["state"]) == (200, "installed")
    assert loaded(client) == {}
    assert client.ask("GET", f"{MODELS}/cache-status").json()["disk_bytes"] > 5_000_000


def test_a_command_is_a_job_that_can_be_read_and_given_again(client: Client) -> None:
    status, job = command(client, f"{TURBO}/load?wait=0")
    assert (status, job["type"], job["request"]) == (202, "model_load", {"model_id": TURBO, "swap": None})
    ended = client.until(job, lambda found: found["state"] == "succeeded")
    again = client.ask("POST", f"/api/v1/jobs/{ended['id']}/retry?wait=20")
    assert (again.status_code, again.json()["state"], again.json()["cached"]) == (200, "succeeded", False)
    assert set(loaded(client)) == {TURBO}
    for kind in ("model_unload", "model_clear"):
        path = "clear-cache" if kind == "model_clear" else f"{TURBO}/unload"
        job = client.ask("POST", f"{MODELS}/{path}?wait=0", json={} if kind == "model_clear" else None).json()
        assert job["type"] == kind
        ended = client.until(job, lambda found: found["state"] == "succeeded")
        assert client.ask("POST", f"/api/v1/jobs/{ended['id']}/retry?wait=20").json()["state"] == "succeeded"


def test_clearing_frees_what_is_not_in_use_and_says_how_much(client: Client) -> None:
    command(client, f"{TINY}/load")
    size = loaded(client)[TINY]["vram_mb"]
    left = client.server.data_dir.parent / "models" / ".incoming" / "tencent+x+y"
    left.mkdir(parents=True)
    (left / ".model.part").write_bytes(bytes(1234))
    status, freed = command(client, "clear-cache", json={"scope": "all"})
    assert (status, freed) == (200, {"freed_vram_mb": size, "freed_bytes": 1234})
    assert not left.exists()
    assert command(client, "clear-cache", json={"scope": "disk_partial"}) == (
        200, {"freed_vram_mb": 0.0, "freed_bytes": 0},
    )  # fmt: skip


def test_a_swap_waits_for_the_end_of_work_or_is_refused_and_goes_before_what_waits(client: Client) -> None:
    busy = [client.generate(model=TINY, steps=100, seed=900 + number) for number in range(8)][-1]  # for seconds
    client.until(busy.json(), lambda job: (job["progress"]["step"] or 0) > 1)
    status, refused = command(client, "swap", json={"model_id": TURBO, "when": "now"})
    assert (status, refused["code"]) == (409, "model_in_use")
    assert command(client, f"{TINY}/unload")[1]["code"] == "model_in_use"
    assert client.job(busy.json())["state"] == "running"
    status, model = command(client, "swap", json={"model_id": TURBO})
    assert (status, model["id"], model["state"]) == (200, TURBO, "loaded")
    assert client.job(busy.json())["progress"]["stage"] != "shape.sample"
    assert client.ended(busy)["result"]["model"] == TINY


@pytest.mark.parametrize(
    "path, body, status, code",
    [
        ("nothing/load", None, 404, "model_unknown"),
        ("nothing/unload", None, 404, "model_unknown"),
        ("swap/load", None, 404, "model_unknown"),
        ("hunyuan3d-dit-v2-mini/load", None, 503, "model_unavailable"),
        (f"{DECODER}/load", None, 422, "capability_missing"),
        ("swap", {}, 422, "invalid_request"),
        ("swap", {"model_id": TINY, "when": "soon"}, 422, "invalid_request"),
        ("clear-cache", {"scope": "disk"}, 422, "invalid_request"),
    ],
)
def test_what_a_device_cannot_be_told_is_refused(neural: Client, path: str, body: Any, status: int, code: str) -> None:
    answer = neural.ask("POST", f"{MODELS}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_a_gpu_worker_commands_are_refused_with_what_to_do(
    flask_client: FlaskClient, config: Config, wired: Services
) -> None:
    put_tiny(config)
    for path in (f"{TINY}/load", f"{TINY}/unload", "clear-cache"):
        answer = flask_client.post(f"{MODELS}/{path}", json={} if path == "clear-cache" else None)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "capability_missing")
    assert flask_client.get(f"{MODELS}/cache-status").get_json()["loaded"] == []


def test_terms_are_looked_at_before_a_model_is_loaded(
    flask_client: FlaskClient, config: Config, wired: Services
) -> None:
    put(config, f"tencent/Hunyuan3D-2tiny/{TURBO}", "tencent/Hunyuan3D-2/hunyuan3d-dit-v2-0-turbo")
    with_gpu(wired)
    remember(wired.database, Discovery((DeviceFacts("cuda:0", "big device", 16_000_000_000),)))
    url = f"{MODELS}/hunyuan3d-dit-v2-0-turbo"
    answer = flask_client.post(f"{url}/load?wait=0")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "licence_unacknowledged")
    terms = {"accepted": True, "by": "Ada", "purpose": "Games"}
    assert flask_client.post(f"{url}/acknowledge", json=terms).status_code == 200
    assert flask_client.post(f"{url}/load?wait=0").status_code == 202


def test_health_answers_while_the_device_works_and_metrics_count_it(client: Client) -> None:
    jobs = [client.generate(number % 3, model=TINY, steps=60, seed=910 + number) for number in range(3)]
    client.until(jobs[0].json(), lambda job: (job["progress"]["step"] or 0) > 1)
    asked = 0
    while asked < 60 and client.job(jobs[-1].json())["state"] == "running":
        assert client.ask("GET", "/api/health").status_code == 200
        asked += 1
    assert asked > 1
    for job in jobs:
        client.ended(job)
    found = client.ask("GET", "/api/v1/gpu/stats").json()
    assert (found["gpu"]["available"], found["recommended_precision"]) == (False, "float32")
    assert [device["device"] for device in found["devices"]] == ["cpu"]
    assert 1 <= found["optimal_batch_size"] <= 16
    time.sleep(1.1)
    families = text_string_to_metric_families(client.ask("GET", "/metrics").text)
    told = {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}
    label = (("gpu_id", "cpu"),)
    executions, inferences = (
        told["orfeas_denoiser_executions_total", label],
        told["orfeas_denoiser_inferences_total", label],
    )
    assert 0 < executions <= inferences
    assert told["orfeas_batch_size_count", label] == executions
    assert told["orfeas_batch_size_sum", label] == inferences
    assert told["orfeas_stage_queue_seconds_count", (("stage", "shape.sample"),)] >= 3
    assert ("orfeas_gpu_memory_bytes", label) not in told, "a processor's memory is not a device's"


def test_a_device_of_its_own_is_reported_everywhere(flask_client: FlaskClient, wired: Services) -> None:
    with_gpu(wired, samples=[0.1] * 5 + [0.5] * 5)
    health = flask_client.get("/api/health").get_json()
    assert health["gpu_info"] == {
        "allocated": 2_000_000_000, "reserved": 3_000_000_000, "total": 16_000_000_000, "free": 12_000_000_000,
        "allocated_mb": 2000.0, "reserved_mb": 3000.0, "total_mb": 16000.0, "free_mb": 12000.0,
    }  # fmt: skip
    checks = flask_client.get("/ready").get_json()["checks"]
    assert (checks["gpu"], checks["gpu_name"], checks["gpu_memory_total"]) == (True, "big device", 16_000_000_000)
    status = flask_client.get("/api/gpu/status").get_json()
    assert status["memory"] == {
        "total_mb": 16000.0, "used_mb": 2000.0, "free_mb": 12000.0, "cached_mb": 1000.0, "utilization_percent": 12.5,
    }  # fmt: skip
    assert status["trends"] == {
        "trend": "increasing", "avg_utilization": 30.0, "peak_utilization": 50.0, "min_utilization": 10.0,
        "variance": 400.0, "stable": False,
    }  # fmt: skip
    assert "7 times" in status["recommendations"][0]
    stats = flask_client.get("/api/v1/gpu/stats").get_json()
    assert (stats["gpu"]["name"], stats["gpu"]["available_gb"], stats["gpu"]["usage_percent"]) == (
        "big device",
        12.0,
        12.5,
    )
    assert (stats["optimal_batch_size"], stats["recommended_precision"]) == (8, "float16")
    info = flask_client.get("/api/models-info").get_json()
    assert (info["gpu_stats"]["total_mb"], info["models_loaded"]) == (16000.0, ["some-model"])
    told, label = scrape(flask_client), (("gpu_id", "cuda:0"),)
    assert told["orfeas_gpu_memory_bytes", label] == 16_000_000_000
    assert told["orfeas_gpu_oom_retries_total", label] == 7
    assert told["orfeas_gpu_utilization_ratio", label] == 0.5
    assert told["orfeas_batch_size_bucket", (("gpu_id", "cuda:0"), ("le", "2.0"))] == 5


def test_without_a_device_all_figures_are_zero(flask_client: FlaskClient) -> None:
    found = flask_client.get("/api/gpu/status").get_json()
    assert set(found["memory"].values()) == {0.0}
    assert (found["trends"]["trend"], found["trends"]["stable"], found["recommendations"]) == ("unknown", False, [])
    stats = flask_client.get("/api/v1/gpu/stats").get_json()
    assert (stats["gpu"]["available"], stats["gpu"]["name"], stats["devices"]) == (False, None, [])
    assert (stats["optimal_batch_size"], stats["status"]) == (1, "operational")
