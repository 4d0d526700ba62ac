"""What waits and who works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from orfeas.jobs.enlist import UNFINISHED
from orfeas.storage.tables import jobs, run_stages, runs, stages, workers

SILENT_S = 20.0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """`depth` queued and `running` runs; `oldest_seconds` the longest wait, None when nothing waits."""

    depth: int
    running: int
    oldest_seconds: float | None
    by_type: dict[str, int]
    workers: tuple[dict[str, Any], ...]


_COUNT_QUEUED = select(func.count()).select_from(runs).where(runs.c.state == "queued")
_COUNT_WAITING = _COUNT_QUEUED.where(runs.c.joined.is_(False))
_BY_TYPE = (
    select(runs.c.state, runs.c.type, func.count().label("number"))
    .where(runs.c.state.in_(UNFINISHED))
    .group_by(runs.c.state, runs.c.type)
)
_OLDEST = select(func.min(runs.c.created_at)).where(runs.c.state == "queued")
_AT_WORK = (
    select(stages.c.owner, func.min(jobs.c.id).label("job_id"))
    .join(run_stages, run_stages.c.stage_id == stages.c.id)
    .join(runs, runs.c.id == run_stages.c.run_id)
    .join(jobs, jobs.c.id == runs.c.job_id)
    .where(
        stages.c.owner.is_not(None), run_stages.c.interest, runs.c.state == "running",
        jobs.c.tenant == bindparam("tenant"),
    )
    .group_by(stages.c.owner)
)  # fmt: skip
_ALIVE = (
    select(workers).where(workers.c.heartbeat_at > bindparam("heard")).order_by(workers.c.queue, workers.c.started_at)
)


def is_full(connection: Connection, queue_max: int) -> bool:
    """Whether as many runs as may be wait for work of their own; joined ones, which no index tells, never count."""
    return all(connection.execute(number).scalar_one() >= queue_max for number in (_COUNT_QUEUED, _COUNT_WAITING))


def queue_status(connection: Connection, tenant: str, now: float) -> QueueStatus:
    """The queue as a caller may see it: job ids of its own tenant only."""
    counts = {(row.state, row.type): row.number for row in connection.execute(_BY_TYPE)}
    oldest = connection.execute(_OLDEST).scalar()
    by_type: dict[str, int] = {}
    for (_, kind), number in counts.items():
        by_type[kind] = by_type.get(kind, 0) + number
    return QueueStatus(
        depth=sum(number for (state, _), number in counts.items() if state == "queued"),
        running=sum(number for (state, _), number in counts.items() if state == "running"),
        oldest_seconds=None if oldest is None else round(max(0.0, now - oldest), 3),
        by_type=by_type,
        workers=tuple(_workers(connection, tenant, now)),
    )


def _workers(connection: Connection, tenant: str, now: float) -> list[dict[str, Any]]:
    at_work = {row.owner.partition(".")[0]: row.job_id for row in connection.execute(_AT_WORK, {"tenant": tenant})}
    alive = connection.execute(_ALIVE, {"heard": now - SILENT_S})
    return [
        {
            "id": row.id,
            "queue": row.queue,
            "device": row.device,
            "state": row.state,
            "job_id": at_work.get(row.id),
            "heartbeat_at": row.heartbeat_at,
        }
        for row in alive
    ]
