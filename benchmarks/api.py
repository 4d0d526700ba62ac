"""Every read and the JSON creations over HTTP, with idle and with saturated workers; the upload of a large photo.

Open loop: 16 connections send 100 requests a second in all, on schedule. Closed loop: 80 and 150 clients each ask again
as soon as they are answered, nine reads of a job and one creation in ten.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks import load
from benchmarks.http import CONNECTIONS, RATE, generate, photo
from benchmarks.load import Ask
from benchmarks.report import RESULTS, Goal, Ratio, document, machine, median, percentile, write
from tests.serving import Server

DOCUMENT = Path(__file__).parents[1] / "openapi" / "openapi.json"
NOT_ASKED = {"/api/v1/jobs/{job_id}/events": "a stream; benchmarks.http and the tests measure events"}
SLOW_JOBS = 240
"""For each worker: some twelve minutes of work."""
UPLOADS = 20
STORED = 200
"""Uploaded pictures that models are made of in turn."""
READS_PER_CREATION = 9
SETTLE_S = 0.2
TARGET_MS, UPLOAD_TARGET_S, CLOSED_TARGET = 50.0, 1.0, 50.0
JSON = {"Content-Type": "application/json"}


class Things:
    """One of each kind of thing that paths name, and the paths of every read."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        job = generate(client, photo(1), quality=1)
        self.asset_id = job["request"]["image"]["asset_id"]
        picture = {"image": ("photo.png", photo(2), "image/png")}
        stored = [self._json(client.post("/api/upload-image", files=picture)) for _ in range(STORED + 1)]
        upload, self.compatible_id = stored[0], stored[0]["job_id"]
        self.stored_ids = [found["job_id"] for found in stored[1:]]
        self.generate_compatible({"job_id": self.compatible_id, "quality": 1})
        batch = {"job_ids": [self.compatible_id], "quality": 1}
        scene = self._json(client.post("/api/v1/scenes", json={"name": "bench"}))
        model = next(found["asset_id"] for found in job["result"]["assets"] if found["role"] == "model")
        members = {"input": {"asset_id": model}}
        self._json(client.post(f"/api/v1/scenes/{scene['id']}/objects", json=members))
        self._v1 = {
            "job_id": job["id"], "asset_id": self.asset_id, "scene_id": scene["id"], "model_id": "hunyuan3d-dit-v2-0",
            "batch_id": self._json(client.post("/api/v1/batches", json={"items": [{"prompt": "a red cube"}]}))["id"],
            "slug": "not-found",
        }  # fmt: skip
        self._compatible = {
            "job_id": self.compatible_id, "uid": self.compatible_id, "filename": "model.stl", "slug": "not-found",
            "batch_id": self._json(client.post("/api/batch-generate", json=batch))["batch_id"],
        }  # fmt: skip
        self._preview = upload["filename"]

    def reads(self) -> dict[str, str]:
        """The path to ask by the template, of every documented GET but `NOT_ASKED`."""
        paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
        return {path: self._filled(path) for path, item in paths.items() if "get" in item and path not in NOT_ASKED}

    def generate_compatible(self, body: dict[str, Any]) -> None:
        """Generate on the compatible surface and wait for the end."""
        job_id = self._json(self._client.post("/api/generate-3d", json=body))["job_id"]
        record = self._json(self._client.get(f"/api/job-status/{job_id}?wait=60"))
        if record["status"] != "completed":
            raise RuntimeError(f"not made: {record}")

    def _filled(self, path: str) -> str:
        names = dict(self._v1 if path.startswith("/api/v1/") else self._compatible)
        if path == "/api/preview/{filename}":
            names["filename"] = self._preview
        if path == "/api/preview-output/{job_id}/{filename}":
            names["filename"] = "preview.png"
        return path.format(**names)

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        answer.raise_for_status()
        return dict(answer.json())


