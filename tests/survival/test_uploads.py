"""Malformed uploads against a real server: each is a named problem, and nobody is lost."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from tests.imaging.pictures import variants
from tests.routes.meshes import BROKEN
from tests.serving import Server

COUNT = 200 if os.environ.get("TEST_SCALE") == "full" else 20


def test_malformed_uploads_are_refused_and_no_process_is_lost(server: Server, data: Path) -> None:
    before = {process.pid for process in server.processes()}
    with httpx.Client(base_url=server.url, timeout=60.0) as http:
        for name, body in [*variants(COUNT), *BROKEN.values()]:
            for path, part in (("/api/v1/uploads", "file"), ("/api/upload-image", "image")):
                answer = http.post(path, files={part: (name, body)})
                assert 400 <= answer.status_code < 500, (path, name, answer.text)
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["code"] in {
                    "invalid_image", "image_active_content", "unsupported_media_type", "unreadable_mesh", "empty_mesh",
                }  # fmt: skip
        form = {"quality": "1", "formats": "stl", "preview": "false"}
        files = {"image": ("star.png", (data / "star.png").read_bytes())}
        job = http.post("/api/v1/generations?wait=30", files=files, data=form).json()
    assert job["state"] == "succeeded"
    assert before <= {process.pid for process in server.processes()}
