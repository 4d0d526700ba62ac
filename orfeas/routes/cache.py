"""The cache: tiers, entries, limits, clearing."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.routes.body import query_args, v1_body
from orfeas.routes.context import caller, services
from orfeas.routes.examples import example
from orfeas.routes.paging import NEWEST_FIRST, page_response
from orfeas.routes.problems import problems
from orfeas.routes.schemas.cache import (
    CacheChangesSchema,
    CacheSchema,
    ClearedSchema,
    ClearSchema,
    EntryPageSchema,
    EntryQuerySchema,
    cache_document,
    entry_document,
)

CACHE = "/api/v1/cache"

blp = Blueprint("cache", __name__, description="The cache: tiers, entries, limits, clearing.")


@blp.get(CACHE)
@blp.response(200, CacheSchema)
@example()
def get() -> Response:
    """Read limits and figures of all tiers."""
    return _answer()


@blp.patch(CACHE)
@v1_body(blp, CacheChangesSchema)
@blp.response(200, CacheSchema)
@problems(blp, "invalid_request", "forbidden", "unsupported_media_type")
@example(request={"stages": {"max_items": 2000, "ttl_s": 172800}})
def change(params: dict[str, Any]) -> Response:
    """Set limits of a tier; what is over them goes with the next sweep."""
    services().cache.change(caller(), params)
    return _answer()


@blp.get(f"{CACHE}/entries")
@query_args(blp, EntryQuerySchema)
@blp.response(200, EntryPageSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "bad_cursor", "invalid_request")
@example(query={"tier": "latents", "limit": 10})
def entries(query: dict[str, Any]) -> Response:
    """List kept stages, newest first."""
    newest_first = query.pop("sort") == NEWEST_FIRST
    page = services().cache.entries(caller(), newest_first=newest_first, **query)
    return page_response([entry_document(entry) for entry in page.items], page.next_cursor)


@blp.post(f"{CACHE}/clear")
@v1_body(blp, ClearSchema)
@blp.response(200, ClearedSchema)
@problems(blp, "invalid_request", "forbidden", "unsupported_media_type")
@example(request={"tier": "stages", "older_than_s": 3600})
def clear(params: dict[str, Any]) -> Response:
    """Forget kept stages; files of jobs stay."""
    found = services().cache.clear(caller(), **params)
    return jsonify(cleared=found.cleared, freed_bytes=found.freed_bytes)


def _answer() -> Response:
    found = services().cache
    return jsonify(cache_document(found.tiers(caller()), found.info(), found.stored()))
