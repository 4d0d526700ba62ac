"""Socket.IO against the real server, with the real client."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio

from tests.serving import Server

DATA = Path(__file__).parents[1] / "data"
WAIT_S = 20.0
NAMES = (
    "connected", "connection_established", "job_update", "generation_progress", "stage_change", "generation_complete",
    "generation_error", "batch_progress", "subscribed", "unsubscribed", "pong", "test_pong", "error",
)  # fmt: skip


class Listener:
    """A client that keeps all it hears, each with the time at which it came."""

    def __init__(self, server: Server, transport: str = "websocket", **options: Any) -> None:
        self.client = socketio.Client(reconnection=False)
        self.heard: list[tuple[str, dict[str, Any], float]] = []
        self._news: queue.Queue[None] = queue.Queue()
        for name in NAMES:
            self.client.on(name, self._hearing(name))
        self.client.connect(server.url, transports=[transport], wait_timeout=5, **options)

    def _hearing(self, name: str) -> Callable[[Any], None]:
        def hear(data: Any = None) -> None:
            self.heard.append((name, data, time.time()))
            self._news.put(None)

        return hear

    def all(self, name: str, job_id: str | None = None) -> list[dict[str, Any]]:
        return [data for kind, data, _ in self.heard if kind == name and (not job_id or data.get("job_id") == job_id)]

    def wait(self, name: str, job_id: str | None = None) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if found := self.all(name, job_id):
                return found[-1]
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=0.2)
        raise AssertionError(f"no {name} of {job_id}; heard {[kind for kind, _, _ in self.heard]}")


@pytest.fixture
def listen(server: Server) -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def start(**options: Any) -> Listener:
        made.append(Listener(server, **options))
        return made[-1]

    yield start
    for listener in made:
        listener.client.disconnect()


def photo(name: str = "mug.png") -> tuple[str, BytesIO]:
    return name, BytesIO((DATA / name).read_bytes())


def generate(server: Server, **fields: Any) -> dict[str, Any]:
    form = {"quality": "1", "format": "stl", **fields}
    answer = httpx.post(f"{server.url}/api/generate", data=form, files={"image": photo()})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_page_that_subscribes_to_nothing_follows_a_job_to_its_end(server, listen, transport):
    listener = listen(transport=transport)
    assert listener.client.transport() == transport
    assert listener.wait("connected")["status"] == "connected"
    assert listener.wait("connection_established")["sid"]
    started = generate(server, octree_resolution=40 if transport == "polling" else 41)
    end = listener.wait("generation_complete", started["job_id"])
    assert end["success"] is True
    assert end["output_file"].startswith(f"/api/download/{started['job_id']}/model_")
    assert httpx.get(server.url + end["output_file"]).status_code == 200
    assert end["result"]["assets"]
    progress = [told["progress"] for told in listener.all("generation_progress", started["job_id"])]
    assert progress == sorted(progress)
    stages = [told["stage"] for told in listener.all("stage_change", started["job_id"])]
    assert len(stages) == len(set(stages)) > 1
    assert not listener.all("job_update")  # those go to subscribers


def test_a_subscriber_gets_the_state_at_once_and_every_update_in_order(server, listen):
    listener = listen()
    started = generate(server, octree_resolution=42, quality="4")
    listener.client.emit("subscribe_job", {"job_id": started["job_id"].upper()})
    assert listener.wait("subscribed")["job_id"] == started["job_id"]
    listener.wait("generation_complete", started["job_id"])
    deadline = time.monotonic() + 5
    while listener.all("job_update")[-1]["status"] != "completed" and time.monotonic() < deadline:
        time.sleep(0.05)
    updates = listener.all("job_update")
    assert updates[-1]["status"] == "completed"
    sequences = [update["sequence"] for update in updates]
    assert sequences == sorted(sequences)
    record = httpx.get(f"{server.url}/api/job-status/{started['job_id']}").json()
    assert updates[-1] == record


def test_a_late_subscriber_of_an_instant_hit_still_hears_that_it_is_complete(server, listen):
    first = listen()
    started = generate(server, octree_resolution=43)
    first.wait("generation_complete", started["job_id"])
    again = generate(server, octree_resolution=43)
    assert again["cached"] is True
    late = listen()
    late.client.emit("subscribe", {"job_id": again["job_id"]})
    assert late.wait("job_update", again["job_id"])["status"] == "completed"
    assert late.wait("generation_complete", again["job_id"])["success"] is True
    assert len(first.all("generation_complete", started["job_id"])) == 1  # the answer was for the late one alone


def test_a_failed_job_is_told_as_an_error(server, listen):
    listener = listen()
    form = {"quality": "1", "mc_level": "1", "formats": "stl"}
    started = httpx.post(f"{server.url}/api/v1/generations", data=form, files={"image": photo()}).json()
    told = listener.wait("generation_error", started["id"])
    assert told["code"] == "empty_surface"
    assert told["recoverable"] is False
    assert told["error"]


def test_what_cannot_be_followed_is_an_error_message(listen):
    listener = listen()
    for data in ({}, {"job_id": "x"}, {"job_id": 5}, "nothing", None, {"job_id": "0" * 36}):
        listener.heard.clear()
        listener.client.emit("subscribe_job", data)
        assert listener.wait("error")["code"] == "job_not_found"
    listener.client.emit("unsubscribe", {})
    assert listener.wait("error")["message"]


def test_after_unsubscribing_updates_stop(server, listen):
    listener = listen()
    started = generate(server, octree_resolution=44)
    listener.client.emit("subscribe_job", {"job_id": started["job_id"]})
    listener.client.emit("unsubscribe", {"job_id": started["job_id"]})
    listener.wait("unsubscribed")
    count = len(listener.all("job_update"))
    listener.wait("generation_complete", started["job_id"])
    assert len(listener.all("job_update")) == count


def test_pings_are_answered(listen):
    listener = listen()
    listener.client.emit("test_ping", {"x": 1})
    assert listener.wait("test_pong")["timestamp"].endswith("Z")
    listener.client.emit("ping")
    assert listener.wait("pong")["timestamp"]


def test_a_batch_tells_its_progress(server, listen):
    listener = listen()
    files = [("files", photo("mug.png")), ("files", photo("star.png"))]
    answer = httpx.post(f"{server.url}/api/batch-generate", files=files, data={"quality": "1"}).json()
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        told = [entry for entry in listener.all("batch_progress") if entry["batch_id"] == answer["batch_id"]]
        if told and told[-1]["counts"]["completed"] == 2:
            break
        time.sleep(0.05)
    assert told[-1]["progress"] == 100
    assert set(told[-1]["gpu_usage"]) == {"memory_used_mb", "memory_total_mb"}


def test_events_arrive_within_a_quarter_of_a_second(server, listen):
    listener = listen()
    lags = []
    for size in range(50, 56):
        started = generate(server, octree_resolution=size)
        listener.wait("generation_complete", started["job_id"])
        for kind, data, at in listener.heard:
            if kind == "generation_complete" and data["job_id"] == started["job_id"]:
                finished = httpx.get(f"{server.url}/api/v1/jobs/{started['job_id']}").json()["finished_at"]
                lags.append(at - _epoch(finished))
    assert sorted(lags)[len(lags) // 2] < 0.25


def _epoch(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_a_foreign_origin_or_host_is_refused(tmp_path):
    with Server(tmp_path, cpu_workers=1, disk_reserve_mb=0, cors_origins="https://pages.example") as server:
        polling = f"{server.url}/socket.io/?EIO=4&transport=polling"
        assert httpx.get(polling, headers={"Origin": "https://evil.example"}).status_code == 400
        assert httpx.get(polling, headers={"Origin": "https://pages.example"}).status_code == 200
        own = httpx.get(polling, headers={"Origin": server.url})
        assert own.status_code == 200
        assert own.headers["X-Content-Type-Options"] == "nosniff"
        assert own.headers["Server"] == "orfeas"
        refused = httpx.get(polling, headers={"Host": "evil.example"})
        assert (refused.status_code, refused.json()["code"]) == (421, "bad_host")


def test_the_server_ends_quickly_while_clients_are_connected(tmp_path):
    server = Server(tmp_path, cpu_workers=1, disk_reserve_mb=0).start()
    listeners = [Listener(server, transport) for transport in ("websocket", "websocket", "polling")]
    gone = threading.Event()
    listeners[0].client.on("disconnect", lambda *_: gone.set())
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 5.0
    assert gone.wait(2.0)
    for listener in listeners:
        listener.client.disconnect()
