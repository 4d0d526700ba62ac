"""No new work while the server ends; rate limits, off by default (IETF draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from orfeas.config import Config
from orfeas.errors import RateLimitedError, ShuttingDownError
from orfeas.routes.context import services

if TYPE_CHECKING:
    from limits.strategies import RateLimiter

EXEMPT = frozenset({"/health", "/ready", "/api/health", "/metrics", "/api/models-info"})
WINDOW_S = 60
RESTART_S = 5


def register(app: Flask, config: Config) -> None:
    """Send work away while the server ends; count requests of each address if a limit is set."""
    app.before_request(_refuse_while_ending)
    if config.rate_limit_per_minute <= 0:
        return
    from limits import RateLimitItemPerMinute
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    limiter: RateLimiter = MovingWindowRateLimiter(MemoryStorage())
    limit = RateLimitItemPerMinute(config.rate_limit_per_minute)

    def check() -> None:
        if request.path in EXEMPT or request.method == "OPTIONS":
            return
        admitted = limiter.hit(limit, request.remote_addr or "")
        window = limiter.get_window_stats(limit, request.remote_addr or "")
        reset_s = max(1, round(window.reset_time - time.time()))
        g.rate_limit = (window.remaining, reset_s)
        if not admitted:
            raise RateLimitedError(
                f"{config.rate_limit_per_minute} requests a minute are allowed; try again in {reset_s} s.",
                limit=config.rate_limit_per_minute,
                retry_after=reset_s,
            )

    def tell(response: Response) -> Response:
        if (found := g.get("rate_limit")) is not None:
            remaining, reset_s = found
            response.headers["RateLimit-Policy"] = f'"default";q={config.rate_limit_per_minute};w={WINDOW_S}'
            response.headers["RateLimit"] = f'"default";r={remaining};t={reset_s}'
        return response

    app.before_request(check)
    app.after_request(tell)


def _refuse_while_ending() -> None:
    if request.method not in {"GET", "HEAD", "OPTIONS"} and services().notifier.stopping.is_set():
        raise ShuttingDownError(
            f"The server is shutting down and nothing was started; send it again in {RESTART_S} s.",
            retry_after=RESTART_S,
        )
