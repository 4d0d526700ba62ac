"""URL input: what may be reached, and that a checked address is the one connected to."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orfeas.errors import BlockedUrlError, UpstreamFailedError
from orfeas.remote import checked_url, fetch, is_public

Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A real server on the loopback address; `answers` maps paths to what is sent, `hosts` records Host headers."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.hosts: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.hosts.append(self.headers["Host"])
                try:
                    site.answers[self.path](self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


def body(data: bytes, kind: str = "image/png") -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return answer


def redirect(location: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.end_headers()

    return answer


def names(**hosts: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    def resolve(host: str, port: int) -> Sequence[str]:
        return hosts.get(host.replace(".", "_"), (host,))

    return resolve


def only_the_site(address: Any) -> bool:
    """Loopback stands for a public server here; any other private address is still refused."""
    return str(address) == "127.0.0.1" or is_public(address)


def reach(site: Site, path: str = "/photo.png", host: str = "photos.example", **options: Any) -> Any:
    options = {"max_bytes": 1000, "resolve": names(photos_example=["127.0.0.1"]), "allowed": only_the_site, **options}
    return fetch(f"http://{host}:{site.port}{path}", **options)


def test_a_public_file_is_read_with_its_host_name(site: Site) -> None:
    site.answers["/photo.png"] = body(b"pixels")
    found = reach(site)
    assert (found.data, found.media_type, found.name) == (b"pixels", "image/png", "photo.png")
    assert site.hosts == [f"photos.example:{site.port}"]


def test_a_relative_redirect_is_followed(site: Site) -> None:
    site.answers["/a"] = redirect("/photo.png")
    site.answers["/photo.png"] = body(b"pixels")
    assert reach(site, "/a").data == b"pixels"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[::ffff:7f00:1]/x",
        "http://[64:ff9b::7f00:1]/x",
        "http://[2002:7f00:1::]/x",
        "http://[::127.0.0.1]/x",
        "http://[fe80::1]/x",
        "http://[fc00::1]/x",
        "http://[ff02::1]/x",
        "http://2130706433/x",
        "http://0x7f000001/x",
        "http://0x7f.1/x",
        "http://0177.0.0.1/x",
        "http://127.1/x",
        "http://0/x",
        "http://0.0.0.0/x",
        "http://10.0.0.1/x",
        "http://172.16.0.1/x",
        "http://192.168.1.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/x",
        "http://198.18.0.1/x",
        "http://224.0.0.1/x",
        "http://255.255.255.255/x",
        "http://user@photos.example/x",
        "http://user:secret@93.184.216.34/x",
        "ftp://photos.example/x",
        "file:///etc/passwd",
        "gopher://photos.example/",
        "http:///x",
        "not a url",
        "",
        "http://localhost./x",
    ],
)
def test_nothing_but_public_addresses_is_reached(url: str) -> None:
    with pytest.raises(BlockedUrlError):
        fetch(url, max_bytes=10, resolve=names(localhost_=["127.0.0.1"]), timeout_s=2.0)


def test_a_name_with_one_private_address_is_refused() -> None:
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34", "10.0.0.7"]

    with pytest.raises(BlockedUrlError):
        fetch("http://mixed.example/", max_bytes=10, resolve=resolve, timeout_s=2.0)
    assert asked == ["mixed.example"]


def test_a_rebinding_name_is_resolved_once_and_that_address_used(site: Site) -> None:
    site.answers["/photo.png"] = body(b"pixels")
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]])
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    assert reach(site, resolve=resolve).data == b"pixels"
    assert asked == ["photos.example"]


def test_a_name_that_rebinds_between_redirects_is_refused(site: Site) -> None:
    site.answers["/a"] = redirect("/photo.png")
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    with pytest.raises(BlockedUrlError):
        reach(site, "/a", resolve=lambda host, port: next(answers))
    assert len(site.hosts) == 1


@pytest.mark.parametrize(
    "target", ["http://[::1]:{port}/photo.png", "http://[::ffff:10.0.0.1]/", "http://2130706433:{port}/photo.png",
               "file:///etc/passwd", "http://metadata.example/"],
)  # fmt: skip
def test_a_redirect_to_a_private_place_is_refused(site: Site, target: str) -> None:
    site.answers["/a"] = redirect(target.format(port=site.port))
    site.answers["/photo.png"] = body(b"secret")
    hosts = names(photos_example=["127.0.0.1"], metadata_example=["169.254.169.254"])
    with pytest.raises(BlockedUrlError):
        reach(site, "/a", resolve=hosts)
    assert len(site.hosts) == 1


def test_three_redirects_are_followed_and_no_more(site: Site) -> None:
    for step in range(4):
        site.answers[f"/{step}"] = redirect(f"/{step + 1}")
    site.answers["/4"] = body(b"pixels")
    assert reach(site, "/1").data == b"pixels"
    with pytest.raises(BlockedUrlError, match="more than 3"):
        reach(site, "/0")


def test_a_body_past_the_limit_is_refused_by_its_header(site: Site) -> None:
    site.answers["/photo.png"] = body(b"x" * 1001)
    with pytest.raises(BlockedUrlError, match="1000 bytes"):
        reach(site)


def test_a_body_without_length_is_cut_at_the_limit(site: Site) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 4096)

    site.answers["/photo.png"] = endless
    with pytest.raises(BlockedUrlError, match="1000 bytes"):
        reach(site)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_drips_bytes_is_left_when_time_is_up(site: Site, where: str) -> None:
    stop = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        if where == "body":
            request.send_response(200)
            request.end_headers()
        while not stop.wait(0.05):
            request.wfile.write(b"H")

    site.answers["/photo.png"] = drip
    began = time.monotonic()
    with pytest.raises(BlockedUrlError, match="longer than"):
        reach(site, timeout_s=0.5)
    stop.set()
    assert time.monotonic() - began < 1.5


def test_an_error_of_the_other_server_is_told_as_such(site: Site) -> None:
    site.answers["/photo.png"] = lambda request: request.send_error(404)
    with pytest.raises(UpstreamFailedError, match="404"):
        reach(site)


def test_a_server_that_is_not_there_is_told_as_such(site: Site) -> None:
    site.close()
    with pytest.raises(UpstreamFailedError):
        reach(site)


def test_proxies_of_the_environment_are_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.answers["/photo.png"] = body(b"pixels")
    assert reach(site).data == b"pixels"


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_names_with_digits_are_not_numbers() -> None:
    assert checked_url("https://cdn7.example.org/7.png").host == "cdn7.example.org"
