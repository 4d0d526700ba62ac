"""The cache as its administrator sees it: tiers, entries, limits, clearing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orfeas.config import MEGABYTE, Config
from orfeas.domain.caller import Caller
from orfeas.errors import BadCursorError, ForbiddenError, InvalidRequestError
from orfeas.jobs import cache, files
from orfeas.jobs.cache import Entry, Tier, TierName
from orfeas.jobs.sweep import Sweeper
from orfeas.jobs.views import Page
from orfeas.services.info import clear_info, info_statistics
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database

FIXED_TIERS = {
    "info": "The tier info lives in each process and has fixed limits; it refreshes itself every 2 s.",
    "redis": "The tier redis is part of a later release.",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of all files, the cap (None: none), and free disk."""

    file_bytes: int
    max_bytes: int | None
    disk_free_bytes: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many entries went, and the bytes that nothing names any more; they are unlinked within the hour."""

    cleared: int
    freed_bytes: int


class CacheService:
    """Look at the cache and bound it."""

    def __init__(
        self,
        config: Config,
        database: Database,
        blobs: FolderStorage,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._database = database
        self._blobs = blobs
        self._now = now

    def tiers(self, caller: Caller) -> dict[str, Tier]:
        """The tiers of rows, as the caller's tenant sees them."""
        with self._database.read() as connection:
            return {name: cache.tier_of(connection, self._config, caller.tenant, name) for name in cache.TIERS}

    def info(self) -> dict[str, int]:
        """The look-ups of this process together: hits, misses, most and present entries."""
        return info_statistics()

    def stored(self) -> Stored:
        """What all files take."""
        with self._database.read() as connection:
            file_bytes = files.stored_bytes(connection)
        cap = self._config.storage_max_mb * MEGABYTE
        return Stored(file_bytes, cap or None, self._blobs.free_bytes())

    def change(self, caller: Caller, changes: dict[str, dict[str, Any]]) -> None:
        """Set limits by tier; they hold over restarts and are applied by the next sweep."""
        _require_admin(caller)
        for tier in changes:
            if tier in FIXED_TIERS:
                raise InvalidRequestError.at(f"/{tier}", FIXED_TIERS[tier])
        with self._database.transaction() as connection:
            for name in cache.TIERS:
                if name in changes:
                    cache.change_limits(connection, name, changes[name])

    def entries(
        self,
        caller: Caller,
        *,
        tier: TierName | None = None,
        limit: int = 50,
        cursor: str | None = None,
        newest_first: bool = True,
    ) -> Page[Entry]:
        """A page of kept stages."""
        if cursor is not None and not cursor.isdecimal():
            raise BadCursorError
        after_id = None if cursor is None else int(cursor)
        with self._database.read() as connection:
            found, following = cache.entries(
                connection, caller.tenant, tier=tier, limit=limit, after_id=after_id, newest_first=newest_first
            )
        return Page(tuple(found), None if following is None else str(following))

    def clear(
        self, caller: Caller, *, tier: str | None, fingerprint: str | None, older_than_s: float | None
    ) -> Cleared:
        """Forget kept stages; files of jobs stay, and so does what unfinished runs need."""
        _require_admin(caller)
        if tier == "redis":
            raise InvalidRequestError.at("/tier", FIXED_TIERS["redis"])
        if tier == "info":
            return self._clear_info(fingerprint, older_than_s)
        with self._database.transaction() as connection:
            cleared, blobs = cache.clear(
                connection, caller.tenant, tier=_row_tier(tier), fingerprint=fingerprint, older_than_s=older_than_s,
                now=self._now(),
            )  # fmt: skip
            released = files.unnamed_of(connection, blobs)
        freed = sum(self._blobs.size(blob) or 0 for blob in released)
        Sweeper(self._database, self._blobs, self._config).unlink(self._now())
        return Cleared(cleared, freed)

    def _clear_info(self, fingerprint: str | None, older_than_s: float | None) -> Cleared:
        if fingerprint is not None or older_than_s is not None:
            raise InvalidRequestError.at("/tier", "The tier info has neither fingerprints nor ages; clear it whole.")
        cleared = self.info()["items"]
        clear_info()
        return Cleared(cleared, 0)


def _row_tier(tier: str | None) -> TierName | None:
    return next((name for name in cache.TIERS if name == tier), None)


def _require_admin(caller: Caller) -> None:
    if "admin" not in caller.scopes:
        raise ForbiddenError("Changing the cache needs the scope admin.")
