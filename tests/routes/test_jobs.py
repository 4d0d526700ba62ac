"""Jobs over v1: read, list, end, make again, follow, fetch."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import trimesh
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from orfeas.jobs import outcome
from orfeas.routes import streams
from orfeas.storage.tables import assets, events
from tests.routes.reading import ReadingClient
from tests.serving import Server

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MEMBERS = {
    "id", "type", "state", "run", "runs", "created_at", "started_at", "finished_at", "queue_seconds", "run_seconds",
    "priority", "project_id", "batch_id", "tags", "request", "fingerprint", "cached", "joined_to", "progress",
    "queue_position", "eta_seconds", "sequence", "result", "error", "warnings", "retried_from", "derived_from", "links",
}  # fmt: skip


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    app.test_client_class = ReadingClient
    return app.test_client()


def start(client: FlaskClient, upload: Any, name: str = "star.png", **fields: Any) -> Any:
    fields = {"quality": 1, "formats": "stl", "preview": "false", **fields}
    return client.post("/api/v1/generations", data=upload(name, **fields))


def code(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    return response.status_code, response.get_json()["code"]


def told(text: str) -> list[dict[str, Any]]:
    """The messages of an event stream."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        fields = {line[0]: line[1] for line in lines}
        if "event" in fields:
            found.append({"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])})
    return found


def test_a_new_job_has_every_member_and_waits(client: FlaskClient, upload: Any) -> None:
    response = start(client, upload, tags="red,blue", priority=3)
    job = response.get_json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}" == job["links"]["self"]
    assert set(job) == MEMBERS
    assert (job["state"], job["queue_position"], job["priority"], job["tags"]) == ("queued", 1, 3, ["red", "blue"])
    assert job["result"] is job["error"] is job["started_at"] is None
    assert len(job["runs"]) == 1
    read = client.get(job["links"]["self"])
    assert read.get_json() == job
    assert 1 <= int(read.headers["Retry-After"]) <= 10


def test_a_finished_job_tells_its_files_measures_and_times(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    result = job["result"]
    assert (result["engine"], result["model"], result["licence"], result["degraded"]) == ("embedded", None, None, [])
    assert result["method"] in ("silhouette-inflation", "relief")
    (asset,) = result["assets"]
    assert (asset["role"], asset["format"], asset["filename"]) == ("model", "stl", "model.stl")
    stored = client.get(asset["url"])
    assert hashlib.sha256(stored.data).hexdigest() == asset["asset_id"]
    mesh = trimesh.load_mesh(BytesIO(stored.data), file_type="stl")
    assert mesh.is_watertight
    assert result["measures"]["stl"]["face_count"] == len(mesh.faces)
    assert set(result["timings"]) >= {"shape.surface", "mesh.export"}
    assert job["progress"]["percent"] == 100
    assert job["queue_seconds"] >= 0.0
    assert job["run_seconds"] >= 0.0
    assert job["finished_at"] >= job["started_at"] >= job["created_at"]


def test_reads_carry_an_etag_that_changes_with_the_job(client: FlaskClient, worker: Any, upload: Any) -> None:
    url = start(client, upload).get_json()["links"]["self"]
    first = client.get(url).headers["ETag"]
    assert client.get(url, headers={"If-None-Match": first}).status_code == 304
    worker.drain()
    after = client.get(url, headers={"If-None-Match": first})
    assert after.status_code == 200
    assert after.headers["ETag"] != first
    assert "Retry-After" not in after.headers


def test_waiting_ends_with_the_job_or_with_the_time(client: FlaskClient, worker: Any, upload: Any) -> None:
    url = start(client, upload).get_json()["links"]["self"]
    began = time.monotonic()
    assert client.get(f"{url}?wait=0.3").get_json()["state"] == "queued"
    assert time.monotonic() - began >= 0.3
    later = threading.Thread(target=worker.drain)
    later.start()
    answer = client.get(url, headers={"Prefer": "wait=30"})
    later.join()
    assert answer.get_json()["state"] == "succeeded"
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert code(client.get(f"{url}?wait=61")) == (422, "invalid_request")


def test_unknown_and_malformed_ids_are_404_everywhere(client: FlaskClient) -> None:
    for job_id in (UNKNOWN, "nonsense"):
        for path in ("", "/events", "/result", "/manifest"):
            assert code(client.get(f"/api/v1/jobs/{job_id}{path}")) == (404, "job_not_found")
        for path in ("/cancel", "/retry"):
            assert code(client.post(f"/api/v1/jobs/{job_id}{path}")) == (404, "job_not_found")
        assert code(client.post(f"/api/v1/jobs/{job_id}/derive", json={})) == (404, "job_not_found")
        assert code(client.delete(f"/api/v1/jobs/{job_id}")) == (404, "job_not_found")


def test_lists_are_filtered_and_paged(client: FlaskClient, finished: Any, upload: Any) -> None:
    done = finished(start(client, upload, tags="red"))["id"]
    waiting = [start(client, upload, target_faces=200 + i).get_json()["id"] for i in range(2)]
    ids = lambda query: [job["id"] for job in client.get(f"/api/v1/jobs?{query}").get_json()["items"]]  # noqa: E731
    assert ids("sort=created_at") == [done, *waiting]
    assert ids("state=queued") == waiting[::-1]
    assert ids("tag=red") == [done]
    assert ids("type=render") == []
    page = client.get("/api/v1/jobs?limit=2")
    assert [job["id"] for job in page.get_json()["items"]] == waiting[::-1]
    following = page.headers["Link"].split(";")[0].strip("<>")
    assert [job["id"] for job in client.get(following).get_json()["items"]] == [done]
    assert client.get(following).get_json()["next_cursor"] is None
    for wrong in ("state=lost", "limit=0", "limit=201", "sort=name", "colour=red"):
        assert code(client.get(f"/api/v1/jobs?{wrong}")) == (422, "invalid_request")
    assert code(client.get("/api/v1/jobs?cursor=x")) == (400, "bad_cursor")


def test_cancel_is_final_and_may_be_repeated(client: FlaskClient, worker: Any, upload: Any) -> None:
    job = start(client, upload).get_json()
    for _ in range(2):
        answer = client.post(job["links"]["cancel"])
        assert (answer.status_code, answer.get_json()["state"]) == (200, "cancelled")
    assert worker.drain() == 0
    assert code(client.get(job["links"]["result"])) == (404, "result_failed")
    assert code(client.get(job["links"]["manifest"])) == (404, "result_failed")


def test_a_final_job_stays_as_it_is_when_cancelled(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    assert client.post(job["links"]["cancel"]).get_json()["state"] == "succeeded"


def test_only_final_jobs_are_deleted_and_their_files_with_them(client: FlaskClient, finished: Any, upload: Any) -> None:
    response = start(client, upload)
    url = response.get_json()["links"]["self"]
    assert code(client.delete(url)) == (409, "job_not_final")
    job = finished(response)
    asset = job["result"]["assets"][0]
    assert client.delete(url).status_code == 204
    assert code(client.get(url)) == (404, "job_not_found")
    assert code(client.get(asset["url"])) == (404, "file_not_found")
    again = start(client, upload).get_json()
    assert again["cached"] is False


def test_retry_makes_a_new_job_with_the_same_request(client: FlaskClient, finished: Any, upload: Any) -> None:
    response = start(client, upload, tags="red")
    retry = f"{response.get_json()['links']['self']}/retry"
    assert code(client.post(retry)) == (409, "job_not_final")
    client.post(response.get_json()["links"]["cancel"])
    made = client.post(retry)
    assert made.status_code == 202
    job = finished(made)
    first = response.get_json()
    assert job["id"] != first["id"]
    assert (job["retried_from"], job["tags"]) == (first["id"], ["red"])
    assert (job["fingerprint"], job["request"]) == (first["fingerprint"], first["request"])
    cached = client.post(f"{job['links']['self']}/retry")
    assert (cached.status_code, cached.get_json()["cached"]) == (200, True)
    assert cached.get_json()["result"]["assets"] == job["result"]["assets"]


def test_derive_starts_at_the_kept_field(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    changes = {"target_faces": 500, "formats": ["off"], "octree_resolution": 40, "fit": "stretch",
               "dimensions_mm": {"width": 10, "height": 20, "depth": 30}}  # fmt: skip
    derived = finished(client.post(f"{job['links']['self']}/derive", json=changes))
    assert derived["derived_from"] == job["id"]
    assert not set(derived["result"]["timings"]) & {"image.prepare", "shape.inflate", "shape.relief"}
    mesh = trimesh.load_mesh(BytesIO(client.get(derived["result"]["assets"][0]["url"]).data), file_type="off")
    assert len(mesh.faces) == 500
    assert mesh.extents == pytest.approx([10, 20, 30], rel=1e-3)


def test_derive_refuses_what_it_cannot_do(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    url = f"{job['links']['self']}/derive"
    for wrong in ({"seed": 1}, {"target_faces": 99}, {"octree_resolution": 513}, {"formats": []}, {"formats": ["exe"]}):
        assert code(client.post(url, json=wrong)) == (422, "invalid_request")
    assert code(client.post(url, json={"require": {"watertight": "perhaps"}})) == (422, "invalid_request")
    assert code(client.post(url, json={"formats": ["fbx"]})) == (422, "format_unavailable")
    assert code(client.post(url, data="x", content_type="text/plain")) == (415, "unsupported_media_type")
    client.post("/api/v1/cache/clear", json={"tier": "latents"})
    assert code(client.post(url, json={"target_faces": 500})) == (409, "latent_gone")


def test_a_job_of_the_compatible_surface_is_derived_too(client: FlaskClient, finished: Any, upload: Any) -> None:
    record = finished(client.post("/api/generate", data=upload("star.png", quality=1)))
    derived = finished(client.post(f"/api/v1/jobs/{record['job_id']}/derive", json={"target_faces": 300}))
    assert derived["derived_from"] == record["job_id"]
    assert derived["result"]["measures"]["stl"]["face_count"] == 300


def test_the_result_is_the_main_file_and_is_converted_on_demand(
    client: FlaskClient, worker: Any, finished: Any, upload: Any
) -> None:
    response = start(client, upload)
    url = response.get_json()["links"]["result"]
    early = client.get(url)
    assert code(early) == (404, "result_not_ready")
    assert int(early.headers["Retry-After"]) >= 1
    job = finished(response)
    main = client.get(url)
    assert hashlib.sha256(main.data).hexdigest() == job["result"]["assets"][0]["asset_id"]
    assert client.get(url, headers={"Range": "bytes=0-79"}).data == main.data[:80]
    assert code(client.get(f"{url}?format=off&wait=0")) == (404, "result_not_ready")
    worker.drain()
    assert client.get(f"{url}?format=OFF").data.startswith(b"OFF")
    assert client.get(job["links"]["self"]).get_json() == job
    assert len(client.get("/api/v1/jobs").get_json()["items"]) == 1
    assert code(client.get(f"{url}?format=fbx")) == (422, "format_unavailable")
    assert code(client.get(f"{url}?format=exe")) == (422, "invalid_request")


def test_the_manifest_lists_inputs_operations_and_outputs(
    client: FlaskClient, finished: Any, upload: Any, data: Path
) -> None:
    job = finished(start(client, upload))
    found = client.get(job["links"]["manifest"]).get_json()
    picture = client.get(f"/api/v1/assets/{job['request']['image']['asset_id']}").get_json()
    assert [part["sha256"] for part in found["inputs"]] == [picture["id"]]
    assert found["outputs"][0]["sha256"] == job["result"]["assets"][0]["asset_id"]
    assert found["outputs"][0]["measures"]["face_count"] == job["result"]["measures"]["stl"]["face_count"]
    names = [operation["stage"] for operation in found["operations"]]
    assert names[0] == "image.prepare"
    assert names[-2:] == ["mesh.export", "mesh.verify"]
    made = {operation["fingerprint"] for operation in found["operations"]}
    assert all(set(op["inputs"]) <= made for op in found["operations"][1:])
    assert found["software"]["packages"]["numpy"].count(".") == 2
    assert (found["device"], found["model"], found["licence"], found["seed"]) == ("cpu", None, None, 0)
    assert found["fingerprint"] == job["fingerprint"]


def test_the_queue_tells_depth_and_age(client: FlaskClient, upload: Any) -> None:
    assert client.get("/api/v1/queue").get_json() == {
        "depth": 0, "running": 0, "oldest_seconds": None, "by_type": {}, "workers": [],
    }  # fmt: skip
    start(client, upload)
    found = client.get("/api/v1/queue").get_json()
    assert (found["depth"], found["by_type"]) == (1, {"generation": 1})
    assert found["oldest_seconds"] >= 0.0


def test_a_final_job_streams_its_state_and_its_end(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    response = client.get(job["links"]["events"])
    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.get_data(as_text=True).startswith("retry: 3000\n\n")
    state, end = told(response.get_data(as_text=True))
    assert (state["event"], end["event"]) == ("state", "end")
    assert state["id"] == state["data"]["sequence"] == job["sequence"]
    assert {name: state["data"][name] for name in MEMBERS} == job
    assert (end["data"]["state"], end["data"]["result"]) == ("succeeded", job["result"])


def test_later_events_are_replayed_in_order(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    whole = told(client.get(f"{job['links']['events']}?last_event_id=0").get_data(as_text=True))
    ids = [message["id"] for message in whole]
    assert ids == sorted(set(ids))
    assert ids[0] == 1
    assert [m["data"]["state"] for m in whole if m["event"] == "state"] == ["queued", "running", "succeeded"]
    percents = [message["data"]["progress"]["percent"] for message in whole if message["event"] == "progress"]
    assert percents == sorted(percents)
    assert whole[-1]["event"] == "end"
    half = ids[len(ids) // 2]
    rest = client.get(job["links"]["events"], headers={"Last-Event-ID": str(half)}).get_data(as_text=True)
    assert told(rest) == [message for message in whole if message["id"] > half]


def test_when_older_events_are_gone_the_state_comes_first(
    client: FlaskClient, finished: Any, upload: Any, wired: Any
) -> None:
    job = finished(start(client, upload))
    with wired.database.transaction() as connection:
        connection.execute(delete(events).where(events.c.sequence < 5))
    found = told(client.get(f"{job['links']['events']}?last_event_id=2").get_data(as_text=True))
    assert [message["event"] for message in found] == ["state", "end"]


def test_a_failed_job_ends_with_its_error(client: FlaskClient, upload: Any, wired: Any, finished: Any) -> None:
    response = start(client, upload)
    picture = response.get_json()["request"]["image"]["asset_id"]
    wired.blobs.delete(picture)
    job = finished(response, state="failed")
    _, end = told(client.get(job["links"]["events"]).get_data(as_text=True))
    assert end["data"]["error"] == job["error"]
    assert job["error"]["code"] == "asset_gone"
    assert "result" not in end["data"]


def test_a_live_stream_beats_and_ends_with_the_server(
    client: FlaskClient, upload: Any, wired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    url = start(client, upload).get_json()["links"]["events"]
    threading.Timer(0.5, wired.notifier.stop).start()
    began = time.monotonic()
    text = client.get(url).get_data(as_text=True)
    assert time.monotonic() - began < 2.0
    assert text.count(": heartbeat\n\n") >= 3
    assert wired.holders.held == 0


def test_a_deleted_job_ends_its_stream(client: FlaskClient, app: Flask, upload: Any) -> None:
    job = start(client, upload).get_json()
    answer = client.get(job["links"]["events"], buffered=False)
    lines = answer.iter_encoded()
    assert next(lines) == b"retry: 3000\n\n"
    assert b"event: state" in next(lines)
    client.post(job["links"]["cancel"])
    client.delete(job["links"]["self"])
    rest = b"".join(lines)
    answer.close()
    assert rest.count(b"event:") <= 2


def test_too_many_streams_are_refused_and_closed_ones_are_free_again(
    client: FlaskClient, finished: Any, upload: Any, wired: Any
) -> None:
    url = finished(start(client, upload))["links"]["events"]
    for _ in range(64):
        assert wired.holders.acquire("127.0.0.1")
    refused = client.get(url)
    assert code(refused) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "5"
    wired.holders.release("127.0.0.1")
    for _ in range(3):
        assert client.get(url).status_code == 200
    assert wired.holders.held == 63


def test_a_wrong_last_event_id_is_named(client: FlaskClient, finished: Any, upload: Any) -> None:
    url = finished(start(client, upload))["links"]["events"]
    assert code(client.get(f"{url}?last_event_id=x")) == (422, "invalid_request")
    assert client.get(url, headers={"Last-Event-ID": "not ours"}).status_code == 200


def test_a_stream_of_a_real_server_follows_a_job_to_its_end(server: Server, data: Path) -> None:
    with httpx.Client(base_url=server.url, timeout=60.0) as http:
        form = {"quality": "3", "formats": "stl", "preview": "false"}
        made = http.post("/api/v1/generations", files={"image": ("m.png", (data / "mug.png").read_bytes())}, data=form)
        job = made.json()
        with http.stream("GET", job["links"]["events"]) as stream:
            arrived, text = [], ""
            for piece in stream.iter_text():
                text += piece
                arrived.append(time.time())
        found = told(text)
        assert found[0]["event"] == "state"
        assert found[-1]["event"] == "end"
        assert found[-1]["data"]["state"] == "succeeded"
        ids = [message["id"] for message in found if message["event"] != "end"]
        assert ids == sorted(ids)
        assert http.get(job["links"]["self"]).json()["result"] == found[-1]["data"]["result"]


def test_the_storage_cap_refuses_new_work_and_answers_repeats(
    client: FlaskClient, finished: Any, upload: Any, wired: Any
) -> None:
    job = finished(start(client, upload))
    capped = replace(wired.jobs_engine._limits, storage_bytes=1)
    wired.jobs_engine._limits = capped
    image = {"asset_id": job["request"]["image"]["asset_id"]}
    same = {"image": image, "quality": 1, "formats": ["stl"], "preview": False}
    assert client.post("/api/v1/generations", json=same).get_json()["cached"] is True
    assert code(client.post("/api/v1/generations", json={**same, "quality": 2})) == (507, "disk_full")
    assert client.get(job["links"]["result"]).status_code == 200


def test_the_thumbnail_is_told_before_the_end_and_can_be_fetched(
    client: FlaskClient, upload: Any, worker: Any, wired: Any
) -> None:
    job = start(client, upload, preview="true").get_json()
    worker.drain()
    found = told(client.get(f"{job['links']['events']}?last_event_id=0").get_data(as_text=True))
    kinds = [message["event"] for message in found]
    shown = found[kinds.index("preview")]
    assert kinds.count("preview") == 1
    assert kinds.index("preview") < kinds.index("end")
    (listed,) = [asset for asset in found[-1]["data"]["result"]["assets"] if asset["role"] == "preview"]
    assert (shown["data"]["asset_id"], shown["data"]["url"]) == (listed["asset_id"], listed["url"])
    assert (shown["data"]["kind"], shown["data"]["state"], shown["data"]["run"]) == ("thumbnail", "running", 1)


def test_previews_are_there_while_their_run_is_at_work(
    client: FlaskClient, upload: Any, worker: Any, wired: Any
) -> None:
    job = start(client, upload, preview="true", formats="stl,off,ply").get_json()
    seen = []
    emit = outcome.emit

    def spy(connection: Any, job_id: str, kind: str, payload: dict[str, Any], **more: Any) -> int:
        if kind == "preview":
            rows = connection.execute(select(assets).where(assets.c.id == payload["asset_id"])).all()
            seen.append((rows[0].kind, rows[0].expires_at is not None, wired.blobs.exists(payload["asset_id"])))
        return emit(connection, job_id, kind, payload, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome, "emit", spy)
        worker.drain()
    assert seen == [("mesh", True, True), ("image", True, True)]
    asset_id = next(a["asset_id"] for a in client.get(job["links"]["self"]).get_json()["result"]["assets"][3:])
    assert client.get(f"/api/v1/assets/{asset_id}").get_json()["expires_at"] is None


def test_a_job_made_again_shows_its_picture_under_its_own_name(client: FlaskClient, upload: Any, finished: Any) -> None:
    job = finished(start(client, upload))
    again = client.post(f"{job['links']['self']}/retry").get_json()
    derived = client.post(f"{job['links']['self']}/derive", json={"target_faces": 500}).get_json()
    for made in (again, derived):
        record = client.get(f"/api/job-status/{made['id']}").get_json()
        assert record["filename"].startswith(made["id"])
        assert record["filename"].endswith("_star.png")
        assert client.get(record["preview_url"]).mimetype == "image/png"


def test_the_batch_filter_takes_ids_in_any_case(client: FlaskClient, upload: Any) -> None:
    picture = start(client, upload).get_json()["request"]["image"]
    batch = client.post("/api/v1/batches", json={"items": [{"image": picture, "quality": 2}]}).get_json()
    found = client.get(f"/api/v1/jobs?batch={batch['id'].upper()}").get_json()["items"]
    assert [job["id"] for job in found] == [batch["jobs"][0]["job_id"]]
