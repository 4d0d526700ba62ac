"""A page of another site, in a real browser: upload, generate, follow and download, and lines that are cut."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.browser.test_pages import LIMIT_S, load, node_modules
from tests.serving import Server

HERE = Path(__file__).parent
MODULES = node_modules()
CLIENT = "socket.io-client"

pytestmark = pytest.mark.skipif(
    MODULES is None or not (MODULES / CLIENT).is_dir() or not shutil.which("node") or not shutil.which("chromium"),
    reason="needs Chromium, node, playwright-core and socket.io-client: install chromium and npm, then run `npm ci` "
    "or set TEST_NODE_MODULES to its folder",
)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of another site: `localhost` is none of the server's `127.0.0.1`."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "foreign.html", folder)
    assert MODULES
    shutil.copy(MODULES / CLIENT / "dist" / "socket.io.min.js", folder)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://localhost:{found.server_address[1]}/foreign.html"
        found.shutdown()
        thread.join()


def visit(site: str, server: Server, task: str, folder: Path, photos: list[Path], argument: str = "") -> dict[str, Any]:
    """What the page returns; it may complain of nothing."""
    chromium = shutil.which("chromium")
    assert MODULES
    assert chromium
    command = [
        "node", str(HERE / "foreign.cjs"), str(MODULES.resolve()), chromium, f"{site}?api={server.url}", task,
        argument, str(folder), *map(str, photos),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{server.log()[-2000:]}"
    return dict(json.loads(done.stdout))


def test_a_photo_becomes_a_model(site: str, server: Server, data: Path, tmp_path: Path) -> None:
    found = visit(site, server, "image", tmp_path, [data / "mug.png"])
    assert found["complaints"] == []
    result = found["result"]
    with Image.open(data / "mug.png") as photo:
        assert result["preview"] == photo.width
    assert (result["status"], result["transport"], result["told"]["success"]) == ("completed", "websocket", True)
    assert Path(found["saved"]).name == Path(result["told"]["output_file"]).name
    assert load(found["saved"], "glb").is_watertight


def test_a_sentence_becomes_a_picture_and_a_model(site: str, server: Server, tmp_path: Path) -> None:
    found = visit(site, server, "text", tmp_path, [])
    assert found["complaints"] == []
    assert found["result"]["picture"] == 256
    assert found["result"]["job_type"] == "text-to-image"
    cone = load(found["saved"], "stl")
    assert cone.is_watertight
    assert max(cone.extents) == pytest.approx(100.0, rel=0.01)


def test_two_photos_become_a_batch(site: str, server: Server, data: Path, tmp_path: Path) -> None:
    found = visit(site, server, "batch", tmp_path, [data / "mug.png", data / "star.png"])
    assert found["complaints"] == []
    result = found["result"]
    assert result["done"]["counts"]["completed"] == 2
    assert [job["job_id"] for job in result["jobs"]] == result["job_ids"]
    assert load(found["saved"], "stl").is_watertight


def test_a_page_whose_line_is_cut_hears_of_the_end_and_a_late_one_of_a_hit(
    site: str, server: Server, data: Path, tmp_path: Path
) -> None:
    found = visit(site, server, "again", tmp_path, [data / "figure.jpg"])
    result = found["result"]
    assert result["sids"][0] != result["sids"][1]
    assert result["told"]["success"] is True
    assert result["cached"] is True
    assert result["late"]["success"] is True
    assert result["late"]["job_id"] != result["told"]["job_id"]


class CutLine:
    """A line to a server that breaks again and again."""

    def __init__(self, port: int, every_s: float) -> None:
        self._target, self._every_s = port, every_s
        self._over, self.cut = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> CutLine:
        self._threads[0].start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        _hang_up(self._listener)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._threads.append(threading.Thread(target=self._carry, args=(self._listener.accept()[0],)))
                self._threads[-1].start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._target)) as far:
            pipes = [threading.Thread(target=_forward, args=pair) for pair in ((near, far), (far, near))]
            for pipe in pipes:
                pipe.start()
            deadline = time.monotonic() + self._every_s
            while time.monotonic() < deadline and pipes[1].is_alive() and not self._over.is_set():
                time.sleep(0.02)
            _hang_up(near, far)
            self.cut.set()
            for pipe in pipes:
                pipe.join()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _hang_up(source, target)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_an_event_source_hears_every_event_once_through_cut_lines(
    site: str, server: Server, data: Path, tmp_path: Path
) -> None:
    photo = (data / "figure.jpg").read_bytes()
    with httpx.Client(base_url=server.url, timeout=60.0) as client:
        # Both workers are busy until the line is cut for the first time.
        long = {"quality": "10", "octree_resolution": "320", "steps": "60", "use_cache": "false", "priority": "1"}
        made = [{**long, "mc_level": f"0.0{number}"} for number in (1, 2)] + [{"quality": "4", "formats": "glb"}]
        *ahead, job = [
            client.post("/api/v1/generations", data=form, files={"image": ("a.jpg", photo)}).json() for form in made
        ]
        with CutLine(server.port, 0.5) as line:

            def let_go() -> None:
                assert line.cut.wait(LIMIT_S)
                for other in ahead:
                    client.post(f"/api/v1/jobs/{other['id']}/cancel").raise_for_status()

            letting_go = threading.Thread(target=let_go)
            letting_go.start()
            path = f"http://127.0.0.1:{line.port}{job['links']['events']}"
            found = visit(site, server, "stream", tmp_path, [], path)
            letting_go.join()
        whole = client.get(f"{job['links']['events']}?last_event_id=0").text
    heard = found["result"]["events"]
    assert found["result"]["opened"] > 1, "the line was never cut"
    kept = [int(line[4:]) for line in whole.splitlines() if line.startswith("id: ")]
    sequences = [sequence for kind, sequence, _ in heard if kind != "end"]
    assert len(sequences) == len({(kind, sequence) for kind, sequence, _ in heard if kind != "end"})
    assert sequences == sorted(sequences)
    assert {sequence for sequence in kept if sequence > sequences[0]} <= {sequence for _, sequence, _ in heard}
    assert (heard[0][0], heard[-1][0], heard[-1][2]) == ("state", "end", "succeeded")
