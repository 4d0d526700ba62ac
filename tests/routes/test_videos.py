"""Turntables as MP4, where ffmpeg is installed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import BytesIO

import cv2
import httpx
import numpy as np
import pytest

from orfeas.geometry import formats
from orfeas.stages import animation
from tests.geometry import solids
from tests.serving import Server

FFMPEG = shutil.which("ffmpeg")
pytestmark = pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg: install it from the system's packages")
TURNTABLE = "/api/v1/meshes/turntable"


@pytest.fixture
def config(config):
    return replace(config, ffmpeg=FFMPEG)


def stored(client) -> dict:
    data = formats.write(solids.textured(solids.torus()), "glb")
    asset = client.post("/api/v1/uploads", data={"file": (BytesIO(data), "ring.glb")}).get_json()
    return {"asset_id": asset["id"]}


def frames(data: bytes, path) -> tuple[list[np.ndarray], float]:
    path.write_bytes(data)
    film, found = cv2.VideoCapture(str(path)), []
    while True:
        more, picture = film.read()
        if not more:
            return found, float(film.get(cv2.CAP_PROP_FPS))
        found.append(picture[..., ::-1].astype(int))


def test_a_video_shows_every_frame_for_its_time(client, finished, tmp_path):
    asked = {"input": stored(client), "width": 97, "height": 64, "frames": 12, "animation": {"duration": 4}}
    job = finished(client.post(TURNTABLE, json={**asked, "format": "mp4"}))
    assert job["state"] == "succeeded", job["error"]
    (asset,) = job["result"]["assets"]
    assert (asset["filename"], asset["media_type"]) == ("ring_turntable.mp4", "video/mp4")
    data = client.get(asset["url"], buffered=True).data
    shown, rate = frames(data, tmp_path / "ring.mp4")
    assert len(shown) == 12
    assert rate == pytest.approx(3.0, rel=0.01)
    assert shown[0].shape == (64, 96, 3), "H.264 wants even sides"
    assert min(np.abs(one - other).mean() for one, other in zip(shown, [*shown[1:], shown[0]], strict=True)) > 0.5
    assert data.index(b"moov") < data.index(b"mdat"), "it plays before it has arrived whole"


def test_videos_are_listed_as_available(client):
    items = client.get("/api/v1/exports/formats").get_json()["items"]
    assert next(item for item in items if item["format"] == "mp4")["available"]


def test_the_same_frames_give_the_same_video():
    drawn = [np.full((64, 64, 4), 20 * index, np.uint8) for index in range(8)]
    assert FFMPEG
    assert animation.mp4(drawn, 2.0, FFMPEG) == animation.mp4(drawn, 2.0, FFMPEG)


def test_a_worker_of_a_served_instance_knows_ffmpeg(tmp_path):
    data = formats.write(solids.torus(), "glb")
    with Server(tmp_path / "data", ffmpeg=FFMPEG) as server, httpx.Client(base_url=server.url) as web:
        asset = web.post("/api/v1/uploads", files={"file": ("ring.glb", data)}).json()
        asked = {"input": {"asset_id": asset["id"]}, "width": 64, "height": 64, "frames": 8, "format": "mp4"}
        job = web.post(TURNTABLE, json=asked, headers={"Prefer": "wait=60"}, timeout=90).json()
        assert job["state"] == "succeeded", job["error"]
        film = web.get(job["result"]["assets"][0]["url"]).content
    assert film[4:8] == b"ftyp"
