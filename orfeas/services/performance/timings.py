"""What finished runs took, from the rows: durations, stages, and one profile against another."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from orfeas.domain.profiles import STANDARD
from orfeas.jobs.queue import SILENT_S
from orfeas.storage.tables import counters, run_stages, runs, stages, workers

Kind = tuple[str | None, str | None, int | None]
"""An engine, a model and a quality."""

RECENT = 50
COMPARED = 200
"""The latest runs of a profile that a comparison looks at."""
ENOUGH = 3
"""Runs of each side below which nothing is compared."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds of one kind of stage in the latest runs."""

    average_s: float
    least_s: float
    most_s: float
    count: int
    total_s: float


@dataclass(frozen=True, slots=True)
class Recent:
    """The latest finished runs that computed something; `stages` of those whose stages were monitored."""

    durations_s: tuple[float, ...] = ()
    monitored_s: float = 0.0
    stages: dict[str, StageTimes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Speedup:
    """Mean seconds of standard runs over those of a profile, for equal models and qualities; None below three each.

    `steps` is the same ratio of denoiser steps or passes, which is what a profile alone promises.
    """

    ratio: float | None = None
    steps: float | None = None
    runs: int = 0
    reference_runs: int = 0

    @property
    def efficiency(self) -> float | None:
        """Share of the promise that was kept."""
        return round(self.ratio / self.steps, 4) if self.ratio is not None and self.steps else None


def recent(connection: Connection) -> Recent:
    """The last fifty finished runs."""
    rows = connection.execute(_LATEST).all()
    monitored = [row for row in rows if row.monitored]
    wanted = {"run_ids": [row.id for row in monitored]}
    found = {row.name: StageTimes(*row[1:]) for row in connection.execute(_STAGES, wanted)} if monitored else {}
    return Recent(
        durations_s=tuple(_seconds(row) for row in rows),
        monitored_s=sum(stage.total_s for stage in found.values()),
        stages=found,
    )


_LATEST = (
    select(runs.c.id, runs.c.monitored, runs.c.started_at, runs.c.finished_at)
    .where(
        runs.c.state == "succeeded", runs.c.cached.is_(False), runs.c.started_at.is_not(None),
        runs.c.finished_at.is_not(None),
    )
    .order_by(runs.c.finished_at.desc())
    .limit(RECENT)
)  # fmt: skip
_STAGES = (
    select(
        stages.c.name,
        func.avg(stages.c.seconds).label("average_s"),
        func.min(stages.c.seconds).label("least_s"),
        func.max(stages.c.seconds).label("most_s"),
        func.count().label("count"),
        func.sum(stages.c.seconds).label("total_s"),
    )
    .select_from(run_stages)
    .join(stages, stages.c.id == run_stages.c.stage_id)
    .where(
        run_stages.c.run_id.in_(bindparam("run_ids", expanding=True)),
        run_stages.c.interest,
        stages.c.seconds.is_not(None),
    )
    .group_by(stages.c.name)
)
_OF_PROFILE = (
    select(
        runs.c.engine, runs.c.model, runs.c.quality, runs.c.started_at, runs.c.finished_at, runs.c.reused,
        runs.c.settings, runs.c.degraded, runs.c.joined,
    )
    .where(
        runs.c.profile == bindparam("profile"), runs.c.state == "succeeded", runs.c.cached.is_(False),
        runs.c.finished_at.is_not(None),
    )
    .order_by(runs.c.finished_at.desc())
    .limit(COMPARED)
)  # fmt: skip
_ENDED = (
    select(runs.c.state)
    .where(runs.c.finished_at.is_not(None), runs.c.state.in_(("succeeded", "failed")))
    .order_by(runs.c.finished_at.desc())
    .limit(RECENT)
)
_OPTIMIZED = select(func.count()).select_from(runs).where(runs.c.profile != STANDARD, runs.c.state == "succeeded")
_LOOKUPS = select(counters.c.name, counters.c.value).where(counters.c.name.like("cache.%"))


def speedup(
    connection: Connection, profile: str, *, model: str | None = None, engine: str | None = None,
    quality: int | None = None,
) -> Speedup:  # fmt: skip
    """How much faster a profile was; of one engine, model and quality where they are given, else over all of them."""
    mine, reference = _measured(connection, profile), _measured(connection, STANDARD)
    if engine is not None:
        kind: Kind = (engine, model, quality)
        mine, reference = {kind: mine.get(kind, [])}, {kind: reference.get(kind, [])}
    kinds = [kind for kind in mine if min(len(mine[kind]), len(reference.get(kind, []))) >= ENOUGH]
    counted = kinds or list(mine)
    numbers = (sum(len(mine[kind]) for kind in counted), sum(len(reference.get(kind, [])) for kind in counted))
    if not kinds or profile == STANDARD:
        return Speedup(None, None, *numbers)
    ratios = [_mean(reference[kind], 0) / _mean(mine[kind], 0) for kind in kinds]
    steps = [_mean(reference[kind], 1) / _mean(mine[kind], 1) for kind in kinds if _mean(mine[kind], 1)]
    return Speedup(round(statistics.fmean(ratios), 4), statistics.fmean(steps) if steps else None, *numbers)


def _measured(connection: Connection, profile: str) -> dict[Kind, list[tuple[float, float]]]:
    """Seconds and steps (0: it has none, as solids of words) of runs that made everything anew, by their kind."""
    found: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    for row in connection.execute(_OF_PROFILE, {"profile": profile}):
        whole = not row.reused and not row.joined and not row.degraded and row.started_at is not None
        if whole and _seconds(row) > 0.0:
            found[row.engine, row.model, row.quality].append((_seconds(row), float(row.settings.get("steps") or 0)))
    return found


def success_rate(connection: Connection) -> float | None:
    """Share of the last fifty runs that ended well, of those that were not cancelled; None before the first."""
    states = list(connection.execute(_ENDED).scalars())
    return round(states.count("succeeded") / len(states), 4) if states else None


def optimized_runs(connection: Connection) -> int:
    """Finished runs under another profile than standard."""
    return int(connection.execute(_OPTIMIZED).scalar_one())


def cache_counts(connection: Connection) -> tuple[int, int]:
    """Look-ups of stages that were kept, and of those that were not."""
    totals = {"hits": 0, "misses": 0}
    for name, value in connection.execute(_LOOKUPS):
        kind = name.rpartition(".")[2]
        if kind in totals:
            totals[kind] += value
    return totals["hits"], totals["misses"]


def device_reports(connection: Connection, now: float) -> list[dict[str, Any]]:
    """The last report of each device whose worker is there."""
    alive = select(workers.c.report).where(workers.c.queue == "gpu", workers.c.heartbeat_at > now - SILENT_S)
    return [report for report in connection.execute(alive).scalars() if report and "loads" in report]


def _seconds(row: Any) -> float:
    return float(row.finished_at - row.started_at)


def _mean(pairs: list[tuple[float, float]], member: int) -> float:
    return statistics.fmean(pair[member] for pair in pairs)
