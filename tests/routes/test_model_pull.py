"""Pulling and checking models: a real server, its io worker, and a hub on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from orfeas.config import Config
from tests.conftest import DATA
from tests.hub import Hub
from tests.serving import Server

MODELS = "/api/v1/models"
TINY = DATA / "hunyuan3d" / "models"
TURBO = TINY / "tencent/Hunyuan3D-2tiny/hunyuan3d-dit-v2-tiny-turbo"
MODEL, PLACE, REPO = "hunyuan3d-dit-v2-0-turbo", "tencent/Hunyuan3D-2/hunyuan3d-dit-v2-0-turbo", "tencent/Hunyuan3D-2"
WEIGHTS = "model.fp16.safetensors"
SIZE = (TURBO / WEIGHTS).stat().st_size
PIECE = 256 << 10
PULL = f"{MODELS}/{MODEL}/pull"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A repository with one model, which the catalogue knows by name; its weights are tiny."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(TURBO, folder / PLACE)
    shutil.copytree(TURBO, folder / "me/mirror" / MODEL)
    (folder / PLACE / "model.fp16.ckpt").write_bytes(b"weights that are not needed")
    with Hub(folder) as running:
        yield running


@pytest.fixture(scope="module")
def pulling(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    before = os.environ.get("HF_ENDPOINT")
    os.environ["HF_ENDPOINT"] = hub.url
    try:
        with Server(tmp_path_factory.mktemp("pulling"), cpu_workers=1, disk_reserve_mb=0) as running:
            yield running
    finally:
        os.environ.pop("HF_ENDPOINT") if before is None else os.environ.update(HF_ENDPOINT=before)


@pytest.fixture
def web(pulling: Server, hub: Hub) -> Iterator[httpx.Client]:
    """A client of a server that has no model."""
    hub.reset()
    with httpx.Client(base_url=pulling.url, timeout=60, trust_env=False) as client:
        yield client
        hub.reset()
        for job in client.get("/api/v1/jobs").json()["items"]:
            client.post(f"{job['links']['cancel']}")
        deadline = time.monotonic() + 10
        while client.delete(f"{MODELS}/{MODEL}").status_code == 409 and time.monotonic() < deadline:
            time.sleep(0.05)


def model(web: httpx.Client) -> Any:
    return web.get(f"{MODELS}/{MODEL}").json()


def start(web: httpx.Client, **body: Any) -> Any:
    answer = web.post(PULL, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def ended(web: httpx.Client, job: Any) -> Any:
    return web.get(job["links"]["self"], params={"wait": 50}).json()


def wait_for(condition: Any, limit_s: float = 20.0) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def begun(server: Server) -> int:
    """Bytes of weights that are staged."""
    return sum(path.stat().st_size for path in server.data_dir.glob(f"models/.incoming/*/.{WEIGHTS}.*.part"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_pull_brings_the_files_that_are_needed_and_the_commit(web: httpx.Client, hub: Hub, pulling: Server) -> None:
    job = ended(web, start(web))
    assert (job["type"], job["state"], job["error"]) == ("model_pull", "succeeded", None)
    found = model(web)
    assert (found["state"], found["revision"]) == ("installed", hub.commit(REPO))
    assert {file["path"]: file["sha256"] for file in found["files"]} == {
        name: sha256(TURBO / name) for name in ("config.yaml", WEIGHTS)
    }
    folder = pulling.data_dir / "models" / PLACE
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", WEIGHTS]
    assert not list(pulling.data_dir.glob("models/.incoming/*/"))
    assert [name for name, _ in hub.requests] == [f"{MODEL}/config.yaml", f"{MODEL}/{WEIGHTS}"]
    checked = web.post(f"{MODELS}/{MODEL}/verify?wait=50").json()
    assert (checked["type"], checked["state"], checked["warnings"]) == ("model_verify", "succeeded", [])


def test_a_model_on_its_way_is_downloading_and_never_half_there(web: httpx.Client, hub: Hub, pulling: Server) -> None:
    hub.wrong.pause_s = 0.02
    job = start(web)
    wait_for(lambda: begun(pulling) > SIZE // 4)
    assert model(web)["state"] == "downloading"
    assert not (pulling.data_dir / "models" / PLACE).exists()
    refused = web.delete(f"{MODELS}/{MODEL}")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_in_use")
    shown = web.get(job["links"]["self"]).json()["progress"]
    assert shown["stage"] == "model.pull"
    assert 0 < wait_for(lambda: web.get(job["links"]["self"]).json()["progress"]["percent"]) < 100
    assert ended(web, job)["state"] == "succeeded"
    assert model(web)["state"] == "installed"


def test_a_second_pull_joins_the_first(web: httpx.Client, hub: Hub) -> None:
    hub.wrong.pause_s = 0.01
    first, second = start(web), start(web)
    assert second["joined_to"] == first["id"]
    assert [ended(web, job)["state"] for job in (first, second)] == ["succeeded"] * 2
    assert len(hub.requests) == 2


def test_a_download_that_breaks_off_goes_on_with_a_range(web: httpx.Client, hub: Hub, pulling: Server) -> None:
    hub.wrong.break_after = SIZE // 2
    job = ended(web, start(web))
    assert (job["state"], job["error"]["code"], job["error"]["retryable"]) == ("failed", "upstream_failed", True)
    assert model(web)["state"] == "absent"
    kept = begun(pulling)
    assert SIZE // 2 - PIECE <= kept < SIZE
    assert kept > 0
    hub.reset()
    again = web.post(f"{job['links']['self']}/retry").json()
    assert again["retried_from"] == job["id"]
    assert ended(web, again)["state"] == "succeeded"
    assert (f"{MODEL}/{WEIGHTS}", f"bytes={kept}-") in hub.requests
    assert f"{MODEL}/config.yaml" not in [name for name, _ in hub.requests]
    assert sha256(pulling.data_dir / "models" / PLACE / WEIGHTS) == sha256(TURBO / WEIGHTS)


def test_a_cancelled_download_stops_and_goes_on_when_it_is_pulled_again(
    web: httpx.Client, hub: Hub, pulling: Server
) -> None:
    hub.wrong.pause_s = 0.05
    job = start(web)
    wait_for(lambda: begun(pulling))
    assert web.post(job["links"]["cancel"]).json()["state"] == "cancelled"
    wait_for(lambda: model(web)["state"] == "absent")
    kept = begun(pulling)
    assert 0 < kept < SIZE
    hub.reset()
    assert ended(web, start(web))["state"] == "succeeded"
    assert hub.requests == [(f"{MODEL}/{WEIGHTS}", f"bytes={kept}-")]


def test_a_killed_worker_costs_no_more_than_it_had_not_written(web: httpx.Client, hub: Hub, pulling: Server) -> None:
    hub.wrong.pause_s = 0.02
    job = start(web)
    wait_for(lambda: begun(pulling) > SIZE // 4)
    (io,) = [process for process in pulling.processes("_worker") if "io" in process.cmdline()]
    io.send_signal(signal.SIGKILL)
    done = ended(web, job)
    assert (done["state"], done["error"]) == ("succeeded", None)
    weights = [asked for name, asked in hub.requests if name.endswith(WEIGHTS)]
    assert weights[0] is None
    assert int(weights[1].removeprefix("bytes=").rstrip("-")) > SIZE // 4
    assert model(web)["state"] == "installed"


def test_a_stopped_worker_gives_a_pull_back_at_once_and_it_counts_no_attempt(
    web: httpx.Client, hub: Hub, pulling: Server
) -> None:
    hub.wrong.pause_s = 0.05
    job = start(web)
    wait_for(lambda: begun(pulling) > SIZE // 8)
    (io,) = [process for process in pulling.processes("_worker") if "io" in process.cmdline()]
    io.terminate()
    io.wait(5.0)
    hub.wrong.pause_s = 0.0
    assert ended(web, job)["state"] == "succeeded"
    with contextlib.closing(sqlite3.connect(pulling.data_dir / "orfeas.db")) as database:
        query = "SELECT attempts FROM stages WHERE name = 'model.pull' ORDER BY id DESC LIMIT 1"
        assert database.execute(query).fetchone() == (1,)


def test_a_wrong_hash_keeps_nothing(web: httpx.Client, hub: Hub, pulling: Server) -> None:
    hub.wrong.flip = True
    job = ended(web, start(web))
    assert (job["state"], job["error"]["code"]) == ("failed", "checksum_mismatch")
    assert job["error"]["files"] == [WEIGHTS]
    assert model(web)["state"] == "absent"
    assert not list(pulling.data_dir.glob("models/.incoming/*/"))


def test_a_damaged_model_is_noticed_and_only_the_damaged_file_comes_again(
    web: httpx.Client, hub: Hub, pulling: Server
) -> None:
    ended(web, start(web))
    weights = pulling.data_dir / "models" / PLACE / WEIGHTS
    data = bytearray(weights.read_bytes())
    data[1000] ^= 1
    weights.write_bytes(data)
    checked = web.post(f"{MODELS}/{MODEL}/verify?wait=50").json()
    assert (checked["state"], checked["error"]["code"]) == ("failed", "checksum_mismatch")
    assert checked["error"]["files"] == [WEIGHTS]
    found = model(web)
    assert (found["state"], found["revision"]) == ("corrupt", None)
    assert found["warnings"] == [f"{WEIGHTS} is not the file that was published. Pull the model again."]
    hub.reset()
    assert ended(web, start(web))["state"] == "succeeded"
    assert hub.requests == [(f"{MODEL}/{WEIGHTS}", None)]
    assert (model(web)["state"], model(web)["revision"]) == ("installed", hub.commit(REPO))


def test_a_damaged_model_is_noticed_without_being_asked(web: httpx.Client, pulling: Server) -> None:
    ended(web, start(web))
    with (pulling.data_dir / "models" / PLACE / "config.yaml").open("a") as stream:
        stream.write("# changed\n")
    assert wait_for(lambda: model(web)["state"] == "corrupt")


def test_pulling_what_is_there_downloads_nothing(web: httpx.Client, hub: Hub) -> None:
    ended(web, start(web))
    hub.reset()
    assert ended(web, start(web))["state"] == "succeeded"
    assert hub.requests == []


def test_another_repository_may_be_the_source(web: httpx.Client, hub: Hub) -> None:
    job = ended(web, start(web, source="me/mirror"))
    assert job["state"] == "succeeded"
    assert job["request"]["source"] == "me/mirror"
    assert model(web)["revision"] == hub.commit("me/mirror")


def test_a_repository_that_does_not_exist_is_told(web: httpx.Client) -> None:
    job = ended(web, start(web, source="me/nothing"))
    assert (job["state"], job["error"]["code"]) == ("failed", "model_unavailable")
    assert "me/nothing" in job["error"]["detail"]


def test_a_disk_that_is_too_small_is_told_before_anything_comes(web: httpx.Client, hub: Hub) -> None:
    hub.wrong.listed_size = 10**15
    job = ended(web, start(web))
    assert (job["state"], job["error"]["code"], job["error"]["status"]) == ("failed", "disk_full", 507)
    assert "1000000000 MB are to come" in job["error"]["detail"]
    assert hub.requests == []


def test_a_size_that_was_not_published_is_refused(web: httpx.Client, hub: Hub, tmp_path: Path) -> None:
    shutil.copytree(TURBO, tmp_path / "hunyuan3d-dit-v2-mini")
    job = ended(web, web.post(f"{MODELS}/hunyuan3d-dit-v2-mini/pull", json={"source": str(tmp_path)}).json())
    assert (job["state"], job["error"]["code"]) == ("failed", "checksum_mismatch")


def test_a_repeated_request_with_a_key_gets_the_first_answer(web: httpx.Client) -> None:
    answers = [web.post(PULL, json={}, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    ended(web, answers[0].json())


# without a hub


@pytest.mark.parametrize("source", [TINY, TURBO.parent, TURBO])
def test_a_folder_is_a_source_also_without_a_network(tmp_path: Path, source: Path, offline: Any) -> None:
    client, worker, config = offline
    put = "hunyuan3d-dit-v2-tiny-turbo"
    shutil.copytree(TURBO, config.model_dir / "tencent/Hunyuan3D-2tiny" / put)
    (config.model_dir / "tencent/Hunyuan3D-2tiny" / put / WEIGHTS).write_bytes(b"broken")
    job = client.post(f"{MODELS}/{put}/pull", json={"source": str(source)}).get_json()
    worker.drain()
    assert client.get(job["links"]["self"]).get_json()["state"] == "succeeded"
    found = client.get(f"{MODELS}/{put}").get_json()
    assert found["state"] == "installed"
    assert len(found["revision"]) == 64
    assert {file["path"]: file["sha256"] for file in found["files"]}[WEIGHTS] == sha256(TURBO / WEIGHTS)


def test_without_a_network_the_hub_is_refused(offline: Any) -> None:
    client, _, _ = offline
    refused = client.post(PULL, json={})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "capability_missing")
    assert "ORFEAS_OFFLINE" in refused.get_json()["detail"]


@pytest.mark.parametrize("source", ["/nowhere", "relative/folder/deep", "../x", "", "a b/c", "/etc"])
def test_a_source_that_is_none_is_refused(client: FlaskClient, source: str) -> None:
    refused = client.post(PULL, json={"source": source})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid_request")
    assert refused.get_json()["errors"][0]["pointer"] == "/source"


def test_what_is_not_there_cannot_be_checked(client: FlaskClient) -> None:
    refused = client.post(f"{MODELS}/{MODEL}/verify")
    assert (refused.status_code, refused.get_json()["code"]) == (503, "model_unavailable")


def test_checking_what_has_no_published_hash_says_so(client: FlaskClient, config: Config, finished: Any) -> None:
    shutil.copytree(TURBO, config.model_dir / "mine/tiny")
    job = finished(client.post(f"{MODELS}/tiny/verify"))
    assert job["warnings"] == [
        f"No hash of config.yaml, {WEIGHTS} was published with the files: they were hashed, and compared with nothing."
    ]
    (config.model_dir / "mine/tiny" / WEIGHTS).unlink()
    job = finished(client.post(f"{MODELS}/tiny/verify"), "failed")
    assert job["error"]["code"] == "checksum_mismatch"


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Any]:
    from orfeas.app import create_app
    from orfeas.jobs.inprocess import LocalWorker
    from orfeas.jobs.wakeups import LocalWakeups
    from orfeas.services import build_services

    config = Config(data_dir=tmp_path / "offline", disk_reserve_mb=0, offline=True)
    services = build_services(config)
    worker = LocalWorker(services.database, services.blobs, LocalWakeups(config.data_dir), config=config)
    yield create_app(config, services).test_client(), worker, config
    services.notifier.stop()
    services.database.dispose()
