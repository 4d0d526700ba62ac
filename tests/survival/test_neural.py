"""Many shapes by models with cancels, priorities and a killed gpu worker: none lost, none wrong, none twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from tests.routes.neural import Client, alone, serve
from tests.survival.conftest import FULL

JOBS = 200 if FULL else 8
MODELS = ("hunyuan3d-dit-v2-tiny", "hunyuan3d-dit-v2-tiny-turbo")
ENOUGH_S = 600.0


def test_cancels_priorities_and_a_killed_worker_leave_every_job_with_its_own_end(tmp_path: Path) -> None:
    chance = random.Random(4)
    asked = [
        {
            "model": chance.choice(MODELS), "steps": chance.randint(3, 25), "seed": number,
            "guidance_scale": float(chance.randint(2, 6)), "priority": chance.randint(1, 9),
        }
        for number in range(JOBS)
    ]  # fmt: skip
    with serve(tmp_path, queue_max=JOBS) as server:
        client = Client(server)
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda members: client.generate(members["seed"] % 3, **members).json(), asked))
        gone = {job["id"] for job in chance.sample(made, JOBS // 5)}
        _wait_for_work(client, made)
        _kill_worker(client)
        for job_id in gone:
            client.ask("POST", f"/api/v1/jobs/{job_id}/cancel")
        for job, members in zip(made, asked, strict=True):
            _has_its_own_end(client, job, members, cancelled=job["id"] in gone)
        listed = client.ask("GET", "/api/v1/jobs?limit=200").json()["items"]
        assert sorted(job["id"] for job in listed) == sorted(job["id"] for job in made)


def _wait_for_work(client: Client, made: list[dict[str, Any]]) -> None:
    """Until the first are sampled, so that the kill comes in the middle."""
    client.until(made[0], lambda _: any(client.job(job)["progress"]["stage"] == "shape.decode" for job in made))


def _kill_worker(client: Client) -> None:
    parents = [process for process in client.server.processes("_worker") if "gpu" in process.cmdline()]
    devices = client.devices()
    assert (len(parents), len(devices)) == (1, 1)
    parents[0].kill()
    devices[0].wait(10)


def _has_its_own_end(client: Client, job: dict[str, Any], members: dict[str, Any], *, cancelled: bool) -> None:
    shown = client.until(job, lambda found: found["state"] in ("succeeded", "failed", "cancelled"), ENOUGH_S)
    if cancelled and shown["state"] == "cancelled":
        return
    assert shown["state"] == "succeeded", shown["error"]
    expected = alone(
        members["model"], members["seed"] % 3, members["steps"], members["seed"], members["guidance_scale"]
    )
    torch.testing.assert_close(client.latents(shown), expected, atol=1e-4, rtol=0.0)
