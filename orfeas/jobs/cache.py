"""The cache's rows: tiers with their limits, figures and entries (design, section 7).

The tier `latents` holds stages whose output is kept as a latent or field; `stages` all others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal_column, or_, select, update

from orfeas.config import MEGABYTE, Config
from orfeas.jobs.enlist import UNFINISHED
from orfeas.storage.statements import keep_setting, setting
from orfeas.storage.tables import AnyRow, assets, counters, run_stages, runs, stages

TierName = Literal["stages", "latents"]
TIERS: tuple[TierName, ...] = ("stages", "latents")
LIMITS = ("enabled", "max_items", "max_bytes", "ttl_s")
FIGURES = ("hits", "misses", "evictions", "joined")
LATENT = "latent"


@dataclass(frozen=True, slots=True)
class TierLimits:
    """What bounds a tier; None is no bound. `ttl_s` are seconds since the last use."""

    enabled: bool
    max_items: int | None
    max_bytes: int | None
    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier's limits and figures. `bytes` are those of outputs that no file of a job is."""

    limits: TierLimits
    items: int
    bytes: int
    hits: int
    misses: int
    evictions: int
    joined: int

    @property
    def hit_rate(self) -> float | None:
        """The share of look-ups that found something; None before the first."""
        asked = self.hits + self.misses
        return round(self.hits / asked, 4) if asked else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept stage."""

    fingerprint: str
    tier: str
    stage: str
    version: int
    size_bytes: int
    created_at: float | None
    last_used_at: float | None


def limits_of(connection: Connection, config: Config, tier: TierName) -> TierLimits:
    """A tier's limits: as set over the API, else as configured."""
    return replace(configured(config, tier), **(setting(connection, f"cache.{tier}") or {}))


def configured(config: Config, tier: TierName) -> TierLimits:
    """A tier's limits as the environment sets them."""
    if tier == "latents":
        return TierLimits(config.cache, None, config.latent_max_mb * MEGABYTE, None)
    return TierLimits(config.cache, config.cache_max_items, config.cache_max_mb * MEGABYTE, float(config.cache_ttl_s))


def change_limits(connection: Connection, tier: TierName, changes: dict[str, Any]) -> None:
    """Keep changed limits; others stay as they are."""
    key = f"cache.{tier}"
    stored = setting(connection, key) or {}
    keep_setting(connection, key, stored | {name: changes[name] for name in LIMITS if name in changes})


def is_shared(connection: Connection, default: bool) -> bool:
    """Whether runs share finished stages at all (tier `stages` enabled)."""
    return bool((setting(connection, "cache.stages") or {}).get("enabled", default))


def tier_of(connection: Connection, config: Config, tenant: str, tier: TierName) -> Tier:
    """A tier with its figures, as one tenant sees it."""
    items, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(case((_is_listed(), 0), else_=stages.c.output_bytes)), 0)).where(
            _kept(tier), stages.c.tenant == tenant
        )
    ).one()
    rows = connection.execute(select(counters).where(counters.c.name.in_([f"cache.{tier}.{name}" for name in FIGURES])))
    found = {row.name.rpartition(".")[2]: int(row.value) for row in rows}
    figures = {name: found.get(name, 0) for name in FIGURES}
    return Tier(limits_of(connection, config, tier), items=int(items), bytes=int(size), **figures)


def entries(
    connection: Connection, tenant: str, *, tier: TierName | None, limit: int, after_id: int | None, newest_first: bool
) -> tuple[list[Entry], int | None]:
    """Kept stages by age of their rows, and the row id where the next page begins."""
    where = [_kept(tier), stages.c.tenant == tenant]
    if after_id is not None:
        where.append(stages.c.id < after_id if newest_first else stages.c.id > after_id)
    order = stages.c.id.desc() if newest_first else stages.c.id
    rows = list(connection.execute(select(stages).where(*where).order_by(order).limit(limit + 1)))
    shown = rows[:limit]
    return [_entry(row) for row in shown], shown[-1].id if len(rows) > limit else None


def clear(
    connection: Connection,
    tenant: str,
    *,
    tier: TierName | None,
    fingerprint: str | None,
    older_than_s: float | None,
    now: float,
) -> tuple[int, list[str]]:
    """Forget kept stages of a tenant that no unfinished run needs. Returns how many, and the blobs they named."""
    where = [_kept(tier), stages.c.tenant == tenant, not_pinned()]
    if fingerprint is not None:
        where.append(stages.c.fingerprint == fingerprint)
    if older_than_s is not None:
        where.append(last_use() < now - older_than_s)
    rows = list(connection.execute(select(stages.c.id, stages.c.output).where(*where)))
    forget(connection, [row.id for row in rows])
    return len(rows), [row.output for row in rows if row.output]


def forget(connection: Connection, ids: list[int]) -> None:
    """Remove the claim of stages on their outputs; what they were and reported stays, for manifests."""
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        connection.execute(
            update(stages)
            .where(stages.c.id.in_(part), stages.c.state == "done")
            .values(state="absent", output=None, output_bytes=None)
        )


def not_pinned() -> ColumnElement[bool]:
    """No unfinished run has the stage in its plan."""
    mine = (
        select(run_stages.c.stage_id)
        .join(runs, runs.c.id == run_stages.c.run_id)
        .where(run_stages.c.stage_id == stages.c.id, runs.c.state.in_(UNFINISHED))
    )
    return ~mine.exists()


def last_use() -> ColumnElement[float]:
    """When a stage was last used or made."""
    return func.coalesce(stages.c.last_used_at, stages.c.finished_at, 0.0)


def in_tier(tier: TierName) -> ColumnElement[bool]:
    """Whether a stage belongs to a tier."""
    return stages.c.keep == LATENT if tier == "latents" else stages.c.keep != LATENT


def is_listed_file() -> ColumnElement[bool]:
    """Whether a stage's output is a stored file, which limits of the cache never touch."""
    return _is_listed()


def _kept(tier: TierName | None) -> ColumnElement[bool]:
    done = stages.c.state == literal_column("'done'")  # a parameter would not be known to be that of the index
    return done if tier is None else and_(done, in_tier(tier))


def _is_listed() -> ColumnElement[bool]:
    named = select(assets.c.id).where(assets.c.id == stages.c.output)
    return or_(stages.c.output.is_(None), named.exists())


def _entry(row: AnyRow) -> Entry:
    return Entry(
        fingerprint=row.fingerprint,
        tier="latents" if row.keep == LATENT else "stages",
        stage=row.name,
        version=row.version,
        size_bytes=row.output_bytes or 0,
        created_at=row.finished_at,
        last_used_at=row.last_used_at,
    )
