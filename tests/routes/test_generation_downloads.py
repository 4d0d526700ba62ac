"""Files of jobs: names, conversion, waiting, and what is no file."""

import base64
import json
import threading
import time
import zipfile
from io import BytesIO

import pytest
import trimesh
from PIL import Image
from sqlalchemy import func, select

from orfeas.domain.formats import MESH_FORMATS
from orfeas.storage.tables import assets, job_assets, jobs, runs, stages


@pytest.fixture
def fetch(client, worker):
    """Get a file while the worker works, as a client of a running server would."""

    def get(url, **headers):
        done = threading.Event()

        def work():
            while not done.wait(0.02):
                worker.drain()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            return client.get(url, buffered=True, headers=headers)
        finally:
            done.set()
            thread.join()

    return get


@pytest.fixture
def model(client, upload, finished):
    """The record of a finished stl of the mug."""
    return finished(client.post("/api/generate", data=upload("mug.png", quality=1)))


def test_a_download_is_an_attachment_with_length_etag_and_ranges(client, model):
    whole = client.get(model["download_url"], buffered=True)
    assert whole.status_code == 200
    assert whole.mimetype == "application/octet-stream"
    assert whole.headers["Content-Disposition"] == f"attachment; filename={model['output_file']}"
    assert whole.content_length == len(whole.data)
    assert "no-cache" in whole.headers["Cache-Control"]
    part = client.get(model["download_url"], headers={"Range": "bytes=80-83"}, buffered=True)
    assert (part.status_code, part.data) == (206, whole.data[80:84])
    assert int.from_bytes(part.data, "little") == model["quality_metrics"]["face_count"]
    kept = client.get(model["download_url"], headers={"If-None-Match": whole.headers["ETag"]}, buffered=True)
    assert kept.status_code == 304
    head = client.head(model["download_url"], buffered=True)
    assert (head.status_code, head.content_length, head.data) == (200, len(whole.data), b"")


def test_the_alias_is_the_latest_result_and_ids_and_extensions_may_be_upper_case(client, model):
    whole = client.get(model["download_url"], buffered=True).data
    for name in ("model.stl", "model.STL", f"model_{model['job_id'].upper()}.stl"):
        assert client.get(f"/api/download/{model['job_id']}/{name}", buffered=True).data == whole


@pytest.mark.parametrize("name", [name for name, found in MESH_FORMATS.items() if found.readable and name != "stl"])
def test_another_extension_converts_and_keeps_the_model(client, model, fetch, name):
    url = f"/api/download/{model['job_id']}/model.{name}"
    answer = fetch(url)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    expected = "application/zip" if name == "obj" else MESH_FORMATS[name].media_type
    assert answer.mimetype == expected
    data, kind = answer.data, name
    if name == "obj":
        with zipfile.ZipFile(BytesIO(data)) as archive:
            assert {"model.obj", "model.mtl"} <= set(archive.namelist())
            data = archive.read("model.obj")
    scene = trimesh.load_scene(BytesIO(data), file_type=kind)
    extents = sorted(scene.extents * (1000.0 if max(scene.extents) < 1.0 else 1.0))
    assert extents == pytest.approx(sorted(model["quality_metrics"]["extents_mm"]), rel=1e-3)
    kept = client.get(url + "?wait=0", buffered=True)
    assert (kept.status_code, kept.data) == (200, answer.data)
    record = client.get(f"/api/job-status/{model['job_id']}").get_json()
    assert (record["run"], record["sequence"], record["format"]) == (1, model["sequence"], "stl")
    jobs = client.get("/api/v1/jobs").get_json()["items"]
    assert [job["id"] for job in jobs] == [model["job_id"]], "the converting job is in no list"


def test_a_conversion_that_is_not_waited_for_is_not_ready(client, model):
    answer = client.get(f"/api/download/{model['job_id']}/model.ply?wait=0")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "result_not_ready")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_download_waits_for_the_running_job(client, upload, fetch):
    started = client.post("/api/generate", data=upload("star.png", quality=1)).get_json()
    url = f"/api/download/{started['job_id']}/model.stl"
    early = client.get(url, headers={"Prefer": "wait=0"})
    assert (early.status_code, early.get_json()["code"]) == (404, "result_not_ready")
    assert early.headers["Preference-Applied"] == "wait=0"
    assert fetch(url).status_code == 200


