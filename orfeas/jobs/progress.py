"""Percent and time left of a run from its stages and their weights."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select

from orfeas.jobs.views import RunRequest
from orfeas.storage.tables import AnyRow, runs

ENOUGH_RUNS = 5
RECENT_RUNS = 20
DEFAULT_WEIGHT = 10.0
BEGUN = ("done", "running")


def percent_done(planned: Sequence[AnyRow], weights: dict[str, float]) -> int:
    """Weights of the finished planned stages and the share of the current one, over the sum; below 100."""
    done = sum(weights.get(row.name, DEFAULT_WEIGHT) * _share(row) for row in planned if row.state in BEGUN)
    if done <= 0.0:
        return 0
    total = sum(weights.get(row.name, DEFAULT_WEIGHT) for row in planned)
    return min(99, int(100.0 * done / total))


def seconds_left(planned: Sequence[AnyRow], weights: dict[str, float]) -> float:
    """Time left if every planned stage takes its measured median."""
    return sum(weights.get(row.name, DEFAULT_WEIGHT) * (1.0 - _share(row)) for row in planned)


def _share(row: AnyRow) -> float:
    if row.state == "done":
        return 1.0
    return float(row.fraction) if row.state == "running" else 0.0


def measured_seconds(connection: Connection, like: RunRequest) -> dict[str, float] | None:
    """Median seconds of each stage over recent finished runs of the same kind; None before there are five.

    Of a stage that the plan holds several times, such as the exports of two formats, the share of one.
    """
    recent = connection.execute(
        select(runs.c.timings)
        .where(
            runs.c.state == "succeeded", runs.c.cached.is_(False), runs.c.type == like.type,
            runs.c.engine == like.engine, runs.c.model == like.model, runs.c.profile == like.profile,
            runs.c.quality == like.quality,
        )
        .order_by(runs.c.finished_at.desc())
        .limit(RECENT_RUNS)
    ).scalars()  # fmt: skip
    seconds: dict[str, list[float]] = defaultdict(list)
    enough = 0
    for timings in recent:
        enough += bool(timings)
        for name, value in (timings or {}).items():
            seconds[name].append(value)
    if enough < ENOUGH_RUNS:
        return None
    times = Counter(node.spec.name for node in like.plan.nodes())
    return {name: statistics.median(values) / max(times[name], 1) for name, values in seconds.items()}
