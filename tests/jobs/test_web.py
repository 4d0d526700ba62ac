"""The web process around a small application: readiness, its name, streams at its end, a lost supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

PROGRAM = """
import sys, threading
from orfeas.jobs import web
stop = threading.Event()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/stream":
        def lines():
            yield b"first\\n"
            stop.wait(60.0)
            yield b"last\\n"
        return lines()
    return [b"hello"]
numbers = [int(text) for text in sys.argv[1:4]]
if sys.argv[4] == "waitress":
    web.find_spec = lambda name: None
web.run_web(lambda: app, listen_fd=numbers[0], life_fd=numbers[1], ready_fd=numbers[2], on_stop=lambda app: stop.set())
"""


@dataclass
class Web:
    """A running web process, and the supervisor's ends of its pipes."""

    process: subprocess.Popen[bytes]
    url: str
    life_write: int

    def family(self) -> list[psutil.Process]:
        """It and what it started."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]


@pytest.fixture(params=["gunicorn", "waitress"])
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    """Started as the supervisor does it, ready to answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        life_read, life_write = os.pipe()
        ready_read, ready_write = os.pipe()
        numbers = [listener.fileno(), life_read, ready_write]
        command = [sys.executable, "-c", PROGRAM, *map(str, numbers), request.param]
        process = subprocess.Popen(command, pass_fds=numbers)
        os.close(ready_write)
        os.close(life_read)
        assert os.read(ready_read, 1) == b"1"
        os.close(ready_read)
        running = Web(process, f"http://127.0.0.1:{listener.getsockname()[1]}", life_write)
    family = running.family()
    yield running
    for member in family:
        if member.is_running():
            member.kill()
    process.wait()
    if running.life_write >= 0:
        os.close(running.life_write)


def test_it_answers_under_its_own_name(web: Web) -> None:
    answer = httpx.get(web.url)
    assert answer.text == "hello"
    assert answer.headers["Server"] == "orfeas"


def test_sigterm_ends_streams_and_then_the_process(web: Web) -> None:
    with httpx.stream("GET", f"{web.url}/stream", timeout=20.0) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "first"
        started = time.monotonic()
        web.process.send_signal(signal.SIGTERM)
        assert next(lines) == "last"
    assert web.process.wait(10.0) == 0
    assert time.monotonic() - started < 5.0


def test_it_ends_with_its_supervisor(web: Web) -> None:
    family = web.family()
    os.close(web.life_write)
    web.life_write = -1
    _, alive = psutil.wait_procs(family, timeout=5.0)
    assert alive == []
