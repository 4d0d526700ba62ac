"""Jobs over HTTP as a patient client makes them: with a key, again after a broken connection."""

from __future__ import annotations

import hashlib
import json
import struct
import time
import uuid
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import httpx
from PIL import Image, ImageDraw

FINAL = ("succeeded", "failed", "cancelled")
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Picture:
    """A drawing of its own, so that no two jobs share a stage."""

    data: bytes
    pixel_sha256: str


def picture(number: int, side: int = 160) -> Picture:
    """A disc and a bar whose place, size and colour depend on the number."""
    image = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(image)
    radius = 30 + number % 25
    draw.ellipse((80 - radius, 80 - radius, 80 + radius, 80 + radius), fill=(200, 40 + number % 200, 60, 255))
    draw.rectangle((20 + number % 7, 70, 140 - number % 11, 90), fill=(30, 60, 40 + number % 200, 255))
    stream = BytesIO()
    image.save(stream, "PNG")
    pixels = hashlib.sha256(f"{side}x{side}:".encode() + image.tobytes()).hexdigest()
    return Picture(stream.getvalue(), pixels)


def patiently(method: str, url: str, **options: Any) -> httpx.Response:
    """A request that is sent again while the server is being replaced."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = httpx.request(method, url, timeout=20.0, **options)
            if answer.status_code not in (409, 503):
                return answer
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        else:
            assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def create(url: str, made: Picture, **members: Any) -> dict[str, Any]:
    """Post one generation. The key makes a repeated post the same job."""
    members = {"quality": 3, "formats": ["glb"], **members}
    answer = patiently(
        "POST",
        f"{url}/api/v1/generations",
        headers={"Idempotency-Key": uuid.uuid4().hex},
        files={
            "request": (None, json.dumps({"image": {"upload": "photo"}, **members}), "application/json"),
            "photo": ("photo.png", made.data, "image/png"),
        },
    )
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())


def read(url: str, job_id: str) -> dict[str, Any]:
    """One job."""
    answer = patiently("GET", f"{url}/api/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_all(url: str, job_ids: list[str], timeout_s: float) -> dict[str, dict[str, Any]]:
    """Every job when it is final; fails for one that is not in time."""
    deadline = time.monotonic() + timeout_s
    found: dict[str, dict[str, Any]] = {}
    while len(found) < len(job_ids):
        for job_id in job_ids:
            if job_id not in found:
                job = read(url, job_id)
                if job["state"] in FINAL:
                    found[job_id] = job
        late = [job_id for job_id in job_ids if job_id not in found]
        assert not late or time.monotonic() < deadline, f"not final: {[read(url, job_id) for job_id in late]}"
        time.sleep(0.1)
    return found


def model(url: str, job: dict[str, Any]) -> bytes:
    """The main file of a finished job."""
    answer = patiently("GET", f"{url}/api/v1/jobs/{job['id']}/result")
    assert answer.status_code == 200, answer.text
    return answer.content


def glb_inputs(data: bytes) -> list[str]:
    """The hashes of what a file was made from, as it carries them."""
    magic, _, _, length = struct.unpack_from("<4sIII", data)
    assert magic == b"glTF"
    extras = json.loads(data[20 : 20 + length])["asset"]["extras"]["orfeas"]
    return list(extras["inputs"])
