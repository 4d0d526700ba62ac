"""Batches of both surfaces."""

from io import BytesIO

import pytest

from orfeas.config import Config

BATCHES = "/api/v1/batches"


@pytest.fixture
def picture(client, upload):
    """The id of a stored picture."""
    return client.post("/api/v1/uploads", data=upload("star.png", "file")).get_json()["id"]


@pytest.fixture
def start(client, picture):
    """A v1 batch with an item for each dict of further members."""

    def ask(*items, **members):
        body = {"items": [{"image": {"asset_id": picture}, **item} for item in items], **members}
        return client.post(BATCHES, json=body)

    return ask


def test_a_batch_runs_its_items_with_the_defaults(client, start, worker):
    answer = start({}, {"quality": 2}, defaults={"quality": 1, "formats": ["stl"]})
    batch = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == batch["links"]["self"]
    assert batch["counts"] == {"queued": 2, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    worker.drain()
    done = client.get(batch["links"]["self"]).get_json()
    assert (done["state"], done["counts"]["succeeded"]) == ("succeeded", 2)
    jobs = [client.get(f"/api/v1/jobs/{item['job_id']}").get_json() for item in done["jobs"]]
    assert [job["request"]["quality"] for job in jobs] == [1, 2]
    assert all(job["batch_id"] == batch["id"] for job in jobs)
    listed = client.get(batch["links"]["jobs"]).get_json()["items"]
    assert {job["id"] for job in listed} == {job["id"] for job in jobs}


def test_one_wrong_item_refuses_an_atomic_batch_with_pointers(client, start):
    answer = start({"quality": 1}, {"quality": 99}, {"seed": 4}, {"image": {"asset_id": "0" * 64}})
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == ["/items/1/quality", "/items/2/seed", "/items/3/image"]
    assert client.get("/api/v1/jobs").get_json()["items"] == []


def test_without_atomic_the_others_run(client, start, worker):
    batch = start({"quality": 1}, {"quality": 99}, atomic=False).get_json()
    assert batch["jobs"][1]["error"]["code"] == "invalid_request"
    worker.drain()
    done = client.get(batch["links"]["self"]).get_json()
    assert (done["counts"]["succeeded"], done["counts"]["failed"]) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": [3]}, {"items": "x"}, {"items": [{}], "extra": 1}])
def test_a_malformed_batch_is_422(client, body):
    assert client.post(BATCHES, json=body).status_code == 422


class TestSmallLimit:
    """A server whose batches hold two items."""

    @pytest.fixture
    def config(self, tmp_path):
        return Config(data_dir=tmp_path / "data", disk_reserve_mb=0, max_batch=2, queue_max=2)

    def test_a_batch_over_the_limit_is_refused(self, start):
        answer = start({}, {}, {})
        assert answer.status_code == 422
        assert answer.get_json()["limit"] == 2

    def test_an_atomic_batch_that_does_not_fit_the_queue_leaves_nothing(self, client, start, upload):
        client.post("/api/generate", data=upload("mug.png", quality=1))
        answer = start({"quality": 1}, {"quality": 2})
        assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_full")
        assert len(client.get("/api/v1/jobs").get_json()["items"]) == 1


def test_cancelling_a_batch_ends_what_has_not_ended(client, start, worker):
    batch = start({"quality": 1}, {"quality": 2}).get_json()
    cancelled = client.post(batch["links"]["cancel"]).get_json()
    assert (cancelled["state"], cancelled["counts"]["cancelled"]) == ("cancelled", 2)
    assert worker.drain() == 0
    assert client.post(batch["links"]["cancel"]).status_code == 200


@pytest.mark.parametrize("batch_id", ["nonsense", "6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21"])
def test_an_unknown_batch_is_404(client, batch_id):
    assert client.get(f"{BATCHES}/{batch_id}").status_code == 404
    assert client.post(f"{BATCHES}/{batch_id}/cancel").status_code == 404
    assert client.get(f"/api/batch-status/{batch_id}").status_code == 404


def files(data, *names):
    return [(BytesIO((data / name).read_bytes()), name) for name in names]


def test_uploaded_files_run_in_their_order_and_refused_ones_are_null(client, data, worker):
    form = {"files": [*files(data, "mug.png"), (BytesIO(b"nonsense"), "bad.png"), *files(data, "star.png")]}
    answer = client.post(
        "/api/batch-generate", data={**form, "quality": "draft", "format_type": "ply", "batch_size": 4}
    )
    batch = answer.get_json()
    assert answer.status_code == 200
    assert (batch["success"], batch["total_jobs"], batch["accepted"]) == (True, 3, 2)
    assert batch["job_ids"][1] is None
    assert [(entry["index"], entry["filename"]) for entry in batch["rejected"]] == [(1, "bad.png")]
    assert batch["estimated_time_seconds"] is None
    assert any("batch_size" in warning for warning in batch["warnings"])
    waiting = client.get(f"/api/batch-status/{batch['batch_id']}").get_json()
    assert waiting["counts"] == {"queued": 2, "processing": 0, "completed": 0, "failed": 1, "cancelled": 0}
    worker.drain()
    done = client.get(f"/api/batch-status/{batch['batch_id']}").get_json()
    assert (done["status"], done["progress"], done["counts"]["completed"]) == ("completed", 100, 2)
    assert [job["job_id"] for job in done["jobs"]] == batch["job_ids"]
    for job in done["jobs"]:
        if job["status"] == "completed":
            assert job["download_url"].endswith(".ply")
            assert client.get(job["download_url"], buffered=True).status_code == 200


def test_quality_is_medium_for_files_and_seven_for_jobs(client, data):
    form = client.post("/api/batch-generate", data={"files": files(data, "star.png")}).get_json()
    assert client.get(f"/api/job-status/{form['job_ids'][0]}").get_json()["quality"] == 5
    client.post("/api/batch-generate", json={"job_ids": form["job_ids"]})
    assert client.get(f"/api/job-status/{form['job_ids'][0]}").get_json()["quality"] == 7


@pytest.mark.parametrize("count", [0, 51])
def test_the_number_of_files_is_limited(client, count):
    form = {"files": [(BytesIO(b"x"), f"{index}.png") for index in range(count)], "quality": "5"}
    answer = client.post("/api/batch-generate", data=form, content_type="multipart/form-data")
    assert answer.status_code == 400


def test_a_batch_of_nothing_usable_is_400_and_leaves_nothing(client):
    answer = client.post("/api/batch-generate", data={"files": [(BytesIO(b"x"), "x.png")]})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_request")
    assert client.get("/api/v1/jobs").get_json()["items"] == []


def test_stored_jobs_get_a_further_run_each(client, upload, worker):
    ids = [client.post("/api/upload-image", data=upload(n)).get_json()["job_id"] for n in ("mug.png", "star.png")]
    answer = client.post("/api/batch-generate", json={"job_ids": ids, "formats": ["glb", "stl"], "quality": 1})
    batch = answer.get_json()
    assert answer.status_code == 202
    assert (batch["job_count"], batch["job_ids"], batch["status"]) == (2, ids, "queued")
    worker.drain()
    done = client.get(f"/api/batch-status/{batch['batch_id']}").get_json()
    assert done["counts"]["completed"] == 2
    for name in ("model.glb", "model.stl"):
        assert client.get(f"/api/download/{ids[0]}/{name}?wait=0", buffered=True).status_code == 200


def test_unknown_ids_are_listed_and_nothing_is_started(client, upload):
    known = client.post("/api/upload-image", data=upload("mug.png")).get_json()["job_id"]
    unknown = "6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21"
    answer = client.post("/api/batch-generate", json={"job_ids": [known, unknown]})
    assert (answer.status_code, answer.get_json()["missing"]) == (404, [unknown])
    assert client.get(f"/api/job-status/{known}").get_json()["status"] == "pending"


@pytest.mark.parametrize("body", [{}, {"job_ids": []}, {"job_ids": ["x"]}, {"job_ids": ["x"] * 11}, {"job_id": "x"}])
def test_a_malformed_list_of_jobs_is_400(client, body):
    assert client.post("/api/batch-generate", json=body).status_code == 400
