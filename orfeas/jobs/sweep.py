"""Letting go of what nobody needs (design, 3a.13): claims in the rows first, then the bytes.

A blob is unlinked when no row names it, no unfinished run needs it, and nobody touched it for an
hour. A writer that finds a blob touches it before it writes its row, so it never loses one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, or_, select, update

from orfeas.config import Config
from orfeas.jobs import hidden
from orfeas.jobs.cache import TIERS, TierName, forget, in_tier, is_listed_file, last_use, limits_of, not_pinned
from orfeas.jobs.enlist import UNFINISHED, count
from orfeas.jobs.event_log import KEPT_PER_JOB
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database
from orfeas.storage.tables import (
    AnyRow,
    assets,
    events,
    idempotency,
    job_assets,
    jobs,
    runs,
    scene_objects,
    scenes,
    stages,
)

UNTOUCHED_S = 3600.0
IDEMPOTENCY_S = 24 * 3600.0
ORPHANS_S = 7 * 24 * 3600.0
BATCH = 500


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How much went: rows, and bytes that were unlinked."""

    evicted_stages: int = 0
    expired_uploads: int = 0
    retired_files: int = 0
    removed_blobs: int = 0
    freed_bytes: int = 0
    idempotency_keys: int = 0
    events: int = 0
    hidden_jobs: int = 0


class Sweeper:
    """Applies limits, retention and expiry to one data folder."""

    def __init__(self, database: Database, blobs: FolderStorage, config: Config) -> None:
        self._database = database
        self._blobs = blobs
        self._config = config

    def sweep(self, now: float) -> SweepReport:
        """Remove claims, then unlink what is claimed no more. `now` is seconds since the epoch."""
        evicted = sum(self._evict(tier, now) for tier in TIERS)
        uploads, retired = self._expire_uploads(now), self._retire_files(now)
        keys, old_events = self._forget_answers(now), self._trim_events()
        converted = self._drop_hidden(now)
        removed, freed = self.unlink(now)
        self._blobs.clear_incoming()
        return SweepReport(evicted, uploads, retired, removed, freed, keys, old_events, converted)

    # claims

    def _evict(self, tier: TierName, now: float) -> int:
        """Forget transient outputs, then a tier's stages by age, count and bytes, until it is within its limits."""
        with self._database.transaction() as connection:
            limits = limits_of(connection, self._config, tier)
            rows = list(_in_order_of_eviction(connection, tier))
            kept, size = len(rows), sum(row.size for row in rows)
            chosen = []
            for row in rows:
                old = limits.ttl_s is not None and row.last_use < now - limits.ttl_s
                many = limits.max_items is not None and kept > limits.max_items
                large = limits.max_bytes is not None and size > limits.max_bytes and row.size > 0
                if row.free and (row.transient or not limits.enabled or old or many or large):
                    chosen.append(row.id)
                    kept, size = kept - 1, size - row.size
            forget(connection, chosen)
            count(connection, f"cache.{tier}.evictions", len(chosen))
        return len(chosen)

    def _expire_uploads(self, now: float) -> int:
        """Uploads that nothing used in time, and pictures that runs showed and never listed."""
        with self._database.transaction() as connection:
            gone = delete(assets).where(assets.c.expires_at <= now, ~_used_by_job(), ~_listed_by_job(), ~_in_scene())
            return connection.execute(gone).rowcount

    def _retire_files(self, now: float) -> int:
        """Files of jobs that nobody used within the retention time: the rows stay and say that they are gone."""
        if not self._config.retention_h:
            return 0
        before = now - self._config.retention_h * 3600.0
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(assets.c.tenant, assets.c.id).where(
                    assets.c.last_used_at < before,
                    or_(assets.c.expires_at.is_(None), assets.c.expires_at > now),
                    or_(_used_by_job(), _listed_by_job(), assets.c.origin == "job"),
                    ~_pinned_by_run(),
                    ~_in_scene(),
                )
            ).all()
            for row in rows:
                mine = and_(assets.c.tenant == row.tenant, assets.c.id == row.id)
                connection.execute(update(assets).where(mine).values(expires_at=now))
                makers = select(stages.c.id).where(
                    stages.c.tenant == row.tenant, stages.c.output == row.id, not_pinned()
                )
                forget(connection, list(connection.execute(makers).scalars()))
        return len(rows)

    def _forget_answers(self, now: float) -> int:
        with self._database.transaction() as connection:
            old = idempotency.c.created_at < now - IDEMPOTENCY_S
            return connection.execute(delete(idempotency).where(old)).rowcount

    def _trim_events(self) -> int:
        long = select(jobs.c.id, jobs.c.sequence).where(jobs.c.sequence > KEPT_PER_JOB)
        with self._database.transaction() as connection:
            return sum(
                connection.execute(
                    delete(events).where(events.c.job_id == job.id, events.c.sequence <= job.sequence - KEPT_PER_JOB)
                ).rowcount
                for job in connection.execute(long).all()
            )

    def _drop_hidden(self, now: float) -> int:
        """Conversions and renders that were made: the cache's rules decide how long their files stay."""
        with self._database.transaction() as connection:
            gone = hidden.drop_finished(connection, now - UNTOUCHED_S)
            hidden.drop_orphans(connection, now - ORPHANS_S)
        return gone

    # bytes

    def unlink(self, now: float) -> tuple[int, int]:
        """Unlink blobs that no row names and nobody touched for an hour: how many, and their bytes."""
        removed = freed = 0
        for batch in _batches(self._untouched(now)):
            with self._database.read() as connection:
                named = _named(connection, batch, now)
            for sha256 in batch:
                size = 0 if sha256 in named else self._blobs.delete_untouched(sha256, now - UNTOUCHED_S)
                removed, freed = removed + bool(size), freed + size
        return removed, freed

    def _untouched(self, now: float) -> Iterator[str]:
        return (sha256 for sha256, _, touched in self._blobs.walk() if touched < now - UNTOUCHED_S)


