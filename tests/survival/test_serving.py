"""Ports, shared data folders, full disks, cancelling and draining, with real processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import Server
from tests.survival import jobs

SLOW = {"quality": 10, "octree_resolution": 320, "steps": 60}
"""Long enough to be met at work."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one worker that tests may end."""
    server = Server(tmp_path_factory.mktemp("alone"), cpu_workers=1, disk_reserve_mb=0)
    yield server
    server.stop()


@pytest.fixture
def alone(ended: Server) -> Server:
    """The same, at work; it takes seconds to start."""
    if ended.process is None or ended.process.poll() is not None:
        ended.start()
    return ended


def test_a_taken_port_is_a_clear_error(alone: Server, tmp_path: Path) -> None:
    second = Server(tmp_path, port=alone.port, cpu_workers=1)
    assert second.launch().wait(20.0) == 1
    assert f"Port {alone.port} on 127.0.0.1 is taken" in second.log()
    assert "Traceback" not in second.log()
    assert httpx.get(f"{alone.url}/health").status_code == 200


def test_two_servers_on_one_data_folder_share_the_work(tmp_path: Path) -> None:
    """Both start on an empty folder at once: tables and secret are made once."""
    servers = [Server(tmp_path, cpu_workers=1, disk_reserve_mb=0) for _ in range(2)]
    starters = [threading.Thread(target=server.launch) for server in servers]
    try:
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
        for server in servers:
            assert jobs.patiently("GET", f"{server.url}/ready").status_code == 200
        made = [jobs.create(servers[number % 2].url, jobs.picture(number))["id"] for number in range(6)]
        found = jobs.wait_all(servers[1].url, made, timeout_s=120.0)
        assert {job["state"] for job in found.values()} == {"succeeded"}
        assert len(httpx.get(f"{servers[0].url}/api/v1/jobs").json()["items"]) == 6
        queues = [worker["queue"] for worker in httpx.get(f"{servers[0].url}/api/v1/queue").json()["workers"]]
        assert queues.count("cpu") == 2
    finally:
        statuses = [server.stop() for server in servers]
    assert statuses == [0, 0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "orfeas-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_refuses_work_and_keeps_results(small_disk: Path, tmp_path: Path) -> None:
    with Server(small_disk, log_dir=tmp_path / "logs", cpu_workers=1, disk_reserve_mb=8) as server:
        first = jobs.create(server.url, jobs.picture(1))
        before = jobs.wait_all(server.url, [first["id"]], 60.0)[first["id"]]
        data = jobs.model(server.url, before)
        filler = small_disk / "filler"
        status = os.statvfs(small_disk)
        filler.write_bytes(bytes(status.f_bavail * status.f_frsize - 4_000_000))

        refused = httpx.post(
            f"{server.url}/api/v1/uploads", files={"file": ("a.png", jobs.picture(2).data, "image/png")}
        )
        assert refused.status_code == 507, refused.text
        assert refused.json()["code"] == "disk_full"
        assert jobs.model(server.url, jobs.read(server.url, first["id"])) == data
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert httpx.get(f"{server.url}/ready").status_code == 503

        filler.unlink()
        again = jobs.create(server.url, jobs.picture(2))
        assert jobs.wait_all(server.url, [again["id"]], 60.0)[again["id"]]["state"] == "succeeded"


def test_cancelling_queued_and_running_jobs_stops_the_work(alone: Server) -> None:
    running, queued = (jobs.create(alone.url, jobs.picture(number), **SLOW)["id"] for number in range(2))
    _until(lambda: jobs.read(alone.url, running)["state"] == "running")
    for job_id in (queued, running):
        answer = httpx.post(f"{alone.url}/api/v1/jobs/{job_id}/cancel")
        assert answer.status_code == 200
        assert answer.json()["state"] == "cancelled"
    _until(lambda: all(worker["job_id"] is None for worker in _workers(alone)), timeout_s=2.0)
    after = jobs.create(alone.url, jobs.picture(9))["id"]
    assert jobs.wait_all(alone.url, [after], 60.0)[after]["state"] == "succeeded"
    assert jobs.read(alone.url, running)["state"] == "cancelled"


def test_sigterm_drains(alone: Server) -> None:
    """Streams are closed, the stage in hand is kept or given back, and the next start goes on with it."""
    job_id = jobs.create(alone.url, jobs.picture(3), quality=8)["id"]
    with httpx.stream("GET", f"{alone.url}/api/v1/jobs/{job_id}/events", timeout=30.0) as stream:
        lines = stream.iter_lines()
        assert next(lines)
        started = time.monotonic()
        assert alone.stop() == 0
        assert time.monotonic() - started < 12.0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{alone.url}/health", timeout=2.0)
    alone.start()
    assert jobs.wait_all(alone.url, [job_id], 60.0)[job_id]["state"] == "succeeded"


def test_work_that_arrives_while_the_server_ends_is_sent_away(alone: Server) -> None:
    body = b'{"prompt": "a red cube"}'
    with socket.create_connection(("127.0.0.1", alone.port), timeout=10.0) as line:
        line.sendall(f"POST /api/v1/generations HTTP/1.1\r\nHost: 127.0.0.1:{alone.port}\r\n".encode())
        time.sleep(0.5)  # until a thread reads it: only then is it waited for
        ending = threading.Thread(target=alone.stop)
        ending.start()
        time.sleep(0.5)
        line.sendall(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        head, _, problem = b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")
        ending.join()
    assert b" 503 " in head.splitlines()[0], head
    assert b"retry-after: 5" in head.lower()
    assert json.loads(problem)["code"] == "shutting_down"


def _workers(server: Server) -> list[dict[str, object]]:
    return list(httpx.get(f"{server.url}/api/v1/queue").json()["workers"])


def _until(condition: object, timeout_s: float = 30.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
