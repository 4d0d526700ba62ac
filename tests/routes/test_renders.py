"""Pictures and turntables of stored meshes through the front door."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orfeas.geometry import formats
from orfeas.geometry.mesh import Maps
from tests.geometry import solids

RENDER, TURNTABLE = "/api/v1/meshes/render", "/api/v1/meshes/turntable"
SMALL = {"width": 96, "height": 64}


@pytest.fixture(scope="module")
def torus() -> bytes:
    return formats.write(solids.torus(), "glb")


def stored(client: Any, data: bytes) -> dict[str, Any]:
    asset = client.post("/api/v1/uploads", data={"file": (BytesIO(data), "ring.glb")}).get_json()
    return {"input": {"asset_id": asset["id"]}}


def film(job: dict[str, Any], client: Any) -> tuple[dict[str, Any], bytes]:
    assert job["state"] == "succeeded", job["error"]
    asset = job["result"]["assets"][0]
    return asset, client.get(asset["url"], buffered=True).data


def test_a_picture_has_what_was_asked_for(client, finished, torus):
    asked = {**stored(client, torus), **SMALL, "camera": "top", "material": "plastic", "background": "#102030"}
    job = finished(client.post(RENDER, json=asked))
    asset, data = film(job, client)
    assert (job["type"], asset["role"]) == ("render", "preview")
    assert (asset["filename"], asset["media_type"]) == ("ring.png", "image/png")
    shown = np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)
    assert shown.shape == (64, 96, 3)
    assert shown[0, 0].tolist() == [16, 32, 48]
    assert (shown[..., 2] > shown[..., 0] + 40).any(), "plastic is blue"
    assert job["result"]["timings"]["render.picture"] > 0.0
    assert client.get(f"/api/v1/jobs/{job['id']}/result", buffered=True).data == data
    again = client.post(RENDER, json=asked)
    assert (again.status_code, again.get_json()["cached"]) == (200, True)


def test_a_kept_view_and_an_explicit_camera_show_the_same(client, finished, torus):
    camera = {"position": [3, 2, 9], "target": [0, 0.5, 0], "fov": 40, "projection": "orthographic"}
    client.post("/api/camera/preset/save", json={"name": "mine", **camera})
    given = {**stored(client, torus), **SMALL}
    one = film(finished(client.post(RENDER, json={**given, "camera": "mine"})), client)
    other = film(finished(client.post(RENDER, json={**given, "camera": camera})), client)
    assert one[1] == other[1]
    assert one[1] != film(finished(client.post(RENDER, json={**given, "camera": "front"})), client)[1]


def test_a_custom_material_is_drawn(client, finished, torus):
    own = {"material_type": "rubber", "custom_properties": {"base_color": [0.9, 0.0, 0.0]}}
    given = {**stored(client, torus), **SMALL, "material": own, "background": "transparent"}
    shown = np.asarray(Image.open(BytesIO(film(finished(client.post(RENDER, json=given)), client)[1])))
    assert shown[0, 0, 3] == 0
    solid = shown[shown[..., 3] == 255].astype(int)
    assert (solid[:, 0] > solid[:, 1] + 20).mean() > 0.9


def test_the_scale_of_a_relief_counts_where_there_is_one(client, finished, torus):
    y, x = np.mgrid[0:64, 0:64] / 64.0 * 2.0 * np.pi
    waves = np.stack([0.6 * np.sin(8.0 * x), 0.6 * np.sin(8.0 * y), np.ones_like(x)], axis=-1)
    normal = np.round(127.5 + 127.5 * waves / np.linalg.norm(waves, axis=-1, keepdims=True)).astype(np.uint8)
    rough = formats.write(replace(solids.textured(solids.ball(10.0)), maps=Maps(normal=normal)), "glb")

    def drawn(data: bytes, scale: float) -> tuple[np.ndarray, list[str]]:
        own = {"material_type": "ceramic", "custom_properties": {"normal_scale": scale}}
        job = finished(client.post(RENDER, json={**stored(client, data), **SMALL, "material": own}))
        return np.asarray(Image.open(BytesIO(film(job, client)[1]))).astype(int), job["warnings"]

    pictures = [drawn(rough, scale)[0] for scale in (0.0, 1.0, 2.0)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 1.0
    assert np.abs(pictures[2] - pictures[0]).mean() > np.abs(pictures[1] - pictures[0]).mean()
    assert any("no normal map" in warning for warning in drawn(torus, 2.0)[1])


def test_a_turntable_is_a_film_of_all_frames(client, finished, torus):
    given = {**stored(client, torus), **SMALL, "frames": 8, "samples": 1}
    for animation, seconds in (({}, 10), ({"type": "orbital", "radius": 9}, 15), ({"axis": "x", "duration": 2}, 2)):
        job = finished(client.post(TURNTABLE, json={**given, "animation": animation}))
        asset, data = film(job, client)
        made = Image.open(BytesIO(data))
        assert (job["type"], asset["filename"], made.format) == ("turntable", "ring_turntable.gif", "GIF")
        assert (made.n_frames, made.size, made.info["loop"]) == (8, (96, 64), 0)
        lasts = 0
        for index in range(8):
            made.seek(index)
            lasts += made.info["duration"]
        assert lasts == 1000 * seconds


def test_a_turntable_as_pictures_has_fixed_times_and_closes_without_a_halt(client, finished, torus):
    asked = {**stored(client, torus), **SMALL, "frames": 12, "format": "png_zip", "samples": 1}
    asset, data = film(finished(client.post(TURNTABLE, json=asked)), client)
    assert (asset["role"], asset["media_type"]) == ("bundle", "application/zip")
    archive = zipfile.ZipFile(BytesIO(data))
    assert archive.namelist() == [f"frame_{index:03d}.png" for index in range(12)]
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    frames = [np.asarray(Image.open(BytesIO(archive.read(name)))).astype(int) for name in archive.namelist()]
    steps = [np.abs(one - other).mean() for one, other in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert min(steps) > 0.0, "the last frame is not the first once more"


def test_what_cannot_be_drawn_is_refused(client, torus):
    given = stored(client, torus)
    assert client.post(RENDER, json={**given, "camera": "nowhere"}).get_json()["code"] == "invalid_name"
    for members, pointer in (
        ({"camera": {"position": [0, 0, 0], "target": [0, 0, 0]}}, "/camera"),
        ({"camera": 7}, "/camera"),
        ({"material": "gold"}, "/material"),
        ({"material": {"material_type": "metal", "custom_properties": {"shine": 1}}}, "/material"),
        ({"lighting": "noon"}, "/lighting"),
        ({"background": "red"}, "/background"),
        ({"width": 63}, "/width"),
        ({"height": 2049}, "/height"),
        ({"samples": 0}, "/samples"),
    ):
        answer = client.post(RENDER, json={**given, **members})
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request"), members
        assert answer.get_json()["errors"][0]["pointer"].startswith(pointer)


def test_what_cannot_be_turned_is_refused(client, torus):
    given = stored(client, torus)
    for members, pointer in (
        ({"frames": 7}, "/frames"),
        ({"frames": 241}, "/frames"),
        ({"animation": {"type": "orbital", "axis": "x"}}, "/animation/axis"),
        ({"animation": {"type": "spiral"}}, "/animation/type"),
        ({"animation": {"type": {}}}, "/animation/type"),
        ({"animation": 0}, "/animation"),
        ({"animation": {"speed": 0}}, "/animation/speed"),
        ({"format": "avi"}, "/format"),
    ):
        answer = client.post(TURNTABLE, json={**given, **members})
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request"), members
        assert answer.get_json()["errors"][0]["pointer"] == pointer
    answer = client.post(TURNTABLE, json={**given, "format": "mp4"})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "format_unavailable")
    assert "ORFEAS_FFMPEG" in answer.get_json()["detail"]