def creations(things: Things) -> dict[str, Callable[[], Ask]]:
    """JSON creations, each time of something new: another seed of a picture, another number of faces of a model."""
    number = itertools.count(1000, 2)  # a closed surface has an even number of faces

    def picture(path: str) -> Callable[[], Ask]:
        return lambda: _post(path, {"prompt": "a red cube", "width": 256, "height": 256, "seed": next(number)})

    def model() -> Ask:
        return _post("/api/v1/generations", {"prompt": "a red gear", "quality": 1, "target_faces": next(number)})

    def compatible_model() -> Ask:
        found = next(number)
        body = {"job_id": things.stored_ids[found // 2 % STORED], "quality": 1, "target_faces": found}
        return _post("/api/generate-3d", body)

    return {
        "POST /api/v1/images": picture("/api/v1/images"),
        "POST /api/text-to-image": picture("/api/text-to-image"),
        "POST /api/v1/generations": model,
        "POST /api/generate-3d": compatible_model,
    }


def _post(path: str, body: dict[str, Any]) -> Ask:
    return Ask(path, "POST", json.dumps(body).encode(), JSON)


def large_photo() -> bytes:
    """A JPEG of 4000 x 3000 pixels, as a telephone makes it."""
    generator = np.random.default_rng(7)
    rough = generator.integers(0, 255, (300, 400, 3), dtype=np.uint8)
    image = Image.fromarray(rough).resize((4000, 3000), Image.Resampling.BICUBIC)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def uploads(client: httpx.Client) -> list[float]:
    """Seconds of each upload of a photo of 12 megapixels; all are stored anew."""
    times = []
    data = large_photo()
    for _ in range(UPLOADS):
        started = time.perf_counter()
        client.post("/api/upload-image", files={"image": ("photo.jpg", data, "image/jpeg")}).raise_for_status()
        times.append(time.perf_counter() - started)
    return times


def saturate(client: httpx.Client) -> None:
    """Give the workers more than they can do while this runs."""
    slow = {"quality": 10, "octree_resolution": 320, "steps": 60, "tags": ["slow"]}
    workers = sum(worker["queue"] == "cpu" for worker in client.get("/api/v1/queue").json()["workers"])
    for number in range(SLOW_JOBS * workers):
        generate(client, photo(2000 + number), wait_s=0, **slow)


def relieve(client: httpx.Client) -> None:
    """Cancel all that waits or runs."""
    for state in ("queued", "running"):
        while items := client.get(f"/api/v1/jobs?state={state}&limit=200").json()["items"]:
            for job in items:
                client.post(f"/api/v1/jobs/{job['id']}/cancel").raise_for_status()


class Bench:
    """Figures by name."""

    def __init__(self, client: httpx.Client, port: int, seconds: float) -> None:
        self.figures: dict[str, Goal] = {}
        self._client, self._port, self._seconds = client, port, seconds

    def open_loop(self, label: str, state: str, asked: load.Asked) -> None:
        """One operation at 100 requests a second; the first answer, which may have to be made, is not counted."""
        load.at_rate(self._port, asked, connections=1, per_second=1.0, seconds=0.5)
        started = time.perf_counter()
        times = load.at_rate(self._port, asked, connections=CONNECTIONS, per_second=RATE, seconds=self._seconds)
        rate = len(times) / (time.perf_counter() - started - 0.1)
        self.figures[f"{label} {state} p50"] = Goal(median(times) * 1e3, "ms")
        self.figures[f"{label} {state} p95"] = Goal(percentile(times, 0.95) * 1e3, "ms", TARGET_MS)
        self.figures[f"{label} {state} rate"] = Goal(rate, "1/s")
        time.sleep(SETTLE_S)

    def closed_loop(self, clients: int, mixed: Callable[[], Ask], limit: float | None) -> None:
        """A mixture of reads and creations as fast as answers come; an error ends the benchmark."""
        times = load.closed_loop_times(self._port, mixed, connections=clients, seconds=3.0 * self._seconds)
        name = f"closed loop of {clients}"
        self.figures[f"{name} rate"] = Goal(len(times) / (3.0 * self._seconds), "1/s", limit, at_least=True)
        self.figures[f"{name} p50"] = Goal(median(times) * 1e3, "ms")
        self.figures[f"{name} p95"] = Goal(percentile(times, 0.95) * 1e3, "ms")

    def uploads(self, state: str) -> None:
        """The upload of a large photo."""
        times = uploads(self._client)
        self.figures[f"upload of 12 MP {state} p50"] = Goal(median(times), "s")
        self.figures[f"upload of 12 MP {state} p95"] = Goal(percentile(times, 0.95), "s", UPLOAD_TARGET_S)


def mixture(things: Things, create: Callable[[], Ask]) -> Callable[[], Ask]:
    """Nine reads of a job, then a creation."""
    turn = itertools.count()
    read = Ask(f"/api/job-status/{things.compatible_id}")
    return lambda: create() if next(turn) % (READS_PER_CREATION + 1) == 0 else read


def measure(client: httpx.Client, port: int, seconds: float) -> dict[str, Goal]:
    """All figures."""
    things = Things(client)
    bench, made = Bench(client, port, seconds), creations(things)
    mixed = mixture(things, made["POST /api/v1/images"])
    for state in ("idle", "saturated"):
        if state == "saturated":
            saturate(client)
        for template, path in things.reads().items():
            bench.open_loop(f"GET {template}", state, path)
        bench.uploads(state)
        for label, create in made.items():
            bench.open_loop(label, state, create)
            if state == "idle":
                relieve(client)
    if not client.get("/api/v1/jobs?state=queued&tag=slow&limit=1").json()["items"]:
        raise RuntimeError(f"the workers have done {SLOW_JOBS} jobs each and were not saturated")
    relieve(client)
    bench.closed_loop(80, mixed, CLOSED_TARGET)
    relieve(client)
    bench.closed_loop(150, mixed, None)
    return bench.figures


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=RESULTS / "api.json")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each operation")
    options = parser.parse_args()
    facts = machine() | {"seconds": options.seconds, "not_asked": NOT_ASKED}
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder), queue_max=1_000_000, log_level="WARNING") as server,
        httpx.Client(base_url=server.url, timeout=120.0) as client,
    ):
        try:
            figures = measure(client, server.port, options.seconds)
        except Exception as error:
            error.add_note(server.log()[-8000:])
            raise
    worst = max(goal.value for name, goal in figures.items() if name.startswith("GET") and name.endswith("p95"))
    health = figures["GET /health idle p95"].value
    write(options.output, document("api", figures, {"worst_read_of_health": Ratio(worst / health, "lower")}, facts))


if __name__ == "__main__":
    main()
