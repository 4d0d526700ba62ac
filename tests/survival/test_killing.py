"""`kill -9` at random points: every job ends succeeded with the right file, none twice."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

import pytest
import trimesh

from tests.serving import Server
from tests.survival import jobs
from tests.survival.conftest import FULL, Scale
from tests.survival.killing import Killer

SEED = 20
VICTIMS = ("child", "parent", "web", "supervisor")
TURNS = [(victim,) for victim in VICTIMS] if FULL else [VICTIMS]
"""In full each has a server of its own; else one server loses one of each."""
STRIKING_S = 240.0


@pytest.mark.parametrize("victims", TURNS, ids="-".join)
def test_killing_loses_no_job(tmp_path: Path, scale: Scale, victims: tuple[str, ...]) -> None:
    with Server(tmp_path, cpu_workers=2, disk_reserve_mb=0) as server:
        made: dict[str, jobs.Picture] = {}
        for _ in range(scale.jobs):
            _create(server, made)
        killers = [Killer(server, victim, SEED) for victim in victims]
        for killer in killers:
            _strike(server, killer, made, scale.kills)
        found = jobs.wait_all(server.url, list(made), timeout_s=300.0)

        assert [killer.kills for killer in killers] == [scale.kills] * len(victims)
        assert {job["state"] for job in found.values()} == {"succeeded"}, [job["error"] for job in found.values()]
        for job_id, drawing in made.items():
            data = jobs.model(server.url, found[job_id])
            assert jobs.glb_inputs(data) == [drawing.pixel_sha256]
            mesh = trimesh.load_mesh(BytesIO(data), file_type="glb")
            mesh.merge_vertices(merge_tex=True, merge_norm=True)
            assert mesh.is_watertight
        assert _listed(server) == sorted(made)
        assert server.stop() == 0


def _create(server: Server, made: dict[str, jobs.Picture]) -> None:
    drawing = jobs.picture(len(made))
    made[jobs.create(server.url, drawing)["id"]] = drawing


def _strike(server: Server, killer: Killer, made: dict[str, jobs.Picture], kills: int) -> None:
    """Kill so often, at random points of work: there is always some."""
    deadline = time.monotonic() + STRIKING_S
    while killer.kills < kills and time.monotonic() < deadline:
        time.sleep(killer.pause_s())
        if all(jobs.read(server.url, job_id)["state"] in jobs.FINAL for job_id in list(made)[-3:]):
            _create(server, made)
        killer.strike()


def _listed(server: Server) -> list[str]:
    answer = jobs.patiently("GET", f"{server.url}/api/v1/jobs", params={"limit": 200})
    return sorted(job["id"] for job in answer.json()["items"])
