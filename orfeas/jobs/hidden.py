"""Hidden jobs: conversions and renders of finished jobs, in no list. Always inside a caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, or_, select

from orfeas.jobs.cache import last_use
from orfeas.jobs.enlist import UNFINISHED
from orfeas.storage.tables import assets, job_assets, jobs, run_stages, runs, stages

BATCH = 500


def at_work(connection: Connection, tenant: str, fingerprint: str) -> str | None:
    """The hidden job that makes these outputs just now: clients ask again until it is done."""
    return connection.execute(
        select(jobs.c.id)
        .join(runs, runs.c.job_id == jobs.c.id)
        .where(runs.c.fingerprint == fingerprint, runs.c.state.in_(UNFINISHED), jobs.c.tenant == tenant, jobs.c.hidden)
        .order_by(jobs.c.created_at)
        .limit(1)
    ).scalar()


def drop_finished(connection: Connection, before: float) -> int:
    """Remove hidden jobs that ended before a time. What they made stays, as long as the cache's rules keep it."""
    old = and_(jobs.c.hidden, jobs.c.state.not_in(UNFINISHED), jobs.c.updated_at < before)
    ids = list(connection.execute(select(jobs.c.id).where(old).limit(BATCH)).scalars())
    if not ids:
        return 0
    made = list(
        connection.execute(select(job_assets.c.asset_id).where(job_assets.c.job_id.in_(ids)).distinct()).scalars()
    )
    connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    listed = (
        select(job_assets.c.asset_id)
        .join(jobs, jobs.c.id == job_assets.c.job_id)
        .where(job_assets.c.asset_id == assets.c.id, jobs.c.tenant == assets.c.tenant)
    )
    used = select(jobs.c.id).where(jobs.c.input_asset == assets.c.id, jobs.c.tenant == assets.c.tenant)
    connection.execute(
        delete(assets).where(assets.c.id.in_(made), assets.c.origin == "job", ~or_(listed.exists(), used.exists()))
    )
    return len(ids)


def drop_orphans(connection: Connection, before: float) -> int:
    """Remove stages that no run has in its plan, that have no result any more and were last used before a time."""
    planned = select(run_stages.c.stage_id).where(run_stages.c.stage_id == stages.c.id)
    resting = stages.c.state.in_(("absent", "failed"))
    return connection.execute(delete(stages).where(resting, last_use() < before, ~planned.exists())).rowcount