def test_nothing_asked_and_cancelled_are_told_apart(client, upload):
    stored = client.post("/api/upload-image", data=upload("mug.png")).get_json()["job_id"]
    nothing = client.get(f"/api/download/{stored}/model.stl")
    assert (nothing.status_code, nothing.get_json()["code"]) == (404, "result_not_ready")
    client.post("/api/generate-3d", json={"job_id": stored, "quality": 1})
    client.post(f"/api/v1/jobs/{stored}/cancel")
    cancelled = client.get(f"/api/download/{stored}/model.stl")
    assert (cancelled.status_code, cancelled.get_json()["code"]) == (404, "result_failed")


def test_a_failed_job_gives_its_problem(client, upload, finished):
    made = client.post("/api/v1/generations", data=upload("star.png", quality=1, mc_level=1.0))
    job = finished(made, "failed")
    answer = client.get(f"/api/download/{job['id']}/model.glb")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "result_failed")
    assert answer.get_json()["problem"]["code"] == job["error"]["code"] == "empty_surface"
    record = client.get(f"/api/job-status/{job['id']}").get_json()
    assert record["status"] == "failed"
    assert record["error_type"] == "empty_surface"
    assert record["error"] == record["problem"]["detail"]


@pytest.mark.parametrize(
    "name, status",
    [
        ("..%2f..%2fetc%2fpasswd", 404), ("%2e%2e%2fmodel.stl", 404), ("..%5c..%5cmodel.stl", 404), ("....", 404),
        ("model.stl%00.png", 404), ("%2fetc%2fpasswd.stl", 404), ("model.exe", 400), ("model.fbx", 422),
        ("other.stl", 404), ("model_6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21.stl", 404), ("model_r9.stl", 404),
    ],
)  # fmt: skip
def test_tricks_in_a_file_name_are_refused(client, model, name, status):
    for path in ("download", "download-base64", "preview-output"):
        answer = client.get(f"/api/{path}/{model['job_id']}/{name}")
        assert answer.status_code == status, path
        assert answer.mimetype == "application/problem+json"
    if status == 404:
        assert client.get(f"/api/preview/{name}").status_code == 404


@pytest.mark.parametrize("job_id", ["6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21", "x", "%00", "..%2f.."])
def test_an_unknown_or_malformed_job_has_no_files(client, job_id):
    assert client.get(f"/api/download/{job_id}/model.stl").status_code == 404


def test_a_removed_file_is_gone(client, model, wired):
    (asset,) = client.get(f"/api/v1/jobs/{model['job_id']}").get_json()["result"]["assets"]
    wired.blobs.delete(asset["asset_id"])
    answer = client.get(model["download_url"])
    assert (answer.status_code, answer.get_json()["code"]) == (410, "asset_gone")


def test_base64_is_the_same_file_as_text(client, model):
    plain = client.get(model["download_url"], buffered=True).data
    answer = client.get(f"/api/download-base64/{model['job_id']}/model.stl").get_json()
    assert base64.b64decode(answer["data"]) == plain
    assert (answer["status"], answer["original_size"]) == ("success", len(plain))
    assert answer["encoded_size"] == len(answer["data"])


def test_base64_of_a_large_file_is_refused(client, model, monkeypatch):
    monkeypatch.setattr("orfeas.domain.limits.BASE64_BYTES", 1000)
    answer = client.get(f"/api/download-base64/{model['job_id']}/model.stl")
    assert (answer.status_code, answer.get_json()["code"]) == (413, "too_large")


def test_the_preview_is_rendered_when_it_is_first_looked_at(client, model, fetch):
    answer = fetch(model["model_preview_url"])
    picture = Image.open(BytesIO(answer.data))
    assert (answer.mimetype, picture.size) == ("image/png", (512, 512))
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert picture.getextrema()[3] == (0, 255), "something is drawn on a transparent ground"
    assert client.get(model["model_preview_url"] + "?wait=0", buffered=True).data == answer.data


def test_a_turntable_is_rendered_on_first_look(client, model, fetch):
    url = f"/api/preview-output/{model['job_id']}/turntable.gif"
    answer = fetch(url)
    film = Image.open(BytesIO(answer.data))
    assert (answer.mimetype, film.size, film.n_frames) == ("image/gif", (320, 320), 24)
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert client.get(url + "?wait=0", buffered=True).data == answer.data


