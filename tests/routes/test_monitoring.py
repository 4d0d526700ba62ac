"""Health, readiness and metrics."""

from __future__ import annotations

import re
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from orfeas.errors import DatabaseUnavailableError
from orfeas.services import Services
from orfeas.services.monitoring import State, Watch
from orfeas.storage.tables import workers


def scrape(client: FlaskClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of /metrics by its name and labels."""
    response = client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(response.get_data(as_text=True))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def with_worker(wired: Services, queue: str = "cpu") -> None:
    """Write the row of a worker that beats now."""
    now = time.time()
    with wired.database.transaction() as connection:
        connection.execute(
            workers.insert().values(
                id=f"w-{queue}", queue=queue, device="cpu", host="here", pid=1, started_at=now, heartbeat_at=now,
                state="idle",
            )
        )  # fmt: skip


def with_gpu(wired: Services, **members: Any) -> None:
    """Write the row and report of a gpu worker that beats now."""
    now = time.time()
    use = {
        "model": "some-model", "place": "a/b", "precision": "float16", "parts": {"vae": 10, "denoiser": 20},
        "used_at": now, "in_use": False,
    }  # fmt: skip
    report = {
        "name": "big device", "memory_total": 16 * 10**9, "memory_budget": 12 * 10**9, "memory_used": 10**9,
        "memory_measured": 2 * 10**9, "memory_reserved": 3 * 10**9, "memory_free": 12 * 10**9, "memory_peak": 10**9,
        "utilisation": 0.5, "busy_s": 1.5, "models": [use], "active": [], "batches": {"1": 3, "2": 2, "4": 1},
        "executions": 6, "inferences": 11, "loads": 3, "evictions": 1, "oom_retries": 7, "best_batch": 8,
        "samples": [], **members,
    }  # fmt: skip
    with wired.database.transaction() as connection:
        connection.execute(
            workers.insert().values(
                id="w-gpu", queue="gpu", device="cuda:0", host="here", pid=1, started_at=now, heartbeat_at=now,
                state="idle", report=report,
            )
        )  # fmt: skip


def test_health_says_what_is_at_work(client: FlaskClient, wired: Services, data: Path) -> None:
    form = {"image": (BytesIO((data / "mug.png").read_bytes()), "mug.png"), "quality": "1"}
    assert client.post("/api/v1/generations", data=form).status_code == 202
    with_worker(wired)
    found = client.get("/api/health").get_json()
    assert (found["status"], found["server"], found["mode"]) == ("healthy", "orfeas", "safe_fallback")
    assert (found["active_jobs"], found["queued_jobs"], found["models_status"]) == (0, 1, "ready")
    assert found["gpu_info"] == {
        "allocated": 0, "reserved": 0, "total": 0, "free": 0,
        "allocated_mb": 0.0, "reserved_mb": 0.0, "total_mb": 0.0, "free_mb": 0.0,
    }  # fmt: skip
    assert found["uptime_seconds"] > 0.0
    assert found["timestamp"].endswith("Z")


def test_health_asks_the_database_at_most_twice_a_second(
    client: FlaskClient, wired: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    real = wired.jobs_engine.queue_status

    def counted(*args: Any) -> Any:
        asked.append(time.monotonic())
        return real(*args)

    monkeypatch.setattr(wired.jobs_engine, "queue_status", counted)
    began = time.monotonic()
    for _ in range(100):
        assert client.get("/api/health").status_code == 200
    assert len(asked) <= 1 + (time.monotonic() - began) / 0.5


def test_one_reader_at_a_time_and_nobody_waits_for_it() -> None:
    reads: list[State] = []

    def read() -> State:
        if reads:
            assert watch.get() is reads[0], "the others take the old state meanwhile"
        reads.append(State(depth=len(reads)))
        return reads[-1]

    watch = Watch(read, fresh_s=-1.0)
    assert watch.get().depth == 0
    assert watch.get().depth == 1


def test_a_server_is_ready_when_somebody_would_do_the_work(client: FlaskClient, wired: Services) -> None:
    before = client.get("/ready")
    assert (before.status_code, before.get_json()["status"]) == (503, "not_ready")
    assert before.get_json()["checks"] == {
        "application": True, "database": True, "disk": True, "worker": False, "gpu": False, "models": False,
        "gpu_name": None, "gpu_memory_total": 0,
    }  # fmt: skip
    with_worker(wired, "io")
    time.sleep(0.12)
    assert client.get("/ready").status_code == 503, "an io worker makes no models"
    with_worker(wired)
    time.sleep(0.12)
    after = client.get("/ready")
    assert (after.status_code, after.get_json()["status"]) == (200, "ready")


def test_too_little_disk_is_not_ready(client: FlaskClient, wired: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with_worker(wired)
    monkeypatch.setattr(wired.blobs, "free_bytes", lambda: -1)
    refused = client.get("/ready")
    assert (refused.status_code, refused.get_json()["checks"]["disk"]) == (503, False)


@pytest.mark.parametrize(
    "error", [OperationalError("SELECT", {}, Exception("gone")), DatabaseUnavailableError()], ids=["library", "named"]
)
def test_a_lost_database_is_said_and_liveness_goes_on(
    client: FlaskClient, wired: Services, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(wired.jobs_engine, "queue_status", broken)
    assert client.get("/api/health").status_code == 200
    refused = client.get("/ready")
    assert (refused.status_code, refused.get_json()["checks"]["database"]) == (503, False)


def test_waiters_are_woken_after_the_database_was_away(
    client: FlaskClient, wired: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.post("/api/v1/images", json={"prompt": "a red cube"}).get_json()
    look, away = wired.notifier._look, threading.Event()

    def once_away(*args: Any) -> int:
        if not away.is_set():
            away.set()
            raise DatabaseUnavailableError
        return look(*args)

    monkeypatch.setattr(wired.notifier, "_look", once_away)
    cancelling = threading.Thread(target=lambda: away.wait(10.0) and client.post(f"{job['links']['self']}/cancel"))
    cancelling.start()
    started = time.monotonic()
    ended = client.application.test_client().get(f"{job['links']['self']}?wait=30").get_json()
    cancelling.join()
    assert ended["state"] == "cancelled"
    assert time.monotonic() - started < 20.0


def test_models_info_never_fails(client: FlaskClient, wired: Services) -> None:
    found = client.get("/api/models-info").get_json()
    assert (found["mode"], found["device"], found["models_loaded"]) == ("safe_fallback", "cpu", [])
    assert found["shapegen_ready"] is False
    assert found["engines"]["hunyuan3d"]["reason"]
    assert wired.config.engine == "auto"


def test_plain_answers(client: FlaskClient) -> None:
    assert client.get("/health").get_json()["service"] == "orfeas-backend"
    assert client.get("/test-simple").get_json() == {"test": "works"}


def test_metrics_count_requests_by_template_and_problems_by_code(client: FlaskClient) -> None:
    for _ in range(3):
        client.get("/api/v1/jobs/00000000-0000-4000-8000-000000000000")
    client.get("/some/where/else")
    client.open("/health", method="BREW")
    found = scrape(client)
    template = ("endpoint", "/api/v1/jobs/<job_id>")
    assert found["orfeas_requests_total", (template, ("method", "GET"), ("status", "404"))] == 3
    assert found["orfeas_errors_total", (template, ("error_type", "job_not_found"))] == 3
    assert found["orfeas_request_duration_seconds_count", (template, ("method", "GET"))] == 3
    assert found["orfeas_requests_total", (("endpoint", "(none)"), ("method", "GET"), ("status", "404"))] == 1
    assert not any("/some/where" in str(labels) or "BREW" in str(labels) for _, labels in found)
    assert found["orfeas_requests_in_progress", ()] == 1, "the scrape itself"


def test_metrics_tell_what_the_rows_say(client: FlaskClient, finished: Any, data: Path) -> None:
    def create(quality: int) -> Any:
        form = {"image": (BytesIO((data / "mug.png").read_bytes()), "mug.png"), "quality": str(quality)}
        return client.post("/api/v1/generations", data=form)

    job = finished(create(1))
    create(1)
    create(2)
    found = scrape(client)
    kind = ("type", "generation")
    assert found["orfeas_generations_total", (("provider", "embedded"), ("status", "succeeded"), kind)] == 2
    seconds = found["orfeas_generation_duration_seconds_sum", (("provider", "embedded"), kind)]
    assert seconds == pytest.approx(job["queue_seconds"] + job["run_seconds"], abs=0.01)
    assert found["orfeas_generation_duration_seconds_count", (("provider", "embedded"), kind)] == 1, "cached is no work"
    assert found["orfeas_job_queue_size", (kind,)] == 1
    assert found["orfeas_job_queue_age_seconds", ()] >= 0.0
    for stage, took in job["result"]["timings"].items():
        labels = (("engine", "embedded"), ("stage", stage))
        assert found["orfeas_stage_seconds_sum", labels] == pytest.approx(took, abs=1e-4)
    assert found["orfeas_cache_bytes", ()] > 0
    assert found["orfeas_cache_requests_total", (("result", "hit"), ("tier", "stages"))] > 0
    for name in ("orfeas_memory_usage_bytes", "orfeas_disk_free_bytes"):
        assert found[name, ()] > 1_000_000
    for name in ("orfeas_cpu_usage_percent", "orfeas_memory_usage_percent"):
        assert 0.0 <= found[name, ()] <= 100.0


def test_every_metric_of_a_machine_without_a_gpu_is_there(client: FlaskClient) -> None:
    text = client.get("/metrics").get_data(as_text=True)
    named = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {"orfeas_batch_size", "orfeas_gpu_memory_bytes", "orfeas_gpu_memory_allocated_bytes"} <= named
    assert "gpu_id=" not in text


def test_conversions_are_not_counted_as_generations(
    client: FlaskClient, finished: Any, data: Path, worker: Any
) -> None:
    form = {"image": (BytesIO((data / "mug.png").read_bytes()), "mug.png"), "quality": "1", "formats": "stl"}
    job = finished(client.post("/api/v1/generations", data=form))
    client.get(f"/api/v1/jobs/{job['id']}/result?format=off&wait=0")
    assert scrape(client)["orfeas_job_queue_size", (("type", "convert"),)] == 1
    worker.drain()
    assert {dict(labels)["type"] for name, labels in scrape(client) if name == "orfeas_generations_total"} == {
        "generation"
    }
