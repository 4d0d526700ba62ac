"""Errors that pages report: shortened, cleaned and logged, never more than a few a minute from one address."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orfeas.errors import InvalidRequestError, RateLimitedError

logger = logging.getLogger("orfeas.client")

LONGEST_BYTES = 4096
MOST_MEMBERS = 20
PER_MINUTE = 30
WINDOW_S = 60.0
MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log line can be found by, and whether something was left out of it."""

    error_id: str
    truncated: bool


class ClientErrorService:
    """Log what pages report."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seen: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, address: str) -> None:
        """Count a report.

        Raises
        ------
        RateLimitedError
            This address has sent 30 within a minute.
        """
        now = self._now()
        with self._lock:
            if len(self._seen) > MOST_ADDRESSES:
                self._seen.clear()
            times = self._seen[address]
            while times and times[0] <= now - WINDOW_S:
                times.popleft()
            if len(times) >= PER_MINUTE:
                wait_s = max(1, round(times[0] + WINDOW_S - now))
                raise RateLimitedError(
                    f"{PER_MINUTE} reports a minute are taken from one address; wait {wait_s} s.",
                    limit=PER_MINUTE,
                    retry_after=wait_s,
                )
            times.append(now)

    def report(self, document: Any, address: str) -> Logged:
        """Log a report as one structured line.

        Raises
        ------
        InvalidRequestError
            It is no object, or has no message.
        """
        if not isinstance(document, Mapping):
            raise InvalidRequestError("The body must be a JSON object.")
        message = document.get("message")
        if not isinstance(message, str) or not message.strip():
            detail = "message is needed: what went wrong, as text."
            raise InvalidRequestError.at("/message", detail, code="missing")
        ordered = {"message": message, **document}
        kept = dict([*ordered.items()][:MOST_MEMBERS])
        cleaned = {_text(name): _value(value) for name, value in kept.items()}
        truncated = len(kept) < len(ordered) or any(_size(value) > LONGEST_BYTES for value in kept.values())
        error_id = secrets.token_hex(8)
        logger.warning("client error", extra={"fields": {"error_id": error_id, "address": address, "report": cleaned}})
        return Logged(error_id, truncated)


def _value(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    return _text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _text(text: str) -> str:
    """Without control characters and lone surrogates, at most 4 kB in UTF-8."""
    plain = "".join(character if character.isprintable() else " " for character in text[:LONGEST_BYTES])
    return plain.encode("utf-8", "replace")[:LONGEST_BYTES].decode("utf-8", "ignore")


def _size(value: Any) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return len(text.encode("utf-8", "replace"))
