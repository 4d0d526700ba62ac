"""Profiles on both surfaces, what they change, and what finished runs took."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, text

from orfeas.domain.profiles import Switches, step_down, switches_of
from orfeas.services import build_services
from orfeas.storage.tables import jobs, runs

ULTRA = "/api/ultra-performance"
SUMMARY = "/api/performance/summary"


@pytest.fixture
def job_id(client: FlaskClient, upload: Any) -> str:
    """A stored picture."""
    return str(client.post("/api/upload-image", data=upload("star.png")).get_json()["job_id"])


@pytest.fixture
def generate(client: FlaskClient, job_id: str) -> Any:
    """Ask for a quick model of the stored picture."""

    def ask(path: str = "/api/generate-3d", **members: Any) -> Any:
        return client.post(path, json={"job_id": job_id, "quality": 3, **members})

    return ask


def ultra(generate: Any, **members: Any) -> Any:
    return generate("/api/ultra-generate-3d", **members)


def status(client: FlaskClient) -> Any:
    return client.get(f"{ULTRA}/status").get_json()


@pytest.mark.parametrize(
    "name, steps", [("standard", (10, 50)), ("enhanced", (10, 50)), ("ultra", (6, 30)), ("quantum", (5, 25))]
)
def test_the_steps_of_a_profile_round_up(name: str, steps: tuple[int, int]) -> None:
    switches = switches_of(name, compiles=False)
    assert (switches.steps(10), switches.steps(50)) == steps
    assert (Switches(steps_factor=0.6).steps(3), Switches(steps_factor=0.6).steps(7)) == (3, 5)


def test_profiles_step_down_to_standard() -> None:
    assert [step_down(name) for name in ("quantum", "ultra", "enhanced", "standard")] == [
        "ultra", "enhanced", "standard", None,
    ]  # fmt: skip


def test_at_start_every_switch_is_off_but_monitoring(client: FlaskClient) -> None:
    found = status(client)
    assert found["enabled"] is False
    assert found["reason"]
    standing = dict(found["status"])
    assert standing.pop("performance_monitor_active")
    assert standing.pop("security_amplifier_enabled")
    assert standing.pop("cache_manager_active")
    assert standing == {
        "speed_optimizer_enabled": False, "accuracy_enhancer_enabled": False, "quantum_protocols_active": False,
        "optimization_level": "disabled", "active_optimizations": [],
    }  # fmt: skip
    assert all(value is None for name, value in found["performance_metrics"].items() if name != "total_optimizations")
    assert client.post(f"{ULTRA}/disable").get_json()["success"] is True


def test_an_enabled_profile_holds_for_compatible_requests_and_over_restarts(
    client: FlaskClient, generate: Any, finished: Any, config: Any, upload: Any
) -> None:
    plain = finished(generate())
    enabled = client.post(f"{ULTRA}/enable").get_json()
    assert (enabled["optimization_level"], enabled["result"]["settings"]["embedded_grid_factor"]) == ("quantum", 0.6)
    assert {entry["setting"] for entry in enabled["result"]["unavailable"]} >= {"precision", "compiled_denoiser"}
    again = build_services(config)
    assert again.performance.settings().profile == "quantum"
    again.notifier.stop()
    again.database.dispose()
    faster = finished(generate())
    assert (plain["settings"]["octree_resolution"], faster["settings"]["octree_resolution"]) == (80, 48)
    assert faster["ultra_performance"]["algorithms_used"] == ["grid x 0.6", "mesh repair"]
    assert "ultra_performance" not in plain
    named = finished(generate(octree_resolution=64))
    assert named["settings"]["octree_resolution"] == 64
    v1 = finished(client.post("/api/v1/generations", data=upload("star.png", quality=3)))
    assert v1["result"]["settings"]["octree_resolution"] == 80
    assert "mesh.repair" not in v1["result"]["timings"]
    client.post(f"{ULTRA}/disable")
    assert generate().get_json()["settings"]["octree_resolution"] == 80
    assert status(client)["performance_metrics"]["total_optimizations"] == 2


def test_v1_takes_a_profile_and_its_retries_and_conversions_keep_it(
    client: FlaskClient, upload: Any, finished: Any
) -> None:
    form = upload("star.png", quality=3, profile="ultra", formats="glb")
    job = finished(client.post("/api/v1/generations", data=form))
    result = job["result"]
    assert (result["profile"], result["settings"]["octree_resolution"]) == ("ultra", 56)
    assert "precision" in {entry["setting"] for entry in result["settings"]["unavailable"]}
    again = client.post(f"/api/v1/jobs/{job['id']}/retry").get_json()
    assert (again["cached"], again["fingerprint"]) == (True, job["fingerprint"])
    derived = finished(client.post(f"/api/v1/jobs/{job['id']}/derive", json={"target_faces": 900}))
    assert derived["result"]["settings"]["octree_resolution"] == 56
    estimate = client.post(
        "/api/v1/generations/estimate", data=upload("star.png", quality=3, profile="ultra", formats="glb")
    ).get_json()
    assert (estimate["cached"], estimate["settings"]["octree_resolution"]) == (True, 56)


def test_ultra_generate_says_what_the_profile_means_here(generate: Any, finished: Any) -> None:
    answer = ultra(generate)
    found = answer.get_json()["ultra_performance"]
    assert (found["enabled"], found["profile"], found["settings"]["embedded_grid_factor"]) == (True, "ultra", 0.7)
    assert found["settings"]["unavailable"]
    assert (found["measured_speedup"], found["basis"]) == (None, {"runs": 0, "reference_runs": 0})
    assert found["expected_improvements"] == {"speed": None, "accuracy": None, "security": None}
    made = finished(answer)["ultra_performance"]
    assert (made["profile"], made["algorithms_used"], made["measured_speedup"]) == ("ultra", ["grid x 0.7"], None)
    assert made["processing_time"] > 0
    plain = finished(ultra(generate, profile="standard"))
    assert plain["ultra_performance"]["algorithms_used"] == []
    assert ultra(generate, profile="warp").status_code == 400
    assert ultra(generate, job_id="x").status_code == 400


def test_three_runs_of_each_give_a_measured_speedup(client: FlaskClient, generate: Any, finished: Any) -> None:
    took: dict[str, list[float]] = {"standard": [], "enhanced": []}
    for number in range(3):
        for name, seconds in took.items():
            job = finished(ultra(generate, profile=name, use_cache=False))
            seconds.append(job["processing_time"])
            measured = job["ultra_performance"]["measured_speedup"] is not None
            assert measured == (number == 2 and name == "enhanced")
    found = ultra(generate, profile="enhanced").get_json()["ultra_performance"]
    expected = sum(took["standard"]) / sum(took["enhanced"])
    assert found["measured_speedup"] == pytest.approx(expected, rel=0.02)
    assert found["basis"] == {"runs": 3, "reference_runs": 3}
    client.post(f"{ULTRA}/enable", json={"optimization_level": "enhanced"})
    metrics = status(client)["performance_metrics"]
    assert metrics["speed_multiplier"] == found["measured_speedup"]
    assert metrics["optimization_efficiency"] == pytest.approx(metrics["speed_multiplier"], abs=1e-3)
    assert (metrics["success_rate"], metrics["accuracy_improvement"]) == (1.0, None)


def test_models_of_sentences_take_no_steps_and_can_be_compared(client: FlaskClient, finished: Any) -> None:
    finished(client.post("/api/v1/generations", json={"prompt": "a red cube", "quality": 1, "preview": False}))
    client.post("/api/ultra-performance/enable", json={"optimization_level": "enhanced"})
    assert status(client)["performance_metrics"]["speed_multiplier"] is None


def test_the_summary_is_of_runs_that_computed_and_of_monitored_stages(
    client: FlaskClient, generate: Any, finished: Any
) -> None:
    empty = client.get(SUMMARY).get_json()
    assert (empty["total_pipelines"], empty["stage_breakdown"], empty["error"]) == (0, {}, "no finished runs yet")
    job = finished(generate())
    finished(generate())  # cached: it computes nothing
    found = client.get(SUMMARY).get_json()
    assert found["total_pipelines"] == 1
    assert found["avg_duration"] == pytest.approx(job["processing_time"], abs=0.002)
    assert found["stage_breakdown"]["shape.inflate"]["count"] == 1
    shares = sum(stage["avg_duration"] for stage in found["stage_breakdown"].values())
    for entry in found["bottlenecks"]:
        seconds = found["stage_breakdown"][entry["stage"]]["avg_duration"]
        assert entry["avg_percent"] == pytest.approx(100.0 * seconds / shares, abs=0.1)
        assert entry["severity"] == (
            "critical" if entry["avg_percent"] >= 60 else "high" if entry["avg_percent"] >= 40 else "medium"
        )
    client.post(f"{ULTRA}/config", json={"performance_monitoring": False})
    finished(generate(quality=4))
    after = client.get(SUMMARY).get_json()
    assert after["total_pipelines"] == 2
    assert after["stage_breakdown"] == found["stage_breakdown"]


def test_settings_are_replaced_and_wrong_names_are_400_with_what_there_is(client: FlaskClient) -> None:
    body = {"optimization_profile": "enhanced", "enabled_engines": ["accuracy"], "auto_optimization": True}
    changed = client.post(f"{ULTRA}/config", json=body).get_json()
    kept = changed["updated_configuration"]
    assert (kept["optimization_profile"], kept["enabled_engines"], kept["auto_optimization"]) == (
        "enhanced", ["accuracy", "security"], True,
    )  # fmt: skip
    assert "security" in changed["warnings"][0]
    found = client.get(f"{ULTRA}/config").get_json()
    assert (found["configuration"], found["current_mode"]) == (kept, "disabled")
    for path, wrong, allowed in (
        ("config", {"optimization_profile": "x"}, "ultra"),
        ("config", {"enabled_engines": ["x"]}, "accuracy"),
        ("enable", {"optimization_level": "x"}, "quantum"),
    ):
        refused = client.post(f"{ULTRA}/{path}", json=wrong)
        assert refused.status_code == 400
        assert allowed in refused.get_json()["allowed"]
    assert client.get(f"{ULTRA}/config").get_json()["configuration"] == kept


def test_automatic_optimization_allows_lighter_settings_on_the_compatible_surface_alone(
    client: FlaskClient, generate: Any, upload: Any, wired: Any
) -> None:
    client.post(f"{ULTRA}/config", json={"auto_optimization": True})
    client.post(f"{ULTRA}/enable", json={"optimization_level": "ultra"})
    v1 = client.post("/api/v1/generations", data=upload("star.png", quality=5)).get_json()
    ours, refused = generate(), generate(quality=4, allow_degrade=False)
    assert (ours.status_code, refused.status_code) == (200, 200)
    with wired.database.read() as connection:
        rows = connection.execute(text("SELECT quality, fallbacks FROM runs")).all()
    allowed = {row.quality: row.fallbacks != "[]" for row in rows}
    assert allowed == {5: False, 3: True, 4: False}
    assert v1["request"]["allow_degrade"] is False


def test_the_start_value_comes_from_the_environment(tmp_path: Any) -> None:
    from orfeas.config import Config

    services = build_services(Config(data_dir=tmp_path, profile="ultra", disk_reserve_mb=0))
    kept = services.performance.settings()
    services.notifier.stop()
    services.database.dispose()
    assert (kept.enabled, kept.in_force) == (True, "ultra")


def test_advice_rests_on_figures(client: FlaskClient, wired: Any) -> None:
    assert client.get("/api/performance/recommendations").get_json() == {"recommendations": [], "details": []}
    _finished_runs(wired, 4, seconds=lambda number: 50.0 if number % 2 else 250.0)
    found = client.get("/api/performance/recommendations").get_json()
    codes = {entry["code"]: entry for entry in found["details"]}
    assert codes["slow_runs"]["evidence"] == {"avg_duration": 150.0}
    assert codes["uneven_runs"]["evidence"] == {"max_duration": 250.0, "min_duration": 50.0}
    assert found["recommendations"] == [entry["message"] for entry in found["details"]]


def test_ten_thousand_runs_do_not_slow_the_summary(client: FlaskClient, wired: Any) -> None:
    _finished_runs(wired, 10_000, seconds=lambda _: 1.0)
    with wired.database.read() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE state='succeeded' AND cached IS 0 "
                "AND started_at IS NOT NULL ORDER BY finished_at DESC LIMIT 50"
            )
        ).all()
    assert "ix_runs_state_cached_finished_at" in plan[0].detail
    client.get(SUMMARY)
    started = time.perf_counter()
    assert client.get(SUMMARY).get_json()["total_pipelines"] == 50
    status(client)
    assert time.perf_counter() - started < 0.5


def _finished_runs(wired: Any, number: int, *, seconds: Any) -> None:
    """Rows of runs that have ended."""
    same = {"tenant": "default", "created_at": 0.0}
    job = {"surface": "v1", "tags": [], "input": {}, "state": "succeeded", "updated_at": 0.0, **same}
    run = {
        "number": 1, "type": "generation", "request": {}, "engine": "embedded", "profile": "standard", "quality": 7,
        "settings": {"steps": 10}, "fingerprint": "f", "outputs": [], "fallbacks": [], "weights": {},
        "weights_measured": False, "state": "succeeded", "priority": 5, "cached": False, "joined": False,
        "private": False, "reused": [], "degraded": [], "warnings": [], **same,
    }  # fmt: skip
    with wired.database.transaction() as connection:
        connection.execute(insert(jobs), [{**job, "id": f"j{n}"} for n in range(number)])
        connection.execute(
            insert(runs),
            [
                {**run, "id": f"r{n}", "job_id": f"j{n}", "started_at": float(n), "finished_at": n + seconds(n)}
                for n in range(number)
            ],
        )
