"""ETags, 304, ranges: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from orfeas.errors import AssetGoneError
from orfeas.routes.context import services

IMMUTABLE = "private, max-age=31536000, immutable"
REVALIDATE = "private, no-cache"


def with_etag(answer: Response, *, cache_control: str = REVALIDATE, etag: str | None = None) -> Response:
    """Give an answer a strong ETag (of its bytes, unless one is given) and turn it into 304 if the client has it."""
    answer.set_etag(etag or hashlib.sha256(answer.get_data()).hexdigest()[:32])
    answer.headers["Cache-Control"] = cache_control
    answer.make_conditional(request.environ)
    return answer


def send_blob(
    sha256: str,
    media_type: str,
    *,
    filename: str | None = None,
    attachment: bool = False,
    cache_control: str = IMMUTABLE,
    etag: str | None = None,
) -> Response:
    """A stored file with Range, If-Range and If-None-Match: 200, 206, 304 or 416."""
    blobs = services().blobs
    size = blobs.size(sha256)
    if size is None:
        raise AssetGoneError("The file was removed; make it again.")
    response = Response(wrap_file(request.environ, blobs.open(sha256)), mimetype=media_type, direct_passthrough=True)
    response.content_length = size
    response.set_etag(etag or sha256)
    response.headers["Cache-Control"] = cache_control
    if filename is not None:
        response.headers.set("Content-Disposition", "attachment" if attachment else "inline", **_disposition(filename))
    # Several ranges in one request, what is no range, and a weak If-Range get the whole file (RFC 9110, 13.1.5, 14.2).
    if "Range" not in request.headers or (_one_range() and not _weak_if_range()):
        _cut(response, size)
    else:
        response.make_conditional(request.environ)
        response.headers["Accept-Ranges"] = "bytes"
    return response


def _cut(response: Response, size: int) -> None:
    try:
        response.make_conditional(request.environ, accept_ranges=True, complete_length=size)
    except RequestedRangeNotSatisfiable:
        response.close()  # the file is open already
        raise


def _one_range() -> bool:
    asked = request.range
    return asked is not None and asked.units == "bytes" and len(asked.ranges) == 1


def _weak_if_range() -> bool:
    return request.headers.get("If-Range", "").startswith("W/")


def _disposition(filename: str) -> Mapping[str, Any]:
    """File name parameters of Content-Disposition: ASCII, and RFC 8187 where that is not enough."""
    plain = filename.encode("ascii", "ignore").decode("ascii") or "file"
    return {"filename": plain} if plain == filename else {"filename": plain, "filename*": _extended(filename)}


def _extended(filename: str) -> str:
    from urllib.parse import quote

    return f"UTF-8''{quote(filename, safe='')}"
