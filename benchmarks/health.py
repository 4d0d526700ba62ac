"""How quick `/api/health` answers while a model is sampled: a real server whose device is the processor.

That is the worst case: the device takes the cores that the web process answers on. The device process is nice 10.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks import checkpoints, load
from benchmarks.http import CONNECTIONS, RATE, generate, photo
from benchmarks.report import Goal, Ratio, document, machine, median, output_path, percentile, write
from tests.serving import Server

SIZE, JOBS, STEPS = "tiny", 24, 100
SECONDS, TARGET_MS, START_S = 10.0, 50.0, 20.0


def while_sampling(client: httpx.Client, port: int) -> list[float]:
    """Response times in seconds while several items are in the batch from the first to the last answer."""
    _, model = checkpoints.place(SIZE)
    jobs = [
        generate(client, photo(number), wait_s=0, model=model, steps=STEPS, seed=number, octree_resolution=32)
        for number in range(JOBS)
    ]
    deadline = time.monotonic() + START_S
    while "shape.sample" not in _stages(client):
        if time.monotonic() > deadline:
            raise RuntimeError("nothing is sampled")
        time.sleep(0.02)
    times = load.at_rate(port, "/api/health", connections=CONNECTIONS, per_second=RATE, seconds=SECONDS)
    if not client.get("/api/v1/queue").json()["running"]:
        raise RuntimeError("the device was not busy all the time; give it more")
    for job in jobs:
        client.post(f"/api/v1/jobs/{job['id']}/cancel").raise_for_status()
    return times


def _stages(client: httpx.Client) -> set[str | None]:
    """Where the jobs stand that are not final."""
    items = client.get("/api/v1/jobs?limit=200").json()["items"]
    return {job["progress"]["stage"] for job in items if job["state"] == "running"}


def main() -> None:
    """Measure and write."""
    path, facts = output_path("health"), machine() | {"size": SIZE, "jobs": JOBS, "steps": STEPS}
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        checkpoints.write(models, SIZE)
        options: dict[str, Any] = {"device": "cpu", "model_dir": models, "cpu_workers": 1, "disk_reserve_mb": 0}
        with (
            Server(Path(folder) / "data", **options) as server,
            httpx.Client(base_url=server.url, timeout=120.0) as client,
        ):
            generate(client, photo(0), model=checkpoints.place(SIZE)[1], steps=3, octree_resolution=32)
            idle = load.at_rate(server.port, "/api/health", connections=CONNECTIONS, per_second=RATE, seconds=3.0)
            loaded = while_sampling(client, server.port)
    figures = {
        "health_while_sampling_p50": Goal(median(loaded) * 1e3, "ms"),
        "health_while_sampling_p95": Goal(percentile(loaded, 0.95) * 1e3, "ms", TARGET_MS),
        "health_idle_p95": Goal(percentile(idle, 0.95) * 1e3, "ms"),
    }
    ratios = {"health_of_idle": Ratio(percentile(loaded, 0.95) / percentile(idle, 0.95), "lower")}
    write(path, document("health", figures, ratios, facts))


if __name__ == "__main__":
    main()
