"""Rows of stored files: who has them, who uses them, which page of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, case, func, null, select, update

from orfeas.errors import DiskFullError, JobNotFoundError
from orfeas.jobs.paging import after, cursor_of, in_order
from orfeas.jobs.views import Page
from orfeas.storage.statements import upsert
from orfeas.storage.tables import AnyRow, assets, job_assets, jobs, runs, stages

UNUSED_UPLOAD_S = 24 * 3600.0
USE_NOTED_S = 3600.0
NAME_CHARACTERS = 128
REFERENCES_SHOWN = 100
_UNSAFE = re.compile(r"[^\w .()+@-]+")


@dataclass(frozen=True, slots=True)
class Asset:
    """A stored file of a tenant. `id` is the SHA-256 of its bytes; times are seconds since the epoch.

    `pixel_sha256` and `image` belong to pictures, `up_axis` and `mesh` to meshes; `references` are
    the ids of the jobs that use it.
    """

    id: str
    kind: str
    format: str
    media_type: str
    size_bytes: int
    filename: str
    origin: str
    original_sha256: str | None
    pixel_sha256: str | None
    image: dict[str, Any] | None
    mesh: dict[str, Any] | None
    up_axis: str | None
    licence: dict[str, Any] | None
    created_at: float
    last_used_at: float
    expires_at: float | None
    references: tuple[str, ...] = ()


def keep_upload(
    connection: Connection, tenant: str, asset_id: str, size_bytes: int, values: dict[str, Any], now: float
) -> bool:
    """Write the row of an upload, or prolong the one there is. True when it is new."""
    row = {"origin": "upload", "size_bytes": size_bytes, "created_at": now, "last_used_at": now, **values}
    made = connection.execute(
        upsert(connection, assets)
        .values(tenant=tenant, id=asset_id, expires_at=now + UNUSED_UPLOAD_S, **row)
        .on_conflict_do_nothing()
        .returning(assets.c.id)
    ).one_or_none()
    if made is not None:
        return True
    used = bool(users(connection, tenant, [asset_id])[asset_id])
    longer = None if used else case((assets.c.expires_at.is_(None), null()), else_=now + UNUSED_UPLOAD_S)
    connection.execute(
        update(assets)
        .where(assets.c.tenant == tenant, assets.c.id == asset_id)
        .values(
            last_used_at=now,
            expires_at=longer,
            # A picture that a job made is a picture now; what is known of it stays.
            pixel_sha256=func.coalesce(assets.c.pixel_sha256, values.get("pixel_sha256")),
        )
    )
    if values.get("image"):
        missing = and_(assets.c.tenant == tenant, assets.c.id == asset_id, assets.c.kind != "image")
        connection.execute(update(assets).where(missing).values(kind="image", image=values["image"]))
    return False


_ONE = select(assets).where(assets.c.tenant == bindparam("tenant"), assets.c.id == bindparam("asset_id"))


def find(connection: Connection, tenant: str, asset_id: str, *, references: bool = True) -> Asset | None:
    """One asset of a tenant; without `references` its users are not looked up."""
    row = connection.execute(_ONE, {"tenant": tenant, "asset_id": asset_id}).one_or_none()
    if row is None:
        return None
    return _assets(connection, tenant, [row])[0] if references else _asset(row, ())


def meshes(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, dict[str, Any] | None]:
    """What is known of the meshes of assets."""
    if not ids:
        return {}
    query = select(assets.c.id, assets.c.mesh).where(assets.c.tenant == tenant, assets.c.id.in_(ids))
    return {row.id: row.mesh for row in connection.execute(query)}


def page(
    connection: Connection,
    tenant: str,
    *,
    kind: str | None,
    format_name: str | None,
    limit: int,
    cursor: str | None,
    newest_first: bool,
) -> Page[Asset]:
    """A page of a tenant's assets by time."""
    where = [assets.c.tenant == tenant]
    where += [column == value for column, value in ((assets.c.kind, kind), (assets.c.format, format_name)) if value]
    if cursor:
        where.append(after(assets, cursor, newest_first=newest_first))
    query = select(assets).where(*where).order_by(*in_order(assets, newest_first=newest_first))
    rows = list(connection.execute(query.limit(limit + 1)))
    shown = rows[:limit]
    return Page(tuple(_assets(connection, tenant, shown)), cursor_of(shown[-1]) if len(rows) > limit else None)


def _assets(connection: Connection, tenant: str, rows: list[AnyRow]) -> list[Asset]:
    used = users(connection, tenant, [row.id for row in rows])
    return [_asset(row, tuple(used[row.id])) for row in rows]


_SHOWN = tuple(name for name in Asset.__dataclass_fields__ if name != "references")


def _asset(row: AnyRow, references: tuple[str, ...]) -> Asset:
    return Asset(**{name: getattr(row, name) for name in _SHOWN}, references=references)


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_USE = (jobs.c.id.label("job_id"), jobs.c.created_at, jobs.c.tenant, jobs.c.hidden)
_BOTH = (
    select(jobs.c.input_asset.label("asset_id"), *_USE)
    .where(jobs.c.input_asset.in_(_IDS))
    .union(
        select(job_assets.c.asset_id, *_USE)
        .join(jobs, jobs.c.id == job_assets.c.job_id)
        .where(job_assets.c.asset_id.in_(_IDS))
    )
    .subquery()
)
_USERS = select(_BOTH).order_by(_BOTH.c.created_at.desc())


