"""One log line and one measurement for each request."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from flask import Flask, Response, g, request

from orfeas.routes.context import services

logger = logging.getLogger("orfeas.access")
OTHER = "(none)"
CONVERTER = re.compile(r"<\w+:")
"""How a rule says which ids a path takes, which is nothing for a label."""


def register(app: Flask) -> None:
    """Add the hooks to an app; first and last of all, so that every answer is seen as it leaves."""
    app.before_request_funcs.setdefault(None, []).insert(0, _begin)
    app.after_request_funcs.setdefault(None, []).insert(0, _end)
    app.teardown_request(_left)


def _begin() -> None:
    g.began_at = time.perf_counter()
    services().monitoring.traffic.began()
    g.counted = True


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.get("began_at", time.perf_counter())
    endpoint = CONVERTER.sub("<", request.url_rule.rule) if request.url_rule is not None else OTHER
    services().monitoring.traffic.answered(
        request.method, endpoint, response.status_code, seconds, problem=g.get("problem_code")
    )
    logger.info("request", extra={"fields": _fields(response, endpoint, seconds)})
    return response


def _fields(response: Response, endpoint: str, seconds: float) -> dict[str, Any]:
    found = {
        "request_id": g.get("request_id"),
        "method": request.method,
        "path": request.path,
        "endpoint": endpoint,
        "status": response.status_code,
        "seconds": round(seconds, 6),
        "bytes": response.content_length,
        "address": request.remote_addr,
        "code": g.get("problem_code"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _left(_: BaseException | None) -> None:
    if g.pop("counted", False):
        services().monitoring.traffic.left()
