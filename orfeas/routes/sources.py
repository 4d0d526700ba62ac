"""Inputs of v1 requests: stored, fetched, or sent along."""

from __future__ import annotations

from typing import Any

from orfeas.errors import InvalidRequestError, OrfeasError
from orfeas.jobs.files import Asset
from orfeas.routes.context import caller, services

SOURCE_PROBLEMS = (
    "file_missing", "invalid_image", "image_active_content", "unreadable_mesh", "empty_mesh", "blocked_url",
    "file_not_found", "job_not_found", "result_not_ready", "result_failed", "asset_gone", "too_large",
    "unsupported_media_type", "upstream_failed",
)  # fmt: skip
NO_INPUT = "input is needed: exactly one of asset_id, job_id, url, data and upload, or a single file part."


def input_of(params: dict[str, Any], member: str = "input") -> Asset:
    """The stored file that a request means; a single file part may stand alone."""
    parts = params["files"]
    wanted = params.get(member)
    if wanted is None and len(parts) == 1:
        wanted = {"upload": next(iter(parts))}
    if wanted is None:
        raise InvalidRequestError.at(f"/{member}", NO_INPUT, code="required")
    return stored(wanted, parts, f"/{member}")


def stored(wanted: dict[str, Any], parts: dict[str, Any], pointer: str) -> Asset:
    """The asset of a Source; what is wrong with it is told with its pointer."""
    try:
        found: Asset = services().assets.resolve_source(caller(), wanted, parts)
    except OrfeasError as error:
        below = error.errors or [{"pointer": "", "detail": error.detail, "code": error.code}]
        error.errors = [{**entry, "pointer": f"{pointer}{entry['pointer']}"} for entry in below]
        raise
    return found