def users(connection: Connection, tenant: str, ids: list[str]) -> dict[str, list[str]]:
    """For each asset the jobs that take it as input or list it as a file; hidden jobs are nobody's."""
    found: dict[str, list[str]] = {asset_id: [] for asset_id in ids}
    rows = connection.execute(_USERS, {"ids": ids}).all() if ids else []
    for row in rows:
        # Asked for in the statement, tenant and hidden would let SQLite look at every job that there is.
        if row.tenant == tenant and not row.hidden and len(found[row.asset_id]) < REFERENCES_SHOWN:
            found[row.asset_id].append(row.job_id)
    return found


def use_is_due(connection: Connection, tenant: str, blob: str, now: float) -> bool:
    """Whether the use of a file has to be noted: its rows say that it was not used within the hour."""
    listed, made = _uses(tenant, blob, now)
    due = select(assets.c.id).where(listed).union_all(select(stages.c.output).where(made)).limit(1)
    return connection.execute(due).first() is not None


def note_use(connection: Connection, tenant: str, blob: str, now: float) -> None:
    """A file was read: neither retention nor the cache's limits count it as unused."""
    listed, made = _uses(tenant, blob, now)
    connection.execute(update(assets).where(listed).values(last_used_at=now))
    connection.execute(update(stages).where(made).values(last_used_at=now))


def _uses(tenant: str, blob: str, now: float) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The rows of a file, and of the stages that made it, that were last used more than an hour ago."""
    before = now - USE_NOTED_S
    listed = and_(assets.c.tenant == tenant, assets.c.id == blob, assets.c.last_used_at < before)
    last_use = func.coalesce(stages.c.last_used_at, stages.c.finished_at, 0.0)
    made = and_(stages.c.tenant == tenant, stages.c.output == blob, stages.c.state == "done", last_use < before)
    return listed, made


def maker(connection: Connection, tenant: str, asset_id: str) -> tuple[str, int] | None:
    """The newest job that lists an asset, rather one that is shown, and the number of its run."""
    row = connection.execute(
        select(jobs.c.id, runs.c.number)
        .join(job_assets, job_assets.c.job_id == jobs.c.id)
        .join(runs, runs.c.id == job_assets.c.run_id)
        .where(jobs.c.tenant == tenant, job_assets.c.asset_id == asset_id)
        .order_by(jobs.c.hidden, jobs.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, row.number)


def main_result(connection: Connection, tenant: str, job_id: str) -> tuple[str, str | None]:
    """A job's state and its main file: the first of role model, else the first, of the latest run."""
    state = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id, jobs.c.tenant == tenant)).scalar()
    if state is None:
        raise JobNotFoundError(f"There is no job {job_id[:64]!r}.")
    if state != "succeeded":
        return state, None
    latest = select(func.max(runs.c.number)).where(runs.c.job_id == job_id).scalar_subquery()
    found = connection.execute(
        select(job_assets.c.asset_id)
        .join(runs, runs.c.id == job_assets.c.run_id)
        .where(job_assets.c.job_id == job_id, runs.c.number == latest)
        .order_by(case((job_assets.c.role == "model", 0), else_=1), job_assets.c.position)
        .limit(1)
    ).scalar()
    return state, found


def remove(connection: Connection, tenant: str, asset_id: str) -> None:
    """Drop an asset's row. Its bytes are the sweep's: a writer may just have found them."""
    connection.execute(assets.delete().where(assets.c.tenant == tenant, assets.c.id == asset_id))


def stored_bytes(connection: Connection) -> int:
    """Bytes of all files and kept outputs, each blob once."""
    kept = select(assets.c.id.label("blob"), assets.c.size_bytes.label("size"))
    made = select(stages.c.output, stages.c.output_bytes).where(stages.c.output.is_not(None))
    both = kept.union(made).subquery()
    return int(connection.execute(select(func.coalesce(func.sum(both.c.size), 0))).scalar_one())


def check_cap(connection: Connection, cap: int | None, needed: int = 0) -> None:
    """Refuse work that would store more than `cap` bytes in all; None is no cap. Nothing is deleted for it."""
    if cap is None:
        return
    stored = stored_bytes(connection)
    if stored + needed > cap:
        raise DiskFullError(
            f"{stored} bytes are stored and {cap} may be (ORFEAS_STORAGE_MAX_MB); delete jobs or assets.", limit=cap
        )


def unnamed_of(connection: Connection, blobs: list[str]) -> set[str]:
    """Those of some blobs that neither a file nor a stage names."""
    unnamed = set(blobs)
    for start in range(0, len(blobs), 500):
        part = blobs[start : start + 500]
        named = select(assets.c.id).where(assets.c.id.in_(part))
        made = select(stages.c.output).where(stages.c.output.in_(part))
        unnamed -= {str(found) for found in connection.execute(named.union(made)).scalars()}
    return unnamed


def safe_name(filename: str | None, extension: str) -> str:
    """A client's file name without folders and control characters, with the extension of what is stored."""
    stem = PurePosixPath((filename or "").replace("\\", "/")).stem
    return f"{_UNSAFE.sub('_', stem).strip(' ._')[:NAME_CHARACTERS] or 'upload'}.{extension}"
