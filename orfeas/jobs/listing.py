"""The files that runs list, and the pictures that they show before they end. Always inside a caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, case, null, update

from orfeas.storage.statements import upsert
from orfeas.storage.tables import AnyRow, assets, job_assets

SHOWN_S = 24 * 3600.0
"""How long a picture is kept that a run showed and never listed, because it failed or was cancelled."""

ZIP = "application/zip"
KINDS = {
    "model": "mesh",
    "rejected": "mesh",
    "preview": "image",
    "texture": "image",
    "source": "image",
    "bundle": "archive",
}


def as_asset(output: dict[str, Any], made: AnyRow) -> dict[str, Any]:
    """A file as results list it: what the plan says of it, and what its stage wrote.

    What a stage had to pack, such as an obj with its picture, is a zip.
    """
    same = {key: output[key] for key in ("role", "format", "filename", "media_type", "up_axis")}
    if (made.report or {}).get("packed") and same["media_type"] != ZIP:
        same |= {"media_type": ZIP, "filename": f"{same['filename']}.zip"}
    return {**same, "asset_id": made.output, "size_bytes": made.output_bytes}


def note_mesh(connection: Connection, read: AnyRow) -> None:
    """Show what a stage read in an uploaded mesh, `read` being the row of that stage."""
    uploads = [part["blob"] for part in read.inputs if "blob" in part]
    of_ours = and_(assets.c.tenant == read.tenant, assets.c.id.in_(uploads), assets.c.origin == "upload")
    if uploads:
        connection.execute(update(assets).where(of_ours).values(mesh=read.report["mesh"]))


def list_files(
    connection: Connection, run: AnyRow, listed: list[dict[str, Any]], measures: dict[str, Any], now: float
) -> None:
    """Write down the files of a run that has ended."""
    for position, asset in enumerate(listed):
        mesh = _mesh_facts(measures.get(asset["format"])) if asset["role"] in ("model", "rejected") else None
        _keep(connection, run.tenant, asset, mesh, now, expires_at=None)
        connection.execute(
            job_assets.insert().values(
                run_id=run.id,
                position=position,
                job_id=run.job_id,
                **{key: asset[key] for key in ("asset_id", "role", "format", "filename", "up_axis")},
            )
        )


def show_file(connection: Connection, tenant: str, asset: dict[str, Any], now: float) -> None:
    """Let a file be fetched while its run is still at work."""
    _keep(connection, tenant, asset, None, now, expires_at=now + SHOWN_S)


def _keep(
    connection: Connection,
    tenant: str,
    asset: dict[str, Any],
    mesh: dict[str, Any] | None,
    now: float,
    *,
    expires_at: float | None,
) -> None:
    """Write the row of a file, or prolong the one there is; what is kept for good stays so."""
    insert = upsert(connection, assets).values(
        tenant=tenant,
        id=asset["asset_id"],
        kind=_kind(asset),
        origin="job",
        mesh=mesh,
        created_at=now,
        last_used_at=now,
        expires_at=expires_at,
        **{key: asset[key] for key in ("format", "media_type", "size_bytes", "filename", "up_axis")},
    )
    longer = None if expires_at is None else case((assets.c.expires_at.is_(None), null()), else_=expires_at)
    connection.execute(
        insert.on_conflict_do_update(index_elements=["tenant", "id"], set_={"last_used_at": now, "expires_at": longer})
    )


def _kind(asset: dict[str, Any]) -> str:
    """A preview is a picture, or the mesh before it is coloured."""
    return "mesh" if asset["media_type"].startswith("model/") else KINDS.get(asset["role"], "other")


def _mesh_facts(measured: dict[str, Any] | None) -> dict[str, Any] | None:
    if not measured:
        return None
    return {
        "faces": measured.get("face_count"),
        "vertices": measured.get("vertex_count"),
        "extents_mm": measured.get("extents_mm"),
    }
