"""Uploads and stored files over v1."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import update

from orfeas.errors import BlockedUrlError, DiskFullError
from orfeas.jobs.files import safe_name
from orfeas.remote import Fetched
from orfeas.storage.tables import assets
from tests.imaging import pictures
from tests.routes import meshes
from tests.routes.reading import ReadingClient

WHOLE = os.environ.get("TEST_SCALE") == "full"
MALFORMED = pictures.variants(200 if WHOLE else 20)
UNKNOWN = "0" * 64


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    app.test_client_class = ReadingClient
    return app.test_client()


def send(client: FlaskClient, data: bytes, name: str, **fields: Any) -> Any:
    return client.post("/api/v1/uploads", data={"file": (BytesIO(data), name), **fields})


def raw(client: FlaskClient, data: bytes, media_type: str) -> Any:
    return client.post("/api/v1/uploads", data=data, content_type=media_type)


def code(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    return response.status_code, response.get_json()["code"]


def test_an_uploaded_picture_is_stored_cleaned(client: FlaskClient, data: Path) -> None:
    body = (data / "mug.png").read_bytes()
    response = send(client, body, "my mug.png")
    asset = response.get_json()
    assert response.status_code == 201
    assert response.headers["Location"] == asset["links"]["self"] == f"/api/v1/assets/{asset['id']}"
    assert (asset["kind"], asset["format"], asset["filename"]) == ("image", "png", "my mug.png")
    assert asset["original_sha256"] == hashlib.sha256(body).hexdigest()
    stored = client.get(asset["links"]["content"])
    assert hashlib.sha256(stored.data).hexdigest() == asset["id"]
    assert len(stored.data) == asset["size_bytes"]
    original = Image.open(BytesIO(body))
    assert np.array_equal(
        np.asarray(Image.open(BytesIO(stored.data)).convert("RGB")), np.asarray(original.convert("RGB"))
    )
    assert (asset["image"]["width"], asset["image"]["height"]) == original.size


def test_the_same_file_again_is_the_same_asset(client: FlaskClient, data: Path) -> None:
    body = (data / "star.png").read_bytes()
    first, second = send(client, body, "a.png"), send(client, body, "b.png")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.get_json()["id"] == second.get_json()["id"]
    assert second.get_json()["filename"] == "a.png"


def test_form_raw_body_and_data_uri_end_as_one_asset(client: FlaskClient, data: Path) -> None:
    body = (data / "figure.jpg").read_bytes()
    uri = "data:image/jpeg;base64," + base64.b64encode(body).decode()
    made = [
        send(client, body, "figure.jpg"),
        raw(client, body, "image/jpeg"),
        raw(client, body, "application/octet-stream"),
        client.post("/api/v1/uploads", json={"data": uri}),
    ]
    assert [response.status_code for response in made] == [201, 200, 200, 200]
    assert len({response.get_json()["id"] for response in made}) == 1


@pytest.mark.parametrize("name", sorted(meshes.ACCEPTED))
def test_meshes_are_stored_by_their_bytes(client: FlaskClient, name: str) -> None:
    body = meshes.ACCEPTED[name]
    asset = send(client, body, f"part.{name}").get_json()
    assert asset["id"] == hashlib.sha256(body).hexdigest()
    assert (asset["kind"], asset["format"], asset["mesh"]) == ("mesh", name, None)
    assert asset["up_axis"] == ("z" if name in ("stl", "3mf") else "y")
    assert client.get(asset["links"]["content"]).data == body


def test_an_ascii_stl_and_a_mesh_without_name_are_told_by_content(client: FlaskClient) -> None:
    assert send(client, meshes.ascii_stl(), "part.stl").get_json()["format"] == "stl"
    assert raw(client, meshes.glb(), "application/octet-stream").get_json()["format"] == "glb"
    assert raw(client, meshes.off(), "model/off").get_json()["format"] == "off"


@pytest.mark.parametrize("wrong", sorted(meshes.BROKEN))
def test_broken_meshes_are_refused(client: FlaskClient, wrong: str) -> None:
    name, body = meshes.BROKEN[wrong]
    problem = "empty_mesh" if "without" in wrong else "unreadable_mesh"
    assert code(send(client, body, name)) == (422, problem)


def test_malformed_uploads_are_4xx_problems_and_nothing_is_stored(client: FlaskClient) -> None:
    for name, body in MALFORMED:
        status, reason = code(send(client, body, name))
        assert status in (400, 415), (name, body[:20])
        assert reason in ("invalid_image", "image_active_content", "unsupported_media_type")
    assert client.get("/api/v1/assets").get_json()["items"] == []


def test_what_is_wrong_with_a_request_is_named(client: FlaskClient) -> None:
    whole = pictures.png()
    assert code(client.post("/api/v1/uploads")) == (400, "file_missing")
    assert code(raw(client, b"", "image/png")) == (400, "file_missing")
    assert code(send(client, whole, "")) == (400, "file_missing")
    assert code(client.post("/api/v1/uploads", data={"picture": (BytesIO(whole), "a.png")})) == (422, "invalid_request")
    assert code(raw(client, whole, "text/plain")) == (415, "unsupported_media_type")
    assert code(raw(client, whole, "image/jpeg")) == (400, "invalid_image")
    assert code(client.post("/api/v1/uploads", json={})) == (422, "invalid_request")
    assert code(client.post("/api/v1/uploads", json={"data": "x", "url": "y"})) == (422, "invalid_request")
    assert code(client.post("/api/v1/uploads", json={"data": "data:image/png;base64,???"})) == (422, "invalid_request")
    assert code(client.post("/api/v1/uploads", json={"file": "x"})) == (422, "invalid_request")
    assert code(raw(client, b"{", "application/json")) == (400, "bad_request")


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.png", "http://2130706433/", "file:///etc/passwd", "http://[::1]/"])
def test_urls_that_lead_inside_are_refused(client: FlaskClient, url: str) -> None:
    assert code(client.post("/api/v1/uploads", json={"url": url})) == (400, "blocked_url")


def test_a_url_is_read_by_its_content_whatever_its_path_says(client: FlaskClient, wired: Any) -> None:
    asked: list[tuple[str, int]] = []

    def fetched(url: str, *, max_bytes: int) -> Fetched:
        asked.append((url, max_bytes))
        return Fetched(pictures.png(), "text/html", "photo.php")

    wired.assets._fetch = fetched
    asset = client.post("/api/v1/uploads", json={"url": "https://photos.example/photo.php?id=1"}).get_json()
    assert (asset["kind"], asset["filename"]) == ("image", "photo.png")
    assert asked == [("https://photos.example/photo.php?id=1", wired.config.max_upload_bytes)]


def test_url_input_can_be_switched_off(wired: Any, client: FlaskClient) -> None:
    wired.assets._config = replace(wired.config, allow_url_input=False)
    assert code(client.post("/api/v1/uploads", json={"url": "https://photos.example/"})) == (400, "blocked_url")


def test_folders_are_no_part_of_a_file_name(client: FlaskClient) -> None:
    assert send(client, pictures.png(), "../../etc/passwd.png").get_json()["filename"] == "passwd.png"


def test_folders_of_any_system_are_no_part_of_a_name() -> None:
    assert safe_name("C:\\evil\\x.png", "png") == "x.png"
    assert safe_name("a\x00\n<b>.png", "png") == "a_b.png"
    assert safe_name("...", "stl") == "upload.stl"
    assert safe_name(None, "glb") == "upload.glb"
    assert safe_name("ä" * 300 + ".png", "png") == "ä" * 128 + ".png"


def test_lists_are_filtered_and_paged(client: FlaskClient) -> None:
    pngs = [
        send(client, pictures.encoded(pictures.gradient(40 + i, 40), "PNG"), "a.png").get_json()["id"] for i in range(3)
    ]
    stl = send(client, meshes.stl(), "a.stl").get_json()["id"]
    ids = lambda query: [item["id"] for item in client.get(f"/api/v1/assets?{query}").get_json()["items"]]  # noqa: E731
    assert ids("sort=created_at") == [*pngs, stl]
    assert ids("kind=mesh") == [stl]
    assert ids("format=png") == pngs[::-1]
    first = client.get("/api/v1/assets?limit=2&kind=image")
    assert [item["id"] for item in first.get_json()["items"]] == [pngs[2], pngs[1]]
    following = first.headers["Link"].split(";")[0].strip("<>")
    assert [item["id"] for item in client.get(following).get_json()["items"]] == [pngs[0]]
    assert code(client.get("/api/v1/assets?cursor=nonsense")) == (400, "bad_cursor")
    assert code(client.get("/api/v1/assets?kind=car")) == (422, "invalid_request")
    assert code(client.get("/api/v1/assets?colour=red")) == (422, "invalid_request")


def test_content_honours_ranges_and_conditions(client: FlaskClient) -> None:
    asset = send(client, pictures.png(), "a.png").get_json()
    url = asset["links"]["content"]
    whole = client.get(url)
    assert whole.headers["ETag"] == f'"{asset["id"]}"'
    assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert whole.mimetype == "image/png"
    part = client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, whole.data[10:20])
    assert client.get(url, headers={"Range": "bytes=999999-"}).status_code == 416
    assert client.get(url, headers={"If-None-Match": f'"{asset["id"]}"'}).status_code == 304
    assert client.get(f"{url}?download=1").headers["Content-Disposition"] == "attachment; filename=a.png"
    assert client.get(f"{url}?format=png").data == whole.data
    assert client.head(url).headers["Content-Length"] == str(len(whole.data))


def test_an_uploaded_mesh_has_other_formats_and_a_picture(client: FlaskClient, worker: Any) -> None:
    mesh = send(client, meshes.stl(), "a b.stl").get_json()["links"]
    assert client.get(f"{mesh['content']}?format=STL").data == meshes.stl()
    assert code(client.get(f"{mesh['content']}?format=glb&wait=0")) == (404, "result_not_ready")
    assert code(client.get(f"{mesh['preview']}?wait=0")) == (404, "result_not_ready")
    worker.drain()
    made = client.get(f"{mesh['content']}?format=glb&download=1")
    assert made.headers["Content-Disposition"] == "attachment; filename=a_b.glb"
    loaded = trimesh.load_mesh(BytesIO(made.data), file_type="glb")
    assert sorted(loaded.extents * 1000.0) == pytest.approx([10.0, 10.0, 10.0])
    assert Image.open(BytesIO(client.get(mesh["preview"]).data)).size == (512, 512)
    assert client.get("/api/v1/jobs").get_json()["items"] == []
    assert code(client.get(f"{mesh['content']}?format=fbx")) == (422, "format_unavailable")


def test_a_mesh_that_only_looks_right_is_told_when_it_is_read(client: FlaskClient, working: None) -> None:
    mesh = send(client, meshes.stl()[:-50] + b"\xff" * 50, "a.stl").get_json()["links"]
    refused = client.get(f"{mesh['content']}?format=glb")
    assert code(refused) == (404, "result_failed")
    assert refused.get_json()["problem"]["code"] == "unreadable_mesh"


def test_facts_of_a_mesh_are_known_once_it_was_read(client: FlaskClient, working: None) -> None:
    def upload(**headers: str) -> Any:
        return client.post("/api/v1/uploads", data={"file": (BytesIO(meshes.stl()), "a.stl")}, headers=headers)

    asset = upload().get_json()
    assert asset["mesh"] is None
    again = upload(Prefer="wait=30")
    assert (again.status_code, again.headers["Preference-Applied"]) == (200, "wait=30")
    assert again.get_json()["mesh"] == {"faces": 4, "vertices": 4, "extents_mm": [10.0, 10.0, 10.0]}
    assert client.get(asset["links"]["self"]).get_json()["mesh"]["faces"] == 4
    assert client.delete(asset["links"]["self"]).status_code == 204
    fresh = upload(Prefer="wait=30")
    assert (fresh.status_code, fresh.get_json()["mesh"]["vertices"]) == (201, 4)


def test_other_formats_of_pictures_are_refused(client: FlaskClient) -> None:
    image = send(client, pictures.png(), "a.png").get_json()["links"]
    assert code(client.get(f"{image['content']}?format=glb")) == (422, "format_unavailable")
    assert code(client.get(f"{image['content']}?format=exe")) == (422, "invalid_request")


def test_previews_of_pictures_have_the_size_asked_for(client: FlaskClient, data: Path) -> None:
    preview = send(client, (data / "mug.png").read_bytes(), "mug.png").get_json()["links"]["preview"]
    assert Image.open(BytesIO(client.get(f"{preview}?size=100").data)).size == (100, 100)
    assert client.get(preview).mimetype == "image/png"
    for size in ("63", "2049", "big"):
        assert code(client.get(f"{preview}?size={size}")) == (422, "invalid_request")


def test_unknown_assets_are_404(client: FlaskClient) -> None:
    for url in (UNKNOWN, "nonsense", f"{UNKNOWN}/content", f"{UNKNOWN}/preview"):
        assert code(client.get(f"/api/v1/assets/{url}")) == (404, "file_not_found")
    assert code(client.delete(f"/api/v1/assets/{UNKNOWN}")) == (404, "file_not_found")


def test_an_asset_whose_bytes_are_gone_says_so(client: FlaskClient, wired: Any) -> None:
    asset = send(client, pictures.png(), "a.png").get_json()
    wired.blobs.delete(asset["id"])
    assert code(client.get(asset["links"]["content"])) == (410, "asset_gone")
    assert code(client.get(asset["links"]["preview"])) == (410, "asset_gone")
    assert send(client, pictures.png(), "a.png").status_code == 200
    assert client.get(asset["links"]["content"]).status_code == 200


def test_a_used_asset_cannot_be_deleted_and_an_unused_one_can(client: FlaskClient, worker: Any) -> None:
    used = send(client, pictures.png(), "a.png").get_json()
    assert used["expires_at"] is not None
    job = client.post("/api/v1/generations", json={"image": {"asset_id": used["id"]}, "quality": 1}).get_json()
    refused = client.delete(used["links"]["self"])
    assert code(refused) == (409, "asset_in_use")
    assert refused.get_json()["references"] == [{"type": "job", "id": job["id"]}]
    shown = client.get(used["links"]["self"]).get_json()
    assert (shown["expires_at"], shown["references"]) == (None, [{"type": "job", "id": job["id"]}])
    unused = send(client, meshes.stl(), "a.stl").get_json()
    assert client.delete(unused["links"]["self"]).status_code == 204
    assert client.get(unused["links"]["self"]).status_code == 404


def test_files_made_here_are_assets_with_previews_and_other_formats(
    client: FlaskClient, finished: Any, worker: Any, upload: Any
) -> None:
    job = finished(client.post("/api/v1/generations", data=upload("star.png", quality=1, formats="stl")))
    model = next(asset for asset in job["result"]["assets"] if asset["role"] == "model")
    asset = client.get(f"/api/v1/assets/{model['asset_id']}").get_json()
    assert (asset["kind"], asset["format"], asset["references"]) == ("mesh", "stl", [{"type": "job", "id": job["id"]}])
    assert asset["mesh"]["faces"] > 100
    picture = Image.open(BytesIO(client.get(f"{asset['links']['preview']}?size=256").data))
    assert picture.size == (256, 256)
    waiting = client.get(f"{asset['links']['content']}?format=ply&wait=0")
    assert code(waiting) == (404, "result_not_ready")
    worker.drain()
    converted = client.get(f"{asset['links']['content']}?format=ply")
    assert converted.data.startswith(b"ply")
    assert [item["id"] for item in client.get("/api/v1/jobs").get_json()["items"]] == [job["id"]]


def test_no_room_refuses_new_files_and_keeps_old_ones(client: FlaskClient, wired: Any, monkeypatch: Any) -> None:
    asset = send(client, pictures.png(), "a.png").get_json()

    def full(needed: int = 0) -> None:
        raise DiskFullError

    monkeypatch.setattr(wired.blobs, "check_space", full)
    assert code(send(client, meshes.stl(), "a.stl")) == (507, "disk_full")
    assert client.get(asset["links"]["content"]).status_code == 200


def test_the_storage_cap_refuses_and_never_deletes(client: FlaskClient, wired: Any) -> None:
    asset = send(client, pictures.png(), "a.png").get_json()
    wired.assets._config = replace(wired.config, storage_max_mb=1)
    assert send(client, meshes.stl(), "a.stl").status_code == 201
    with wired.database.transaction() as connection:
        connection.execute(update(assets).where(assets.c.id == asset["id"]).values(size_bytes=10**6))
    assert code(send(client, meshes.obj(), "a.obj")) == (507, "disk_full")


def test_meshes_over_the_face_limit_are_refused(client: FlaskClient, wired: Any) -> None:
    wired.assets._config = replace(wired.config, max_faces=3)
    assert code(send(client, meshes.stl(), "a.stl")) == (413, "too_large")


def test_a_source_is_exactly_one_thing(client: FlaskClient, wired: Any) -> None:
    for source in ({}, {"asset_id": UNKNOWN, "url": "https://a.example/"}, {"asset_id": None}):
        response = client.post("/api/v1/generations", json={"image": source})
        assert code(response) == (422, "invalid_request")
    assert code(client.post("/api/v1/generations", json={"image": {"asset_id": UNKNOWN}})) == (404, "file_not_found")


def test_the_blocked_url_of_a_source_is_named(client: FlaskClient) -> None:
    response = client.post("/api/v1/generations", json={"image": {"url": "http://169.254.169.254/"}})
    assert code(response) == (400, BlockedUrlError.code)