def _in_order_of_eviction(connection: Connection, tier: TierName) -> Iterator[AnyRow]:
    """Kept stages of all tenants: intermediates before files, the longest unused first."""
    size = case((is_listed_file(), 0), else_=func.coalesce(stages.c.output_bytes, 0))
    query = (
        select(
            stages.c.id,
            size.label("size"),
            last_use().label("last_use"),
            not_pinned().label("free"),
            (stages.c.keep == "transient").label("transient"),
        )
        .where(stages.c.state == "done", in_tier(tier))
        .order_by(case((stages.c.keep == "file", 1), else_=0), last_use(), stages.c.id)
    )
    yield from connection.execute(query)


def _used_by_job() -> Any:
    return select(jobs.c.id).where(jobs.c.tenant == assets.c.tenant, jobs.c.input_asset == assets.c.id).exists()


def _listed_by_job() -> Any:
    listing = (
        select(job_assets.c.asset_id)
        .join(jobs, jobs.c.id == job_assets.c.job_id)
        .where(job_assets.c.asset_id == assets.c.id, jobs.c.tenant == assets.c.tenant)
    )
    return listing.exists()


def _in_scene() -> Any:
    standing = (
        select(scene_objects.c.id)
        .join(scenes, scenes.c.id == scene_objects.c.scene_id)
        .where(scene_objects.c.asset_id == assets.c.id, scenes.c.tenant == assets.c.tenant)
    )
    return standing.exists()


def _pinned_by_run() -> Any:
    at_work = (
        select(jobs.c.id)
        .join(runs, runs.c.job_id == jobs.c.id)
        .where(jobs.c.input_asset == assets.c.id, runs.c.state.in_(UNFINISHED))
    )
    return at_work.exists()


def _named(connection: Connection, batch: list[str], now: float) -> set[str]:
    """Those blobs that a row names: a stage's output, or a file that has not expired."""
    made = select(stages.c.output).where(stages.c.output.in_(batch))
    kept = select(assets.c.id).where(
        assets.c.id.in_(batch),
        or_(assets.c.expires_at.is_(None), assets.c.expires_at > now, _pinned_by_run()),
    )
    return {str(found) for found in connection.execute(made.union(kept)).scalars()}


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for name in names:
        batch.append(name)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
