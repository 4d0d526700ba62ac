"""Every error as application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable

from orfeas import errors
from orfeas.errors import InvalidRequestError, OrfeasError
from orfeas.routes.context import is_v1, services

MEDIA_TYPE = "application/problem+json"
View = TypeVar("View", bound=Callable[..., Any])

logger = logging.getLogger("orfeas.errors")

_BY_STATUS: dict[int, type[OrfeasError]] = {
    400: errors.BadRequestError,
    401: errors.UnauthenticatedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    405: errors.MethodNotAllowedError,
    406: errors.NotAcceptableError,
    412: errors.PreconditionFailedError,
    413: errors.TooLargeError,
    415: errors.UnsupportedMediaTypeError,
    416: errors.RangeNotSatisfiableError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitedError,
}


def problems(blp: Any, *codes: str) -> Callable[[View], View]:
    """Document the problems that an operation can answer, by their codes."""
    known = errors.all_problems()
    for code in codes:
        if code not in known:
            raise LookupError(f"{code} is no problem of orfeas")

    def decorate(view: View) -> View:
        decorated: View = blp.doc(**{"x-problems": list(codes)})(view)
        return decorated

    return decorate


def invalid(messages: Any) -> InvalidRequestError:
    """Marshmallow's tree of messages as a problem with one pointer for each."""
    found = [
        {"pointer": pointer, "detail": message, "code": "unknown" if message == UNKNOWN else "invalid"}
        for pointer, message in _flat(messages, "")
    ]
    shown = "; ".join(f"{entry['pointer'] or '/'}: {entry['detail']}" for entry in found[:8])
    return InvalidRequestError(shown or None, errors=found)


UNKNOWN = "Unknown field."


def _flat(messages: Any, pointer: str) -> list[tuple[str, str]]:
    if isinstance(messages, Mapping):
        return [
            entry
            for name, below in messages.items()
            for entry in _flat(below, pointer if name == "_schema" else f"{pointer}/{_escaped(name)}")
        ]
    if isinstance(messages, list | tuple):
        return [entry for message in messages for entry in _flat(message, pointer)]
    return [(pointer, str(messages))]


def _escaped(name: Any) -> str:
    """One token of a JSON pointer (RFC 6901, section 3)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def status_of(error: OrfeasError, *, v1: bool) -> HTTPStatus:
    """The status of a problem on a surface: a wrong parameter is 400 on the compatible one."""
    if isinstance(error, InvalidRequestError) and not v1:
        return HTTPStatus.BAD_REQUEST
    return error.status


def render(error: OrfeasError) -> Response:
    """The answer to the current request."""
    status = status_of(error, v1=is_v1(request.path))
    problem = {
        **error.as_problem(),
        "status": int(status),
        "instance": request.path,
        "request_id": g.get("request_id", ""),
    }
    if isinstance(error, InvalidRequestError) and not is_v1(request.path):
        problem["details"] = [_sentence(entry) for entry in error.errors] or [error.detail]
    response = Response(json.dumps(problem), int(status), mimetype=MEDIA_TYPE)
    if (retry_after := error.members.get("retry_after")) is not None:
        response.headers["Retry-After"] = str(max(1, round(retry_after)))
    g.problem_code = error.code
    return response


def _sentence(entry: Mapping[str, str]) -> str:
    name = entry.get("pointer", "").lstrip("/").replace("/", ".")
    return f"{name}: {entry['detail']}" if name else entry["detail"]


def register(app: Flask) -> None:
    """Let the app answer every error as a problem."""
    app.register_error_handler(OrfeasError, _of_ours)
    app.register_error_handler(HTTPException, _of_werkzeug)
    app.register_error_handler(Exception, _unexpected)


def _of_ours(error: OrfeasError) -> Response:
    if isinstance(error, errors.InternalError):
        logger.error("internal error", exc_info=error, extra=_where())
    return render(error)


def _of_werkzeug(error: HTTPException) -> Response:
    if error.code is not None and error.code < 400:
        return Response(error.get_response(request.environ).response, error.code, error.get_headers(request.environ))
    response = render(_as_ours(error))
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    if isinstance(error, RequestedRangeNotSatisfiable) and error.length is not None:
        response.headers["Content-Range"] = f"bytes */{error.length}"
    return response


def _as_ours(error: HTTPException) -> OrfeasError:
    data = getattr(error, "data", None)
    if isinstance(data, dict) and isinstance(data.get("messages"), dict):
        # webargs nests the messages below the location, which is no part of a pointer.
        return invalid(_merged(data["messages"]))
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return too_large()
    if error.code == HTTPStatus.NOT_FOUND:
        return errors.NotFoundError(f"There is nothing at {request.path[:200]}; see /docs for every address.")
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = sorted(getattr(error, "valid_methods", None) or [])
        return errors.MethodNotAllowedError(
            f"{request.method} is not possible here; use {', '.join(allowed)}.", allowed=allowed
        )
    kind = _BY_STATUS.get(error.code or 500)
    if kind is None and error.code is not None and 400 <= error.code < 500:
        kind = errors.BadRequestError
    return (kind or errors.InternalError)()


def _merged(messages: Mapping[str, Any]) -> dict[str, Any]:
    return {name: below for tree in messages.values() if isinstance(tree, dict) for name, below in tree.items()}


def too_large() -> OrfeasError:
    """The body is over the limit."""
    limit_mb = services().config.max_upload_mb
    return errors.TooLargeError(
        f"The body may have {limit_mb} MB (ORFEAS_MAX_UPLOAD_MB); send a smaller file.", limit=limit_mb * 1_000_000
    )


def _unexpected(error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error, extra=_where())
    return render(errors.InternalError(f"Something went wrong inside the server; the log has more under {_id()}."))


def _id() -> str:
    return str(g.get("request_id", ""))


def _where() -> dict[str, Any]:
    return {"fields": {"request_id": _id(), "method": request.method, "path": request.path}}
