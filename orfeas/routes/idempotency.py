"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, make_response, request

from orfeas.errors import InvalidRequestError
from orfeas.routes.context import caller, services
from orfeas.routes.examples import annotate
from orfeas.services.idempotency import StoredAnswer

View = TypeVar("View", bound=Callable[..., Any])

HEADER = "Idempotency-Key"
VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")
KEPT_HEADERS = ("Content-Type", "Location", "Link", "ETag", "Retry-After", "Preference-Applied")
PARAMETER = {
    "in": "header",
    "name": HEADER,
    "description": "1 to 128 visible characters; the same key and body within 24 h give the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}


def idempotent(view: View) -> View:
    """Answer a repeated v1 creation with the first answer. Goes right below the route decorator.

    Only answers that made something are kept: after a refusal the key is free, so that a client may mend its
    request or come back when the queue has room.
    """

    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        _check(key)
        stored = services().idempotency.begin(caller(), key, _operation(), body_sha256())
        return _first(key, view, args, kwargs) if stored is None else _replayed(stored)

    annotate(wrapper, "x-idempotent", True)
    return wrapper  # type: ignore[return-value]


def _check(key: str) -> None:
    if not VISIBLE.fullmatch(key):
        detail = f"{HEADER} must have 1 to 128 visible ASCII characters."
        raise InvalidRequestError.at(f"/{HEADER}", detail)


def _operation() -> str:
    return f"{request.method} {request.path}"[:160]


def _first(key: str, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Response:
    store, who = services().idempotency, caller()
    answered = False
    try:
        response = make_response(view(*args, **kwargs))
        if response.status_code < 300:
            headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            store.keep(who, key, StoredAnswer(response.status_code, headers, response.get_data()))
            answered = True
        return response
    finally:
        if not answered:
            store.forget(who, key)


def _replayed(stored: StoredAnswer) -> Response:
    response = Response(stored.body, stored.status, stored.headers)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def body_sha256() -> str:
    """The hash of what the client sent; a form counts by its parts, as its boundary changes with each request."""
    digest = hashlib.sha256(request.query_string + b"\n")
    if request.mimetype == "multipart/form-data":
        for name, values in sorted(request.form.lists()):
            digest.update(repr((name, values)).encode())
        for name, part in sorted(request.files.items(multi=True), key=lambda found: found[0]):
            content = hashlib.file_digest(part.stream, "sha256").hexdigest()  # type: ignore[arg-type]
            part.stream.seek(0)
            digest.update(repr((name, part.filename, content)).encode())
    else:
        digest.update(request.get_data(cache=True))
    return digest.hexdigest()
