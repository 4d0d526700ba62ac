"""HTTP load from one process: keep-alive connections, at a rate or as fast as answers come."""

from __future__ import annotations

import gc
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ask:
    """A request."""

    path: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Asked = str | Callable[[], Ask]
"""A path to be read, or what makes each request."""


def at_rate(port: int, asked: Asked, *, connections: int, per_second: float, seconds: float) -> list[float]:
    """Response times in seconds of requests sent on schedule, late ones counted from when they were due."""
    gap = connections / per_second
    start = time.perf_counter() + 0.1

    def client(number: int, took: list[float]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
        due = start + number * gap / connections
        while due < start + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            _send(connection, asked)
            took.append(time.perf_counter() - due)
            due += gap
        connection.close()

    return _together(client, connections)


def closed_loop(port: int, asked: Asked, *, connections: int, seconds: float) -> float:
    """Answers a second when each connection asks again at once."""
    return len(closed_loop_times(port, asked, connections=connections, seconds=seconds)) / seconds


def closed_loop_times(port: int, asked: Asked, *, connections: int, seconds: float) -> list[float]:
    """Response times in seconds when each connection asks again at once."""
    end = time.perf_counter() + seconds

    def client(number: int, took: list[float]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
        while (started := time.perf_counter()) < end:
            _send(connection, asked)
            took.append(time.perf_counter() - started)
        connection.close()

    return _together(client, connections)


def _send(connection: http.client.HTTPConnection, asked: Asked) -> None:
    ask = Ask(asked) if isinstance(asked, str) else asked()
    connection.request(ask.method, ask.path, body=ask.body, headers=dict(ask.headers))
    answer = connection.getresponse()
    told = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{ask.method} {ask.path} answered {answer.status}: {told[:600]!r}")


def _together(client: Callable[[int, list[float]], None], count: int) -> list[float]:
    results: list[list[float]] = [[] for _ in range(count)]
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            client(number, results[number])
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    with _no_garbage_collected():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} of {count} connections failed") from failures[0]
    return [value for part in results for value in part]


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """All clients wait while this process looks through its memory, and their answers would seem to be late."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def held_open(port: int, path: str, count: int) -> Iterator[None]:
    """Requests whose answers take long: streams and waits."""
    connections = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            connections.append(connection)
        yield
    finally:
        for connection in connections:
            connection.close()
