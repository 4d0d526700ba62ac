"""`Prefer: wait=N` and `?wait=N` (RFC 7240)."""

from __future__ import annotations

import re

from flask import g, request

from orfeas.domain.caller import Caller
from orfeas.errors import InvalidRequestError
from orfeas.jobs.events import wait_final
from orfeas.jobs.views import JobView
from orfeas.routes.context import services

LONGEST_S = 60.0
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9.]{1,12})\"?\s*(?=[,;]|$)", re.IGNORECASE)


def wait_seconds(default: float = 0.0) -> float:
    """How long the client will wait, 0 to 60 s; `default` if it does not say. The header is then acknowledged."""
    asked = request.args.get("wait")
    found = _WAIT.search(request.headers.get("Prefer", ""))
    if asked is None and found is None:
        return default
    value = _seconds(asked if asked is not None else found.group(1) if found else "")
    if found is not None:
        g.preference_applied = f"wait={value:g}"
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= LONGEST_S:
        detail = f"wait must be 0 to {LONGEST_S:g} seconds."
        raise InvalidRequestError(detail, errors=[{"pointer": "/wait", "detail": detail, "code": "invalid"}])
    return value


def finish(caller: Caller, job: JobView, wait_s: float) -> JobView:
    """The job once it is final, or as it is when time is up or no slot for waiting is free."""
    if job.state.final or wait_s <= 0.0:
        return job
    found = services()
    with found.holders.hold() as granted:
        if not granted:
            return job
        return wait_final(found.jobs_engine.get, found.notifier, caller, job.id, wait_s)
