"""The main path over HTTP on a real server: create to completed, repeats, and health under load."""

from __future__ import annotations

import json
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image, ImageDraw

from benchmarks import load
from benchmarks.report import Goal, Ratio, document, machine, median, output_path, percentile, write
from tests.serving import Server

PHOTOS = 15
REPEATS = 100
STREAMS, WAITS = 64, 100
CONNECTIONS, RATE = 16, 100.0
ROUNDS, ROUND_S = 4, 2.0


def photo(number: int) -> bytes:
    """A photo-like 512 px PNG of its own: shading, noise and a subject on a plain ground."""
    generator = np.random.default_rng(number)
    image = Image.new("RGB", (512, 512), (236, 238, 240))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = generator.integers(160, 350, 2)
        width, height = generator.integers(50, 130, 2)
        colour = tuple(int(channel) for channel in generator.integers(30, 200, 3))
        draw.ellipse((x - width, y - height, x + width, y + height), fill=colour)
    pixels = np.asarray(image, dtype=np.float64) + generator.normal(0.0, 3.0, (512, 512, 3))
    stream = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def generate(client: httpx.Client, data: bytes, *, wait_s: int = 60, **members: Any) -> dict[str, Any]:
    """Create a generation of an uploaded photo and wait for its end."""
    body = json.dumps({"image": {"upload": "photo"}, **members})
    files: dict[str, tuple[str | None, str | bytes, str]] = {
        "request": (None, body, "application/json"),
        "photo": ("photo.png", data, "image/png"),
    }
    answer = client.post("/api/v1/generations", files=files, headers={"Prefer": f"wait={wait_s}"})
    answer.raise_for_status()
    return dict(answer.json())


def first_times(client: httpx.Client) -> tuple[list[float], list[float], dict[str, Any]]:
    """Seconds from create to completed, the share that no stage computed, and the last job."""
    times, shares = [], []
    generate(client, photo(999))
    for number in range(PHOTOS):
        data = photo(number)
        started = time.perf_counter()
        job = generate(client, data)
        took = time.perf_counter() - started
        if job["state"] != "succeeded" or job["cached"]:
            raise RuntimeError(f"not a fresh success: {job}")
        times.append(took)
        shares.append(1.0 - sum(job["result"]["timings"].values()) / took)
    return times, shares, job


def again(client: httpx.Client, job: dict[str, Any]) -> list[float]:
    """Seconds of the same request by JSON, answered complete."""
    body = {"image": job["request"]["image"]}
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        answer = client.post("/api/v1/generations", json=body)
        times.append(time.perf_counter() - started)
        if answer.status_code != 200 or not answer.json()["cached"]:
            raise RuntimeError(f"not answered from the cache: {answer.text}")
    return times


def health_under_load(client: httpx.Client, port: int) -> list[float]:
    """Response times of /api/health while workers compute and many wait."""
    slow = [
        generate(client, photo(2000 + number), wait_s=0, quality=10, octree_resolution=320, steps=60)
        for number in range(24)
    ]
    last = slow[-1]["id"]
    with (
        load.held_open(port, f"/api/v1/jobs/{last}/events", STREAMS),
        load.held_open(port, f"/api/v1/jobs/{last}?wait=60", WAITS),
    ):
        time.sleep(1.0)
        times = load.at_rate(port, "/api/health", connections=CONNECTIONS, per_second=RATE, seconds=10.0)
        if client.get(f"/api/v1/jobs/{last}").json()["state"] in ("succeeded", "failed"):
            raise RuntimeError("the workers were not busy all the time; give them more")
    for job in slow:
        client.post(f"/api/v1/jobs/{job['id']}/cancel").raise_for_status()
    return times


def closed_loops(port: int) -> tuple[float, float]:
    """Answers a second of /api/health and of a route that does nothing, in turns."""
    health, empty = [], []
    for _ in range(ROUNDS):
        health.append(load.closed_loop(port, "/api/health", connections=CONNECTIONS, seconds=ROUND_S))
        empty.append(load.closed_loop(port, "/test-simple", connections=CONNECTIONS, seconds=ROUND_S))
    return median(health), median(empty)


def main() -> None:
    """Measure and write."""
    path, facts = output_path("http"), machine()
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder)) as server,
        httpx.Client(base_url=server.url, timeout=120.0) as client,
    ):
        times, shares, job = first_times(client)
        repeats = again(client, job)
        idle = load.at_rate(server.port, "/api/health", connections=CONNECTIONS, per_second=RATE, seconds=5.0)
        health, empty = closed_loops(server.port)
        loaded = health_under_load(client, server.port)
    figures = {
        "create_to_completed_median": Goal(median(times), "s", 1.2),
        "overhead_share_median": Goal(median(shares), "share", 0.15),
        "same_again_p95": Goal(percentile(repeats, 0.95) * 1e3, "ms", 25.0),
        "health_under_load_p95": Goal(percentile(loaded, 0.95) * 1e3, "ms", 50.0),
        "health_idle_p95": Goal(percentile(idle, 0.95) * 1e3, "ms"),
        "health_closed_loop": Goal(health, "1/s"),
        "empty_closed_loop": Goal(empty, "1/s"),
        "health_of_empty_throughput": Goal(health / empty, "share", 0.5, at_least=True),
    }
    ratios = {
        "overhead_share": Ratio(median(shares), "lower"),
        "same_again_of_create": Ratio(median(repeats) / median(times), "lower"),
        "health_of_empty_throughput": Ratio(health / empty, "higher"),
    }
    write(path, document("http", figures, ratios, facts))


if __name__ == "__main__":
    main()