def test_a_model_shows_in_place_with_its_type(client, model):
    answer = client.get(f"/api/preview-output/{model['job_id']}/model.stl", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "model/stl")


def test_the_recipe_inside_a_file_knows_nothing_of_job_or_host(client, model, fetch):
    data = fetch(f"/api/download/{model['job_id']}/model.gltf").data
    recipe = json.loads(data)["asset"]["extras"]["orfeas"]
    assert [stage["stage"] for stage in recipe["stages"]][:2] == ["image.prepare", "shape.inflate"]
    assert recipe["licence"] is None
    assert model["job_id"].encode() not in data


def test_asking_again_for_a_conversion_joins_the_one_at_work(client, model, wired):
    url = f"/api/download/{model['job_id']}/model.off?wait=0"
    for _ in range(3):
        assert client.get(url).get_json()["code"] == "result_not_ready"
    with wired.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(jobs).where(jobs.c.hidden)).scalar_one() == 1


def test_a_look_at_what_was_converted_before_writes_nothing(client, model, fetch, wired):
    urls = [f"/api/download/{model['job_id']}/model.ply", model["model_preview_url"]]
    first = [fetch(url).data for url in urls]
    before = _rows(wired)
    assert [client.get(url, buffered=True).data for url in urls] == first
    assert _rows(wired) == before


def test_the_use_of_a_file_is_noted_at_most_once_an_hour(client, model, wired):
    noon = time.time() + 10_000.0
    wired.assets._now = lambda: noon
    asset_id = client.get(f"/api/v1/jobs/{model['job_id']}").get_json()["result"]["assets"][0]["asset_id"]
    client.get(model["download_url"], buffered=True)
    assert _last_uses(wired, asset_id) == {noon}
    wired.assets._now = lambda: noon + 3000.0
    client.get(f"/api/v1/jobs/{model['job_id']}/result", buffered=True)
    assert _last_uses(wired, asset_id) == {noon}
    wired.assets._now = lambda: noon + 4000.0
    client.get(f"/api/v1/jobs/{model['job_id']}/result", buffered=True)
    assert _last_uses(wired, asset_id) == {noon + 4000.0}


def test_a_run_that_shares_nothing_is_converted_from_its_own_mesh(client, upload, finished, fetch, wired):
    made = finished(client.post("/api/generate", data=upload("star.png", quality=1, use_cache="false")))
    before = {row[0] for row in _made(wired)}
    off = fetch(f"/api/download/{made['job_id']}/model.off")
    assert off.status_code == 200
    assert {name for fingerprint, name in _made(wired) if fingerprint not in before} == {"mesh.export", "mesh.verify"}


def _rows(wired):
    with wired.database.read() as connection:
        return {
            table.name: connection.execute(select(table)).all() for table in (jobs, runs, stages, assets, job_assets)
        }


def _made(wired):
    with wired.database.read() as connection:
        return connection.execute(select(stages.c.fingerprint, stages.c.name)).all()


def _last_uses(wired, blob):
    with wired.database.read() as connection:
        made = connection.execute(select(stages.c.last_used_at).where(stages.c.output == blob)).scalars()
        listed = connection.execute(select(assets.c.last_used_at).where(assets.c.id == blob)).scalars()
        return {*made, *listed}


def test_a_zipped_model_is_named_as_one_everywhere(client, upload, finished):
    form = upload("star.png", quality=1, formats="obj", preview="false")
    job = finished(client.post("/api/v1/generations", data=form))
    (asset,) = job["result"]["assets"]
    assert (asset["filename"], asset["media_type"]) == ("model.obj.zip", "application/zip")
    whole = client.get(asset["url"], buffered=True)
    assert whole.headers["Content-Disposition"] == "inline; filename=model.obj.zip"
    for name in ("model.obj", "model.obj.zip"):
        assert client.get(f"/api/download/{job['id']}/{name}", buffered=True).data == whole.data
    assert "model.obj" in zipfile.ZipFile(BytesIO(whole.data)).namelist()
    assert client.get(f"/api/download/{job['id']}/other.zip").get_json()["code"] == "file_not_found"
