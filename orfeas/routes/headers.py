"""Headers of every answer, and what is checked before any view: request id, Host, Sec-Fetch-Site, size."""

from __future__ import annotations

import functools
import io
import ipaddress
import re
import secrets
from collections.abc import Callable
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from flask_cors import CORS

from orfeas.config import Config, is_loopback
from orfeas.errors import BadHostError, ForbiddenError, OrfeasError
from orfeas.routes.context import is_v1, services
from orfeas.routes.problems import too_large

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
}
PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; connect-src 'self' blob: ws: wss:; img-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
REQUEST_HEADERS = (
    "Authorization, Content-Type, Accept, Cache-Control, Pragma, Range, If-None-Match, If-Match, Idempotency-Key, "
    "Last-Event-ID, Prefer, X-Request-ID, X-Requested-With, ngrok-skip-browser-warning"
)
EXPOSED = (
    "Content-Disposition, Content-Length, Content-Range, ETag, Link, Location, Retry-After, X-Request-ID, RateLimit, "
    "RateLimit-Policy, Idempotency-Replayed"
)
PREFLIGHT_S = 600
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def register(app: Flask, config: Config) -> None:
    """Add the checks and headers to an app. The CORS headers are flask-cors'."""
    app.before_request(_identify)
    app.before_request(_check_host)
    app.before_request(_check_site)
    app.before_request(_check_size)
    app.after_request(_complete)
    anyone = config.cors_origins == ("*",)
    CORS(
        app,
        origins="*"
        if anyone
        else [re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in config.cors_origins],
        send_wildcard=anyone,
        supports_credentials=not anyone,
        always_send=True,
        methods=list(METHODS),
        allow_headers=REQUEST_HEADERS.split(", "),
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_S,
    )
    # flask-cors adds its hook last, and hooks run last to first: this one sees what it did.
    app.after_request_funcs[None].insert(0, _complete_cors)


def _identify() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _check_host() -> None:
    if not host_is_known(request.host, services().config):
        raise BadHostError(
            f"This server does not answer for the host {request.host[:100]!r}. "
            "Use a loopback address, or set ORFEAS_HOST."
        )


def host_is_known(given: str, config: Config) -> bool:
    """Whether a Host header names this server, so that no foreign name can be made to lead here."""
    host = urlsplit(f"//{given}").hostname if _wellformed(given) else None
    return host is not None and _known_host(host, config)


def _wellformed(host: str) -> bool:
    return re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", host) is not None


def _known_host(host: str, config: Config) -> bool:
    if is_loopback(host) or host.lower() == config.host.strip("[]").lower():
        return True
    try:
        ipaddress.ip_address(host)
        return ipaddress.ip_address(config.host).is_unspecified
    except ValueError:
        return False


def _check_site() -> None:
    """Keep other sites' pages away from what destroys or reconfigures while there are no keys."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and _sensitive(request.method, request.path):
        raise ForbiddenError("Pages of other sites may not do that; open this server's own pages.")


def _sensitive(method: str, path: str) -> bool:
    if method == "OPTIONS":
        return False
    if method in ("DELETE", "PATCH") or path.startswith("/debug/"):
        return True
    if is_v1(path) and re.match(r"/api/v1/(models|cache)(/|$)", path):
        return True
    return path.startswith("/api/ultra-performance/") and method not in ("GET", "HEAD")


def _check_size() -> None:
    limit = services().config.max_upload_bytes
    cap_body(limit, too_large)


def cap_body(limit_bytes: int, refuse: Callable[[], OrfeasError]) -> None:
    """Refuse a body over a limit: before it is read if it tells its length, else once it is over."""
    if (request.content_length or 0) > limit_bytes:
        raise refuse()
    if request.content_length is None and request.environ.get("wsgi.input_terminated"):
        # Werkzeug would cut a chunked body at the limit without a word.
        request.environ["wsgi.input"] = Capped(request.environ["wsgi.input"], limit_bytes, refuse)
        request.max_content_length = limit_bytes + 1


class Capped(io.RawIOBase):
    """A body of unknown length that is refused once it is over the limit."""

    def __init__(self, stream: Any, limit_bytes: int, refuse: Callable[[], OrfeasError]) -> None:
        self._stream = stream
        self._left = limit_bytes
        self._refuse = refuse

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise self._refuse()
        buffer[: len(data)] = data
        return len(data)


def _complete(response: Response) -> Response:
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = g.get("request_id", "")
    response.headers["Server"] = "orfeas"
    if (applied := g.get("preference_applied")) is not None:
        response.headers["Preference-Applied"] = applied
    return response


def _complete_cors(response: Response) -> Response:
    """What flask-cors leaves out: the whole list at a preflight, and an origin for those who send none."""
    origins = services().config.cors_origins
    if origins != ("*",):
        response.vary.add("Origin")
        if "Origin" not in request.headers and origins:
            response.headers.setdefault("Access-Control-Allow-Origin", origins[0])
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = ", ".join(METHODS)
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
    return response


def page(html: str) -> Response:
    """An answer that is a page: it may load this server's own scripts, styles and pictures."""
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response


@functools.cache
def packaged_page(name: str) -> str:
    """A page of the package."""
    return resources.files("orfeas").joinpath("static", name).read_text(encoding="utf-8")
