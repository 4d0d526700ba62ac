"""Removing a job with what no other job uses."""

from __future__ import annotations

from sqlalchemy import Connection, Select, Text, cast, select, update

from orfeas.jobs.views import JobInput
from orfeas.storage.tables import AnyRow, assets, job_assets, jobs, run_stages, runs, scene_objects, scenes, stages

UNUSED_UPLOAD_S = 24 * 3600.0


def discard_job(connection: Connection, job_id: str, tenant: str, now: float) -> None:
    """Delete the rows of a job, and stages and files that nothing else refers to.

    Nothing is unlinked at once: a writer may just have found such a blob, so the sweep unlinks
    blobs that no row names and that nobody touched for an hour.
    """
    mine = select(run_stages.c.stage_id).join(runs, runs.c.id == run_stages.c.run_id).where(runs.c.job_id == job_id)
    others = (
        select(run_stages.c.stage_id)
        .join(runs, runs.c.id == run_stages.c.run_id)
        .where(runs.c.job_id != job_id, run_stages.c.stage_id.in_(mine))
    )
    own_stages = list(connection.execute(mine.where(run_stages.c.stage_id.not_in(others))).scalars())
    listed = list(connection.execute(select(job_assets.c.asset_id).where(job_assets.c.job_id == job_id)).scalars())
    job: AnyRow = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()
    connection.execute(jobs.delete().where(jobs.c.id == job_id))
    if own_stages:
        connection.execute(stages.delete().where(stages.c.id.in_(own_stages)))
    unused = [asset_id for asset_id in {*listed} if not _listed(connection, asset_id, tenant)]
    if unused:
        connection.execute(
            assets.delete().where(assets.c.tenant == tenant, assets.c.id.in_(unused), assets.c.origin == "job")
        )
    given = [found for found in JobInput(**job.input).asset_ids if not _listed(connection, found, tenant)]
    if given:
        connection.execute(
            update(assets)
            .where(assets.c.tenant == tenant, assets.c.id.in_(given), assets.c.origin == "upload")
            .values(expires_at=now + UNUSED_UPLOAD_S)
        )


def references(asset_id: str, tenant: str) -> Select[tuple[str]]:
    """The jobs that use an asset as input or list it as a file."""
    listing = select(job_assets.c.job_id).where(job_assets.c.asset_id == asset_id)
    view = cast(jobs.c.input, Text).contains(asset_id, autoescape=True)
    used = (jobs.c.input_asset == asset_id) | view | jobs.c.id.in_(listing)
    return select(jobs.c.id).where(jobs.c.tenant == tenant, used)


def scenes_with(asset_id: str, tenant: str) -> Select[tuple[str]]:
    """The scenes in which an asset stands."""
    return (
        select(scenes.c.id)
        .join(scene_objects, scene_objects.c.scene_id == scenes.c.id)
        .where(scenes.c.tenant == tenant, scene_objects.c.asset_id == asset_id)
    )


def _listed(connection: Connection, asset_id: str, tenant: str) -> bool:
    used = (references(asset_id, tenant), scenes_with(asset_id, tenant))
    return any(connection.execute(query.limit(1)).first() is not None for query in used)
