"""The first tier of cache: pure lookups kept by `functools.lru_cache`, counted together."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

Lookup = TypeVar("Lookup", bound=Callable[..., Any])

MAX_ITEMS = 128
BUCKET_S = 2.0

_cached: list[Any] = []


def info_cached(lookup: Lookup) -> Lookup:
    """Keep the last 128 answers of a lookup; its arguments must be hashable."""
    kept = functools.lru_cache(maxsize=MAX_ITEMS)(lookup)
    _cached.append(kept)
    return kept  # type: ignore[return-value]


def time_bucket() -> int:
    """An argument for lookups of what changes: another number every 2 s."""
    return int(time.monotonic() / BUCKET_S)


def info_statistics() -> dict[str, int]:
    """Hits, misses and entries of this process."""
    found = [lookup.cache_info() for lookup in _cached]
    return {
        "items": sum(info.currsize for info in found),
        "max_items": MAX_ITEMS,
        "hits": sum(info.hits for info in found),
        "misses": sum(info.misses for info in found),
    }


def clear_info() -> None:
    """Forget all answers of this process."""
    for lookup in _cached:
        lookup.cache_clear()
