"""`Prefer: wait=N` and `?wait=N` (RFC 7240): `@waits` on a view that takes them, `wait_seconds` where it waits."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import g, request

from orfeas.domain import limits
from orfeas.domain.caller import Caller
from orfeas.errors import InvalidRequestError
from orfeas.jobs.events import wait_final
from orfeas.jobs.views import JobView
from orfeas.routes.context import services
from orfeas.routes.examples import annotate

View = TypeVar("View", bound=Callable[..., Any])

LONGEST_S = limits.WAIT_S[1]
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9.]{1,12})\"?\s*(?=[,;]|$)", re.IGNORECASE)


def waits(unasked: float | str = 0.0) -> Callable[[View], View]:
    """Take `wait` and document it. Goes right below the route decorator and `@idempotent`.

    It is read before anything else, so that a wrong one is refused even where the answer is there already. `unasked`
    tells for how many seconds the view waits if the client says nothing.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            g.wait_s = _asked()
            return view(*args, **kwargs)

        annotate(wrapper, "x-waits", unasked if isinstance(unasked, str) else f"{unasked:g}")
        return wrapper  # type: ignore[return-value]

    return decorate


def parameters(unasked: str) -> list[dict[str, Any]]:
    """What the document says of an operation that waits."""
    told = f"How many seconds to wait for the job at most; {unasked} where neither this nor Prefer is given."
    seconds = {"type": "number", "minimum": limits.WAIT_S[0], "maximum": LONGEST_S}
    same = "`wait=N` is the same as the parameter wait, which goes first (RFC 7240). Other preferences are ignored."
    return [
        {"in": "query", "name": "wait", "description": told, "schema": seconds},
        {"in": "header", "name": "Prefer", "description": same, "schema": {"type": "string"}},
    ]


def wait_seconds(default: float = 0.0) -> float:
    """How long the client of a view with `@waits` will wait, 0 to 60 s; `default` if it does not say."""
    asked: float | None = g.wait_s
    return default if asked is None else asked


def _asked() -> float | None:
    """What the query says, else the header, which is then acknowledged."""
    asked = request.args.getlist("wait")
    found = _WAIT.search(request.headers.get("Prefer", ""))
    if not asked and found is None:
        return None
    value = _seconds(",".join(asked) if asked else found.group(1) if found else "")
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
        raise InvalidRequestError.at("/wait", detail)
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
