"""Stored files: uploads made safe, results of jobs, and where inputs come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from threading import BoundedSemaphore
from typing import IO, Any
from uuid import UUID

from sqlalchemy import Connection

from orfeas.config import MEGABYTE, Config
from orfeas.domain.caller import Caller
from orfeas.domain.formats import MESH_FORMATS, READABLE, sniff_image
from orfeas.errors import (
    AssetGoneError,
    AssetInUseError,
    BlockedUrlError,
    FileMissingError,
    FileNotFoundProblem,
    InvalidImageError,
    InvalidRequestError,
    JobNotFoundError,
    ResultFailedError,
    ResultNotReadyError,
    UnsupportedMediaTypeError,
)
from orfeas.imaging import FAMILIES, clean_upload, thumbnail
from orfeas.jobs import files
from orfeas.jobs.discard import scenes_with
from orfeas.jobs.files import Asset
from orfeas.jobs.plan import Source
from orfeas.jobs.views import Page
from orfeas.remote import Fetched, fetch
from orfeas.services.recent import RecentBytes
from orfeas.services.uploads import (
    decoded_uri,
    extension_of,
    image_values,
    mesh_header,
    mesh_values,
    name_by_type,
)
from orfeas.storage.blobs import Storage
from orfeas.storage.database import Database

__all__ = ["Asset", "AssetService"]

DECODES_AT_ONCE = 2
PICTURES_BYTES = 32 * MEGABYTE
PREVIEW_SIZE = (64, 2048)
MEMBERS = ("asset_id", "job_id", "url", "data", "upload")


class AssetService:
    """Take files in, find them again, let them go."""

    def __init__(
        self,
        config: Config,
        database: Database,
        blobs: Storage,
        *,
        fetch_url: Callable[..., Fetched] = fetch,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._database = database
        self._blobs = blobs
        self._fetch = fetch_url
        self._now = now
        self._decoding = BoundedSemaphore(DECODES_AT_ONCE)
        self._pictures = RecentBytes(PICTURES_BYTES)

    # taking in

    def store_image(self, caller: Caller, data: bytes | IO[bytes], filename: str | None = None) -> Asset:
        """Clean an uploaded picture and keep it; the same pixels in the same form are one asset."""
        return self._store_image(caller, _bytes(data), filename, shown=filename)[0]

    def store_mesh(self, caller: Caller, data: bytes | IO[bytes], filename: str | None = None) -> Asset:
        """Keep an uploaded mesh by its bytes after a check of its header."""
        return self._store_mesh(caller, _bytes(data), filename, shown=filename)[0]

    def store_file(
        self, caller: Caller, data: bytes | IO[bytes], filename: str | None, media_type: str | None = None
    ) -> tuple[Asset, bool]:
        """Keep a picture or mesh, told by its content. True when the tenant did not have it.

        The extension of the name, or else the media type, has to fit the content.
        """
        raw = _bytes(data)
        named = filename if PurePosixPath(filename or "").suffix else name_by_type(media_type)
        return self._store(caller, raw, named, shown=filename or named)

    def store_data(self, caller: Caller, uri: str) -> tuple[Asset, bool]:
        """Keep what a data URI holds."""
        media_type, data = decoded_uri(uri)
        named = name_by_type(media_type)
        return self._store(caller, data, named, shown=named)

    def store_url(self, caller: Caller, url: str) -> tuple[Asset, bool]:
        """Fetch a public URL and keep what it gives; its type is told by its content alone."""
        if not self._config.allow_url_input or self._config.offline:
            raise BlockedUrlError("This server fetches no URLs (ORFEAS_ALLOW_URL_INPUT, ORFEAS_OFFLINE).")
        found = self._fetch(url, max_bytes=self._config.max_upload_bytes)
        return self._store(caller, found.data, None, shown=found.name)

    def _store(self, caller: Caller, data: bytes, named: str | None, *, shown: str | None) -> tuple[Asset, bool]:
        extension = extension_of(named)
        if not data and extension not in MESH_FORMATS:
            raise InvalidImageError("The file is empty; choose one that holds an image.")
        if extension in FAMILIES or (sniff_image(data[:16]) and extension not in MESH_FORMATS):
            return self._store_image(caller, data, named, shown=shown)
        if extension and extension not in MESH_FORMATS:
            raise UnsupportedMediaTypeError(
                f"Files named .{extension[:20]} are not read here; send {', '.join([*FAMILIES, *READABLE])}."
            )
        return self._store_mesh(caller, data, named, shown=shown)

    def _store_image(self, caller: Caller, data: bytes, named: str | None, *, shown: str | None) -> tuple[Asset, bool]:
        self._check_room(len(data))
        with self._decoding:
            clean = clean_upload(data, named, max_pixels=self._config.max_image_pixels)
        return self._keep(caller, clean.data, image_values(clean, shown))

    def _store_mesh(self, caller: Caller, data: bytes, named: str | None, *, shown: str | None) -> tuple[Asset, bool]:
        self._check_room(len(data))
        header = mesh_header(data, named, self._config.max_faces)
        return self._keep(caller, data, mesh_values(header, shown))

    def _keep(self, caller: Caller, data: bytes, values: dict[str, Any]) -> tuple[Asset, bool]:
        # The blob is written, or touched if it is there, before its row: the sweep unlinks only what nobody
        # touched for an hour.
        blob = self._blobs.put(data, durable=True)
        with self._database.transaction() as connection:
            created = files.keep_upload(connection, caller.tenant, blob, len(data), values, self._now())
            found = files.find(connection, caller.tenant, blob)
        assert found is not None
        return found, created

    def _check_room(self, size: int) -> None:
        self._blobs.check_space(size)
        with self._database.read() as connection:
            files.check_cap(connection, self._config.storage_max_mb * MEGABYTE or None, size)

    # finding

    def get(self, caller: Caller, asset_id: str, *, references: bool = True) -> Asset:
        """One asset; `FileNotFoundProblem` for an unknown, malformed or foreign id. Its users need not be looked up."""
        return self._find(caller, asset_id, references=references)

    def _find(self, caller: Caller, asset_id: str, *, references: bool) -> Asset:
        with self._database.read() as connection:
            found = files.find(connection, caller.tenant, asset_id.lower(), references=references)
        if found is None:
            raise FileNotFoundProblem(f"There is no asset {asset_id[:64]!r}.")
        return found

    def list(
        self,
        caller: Caller,
        *,
        kind: str | None = None,
        format_name: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        newest_first: bool = True,
    ) -> Page[Asset]:
        """A page of the caller's assets by time."""
        with self._database.read() as connection:
            return files.page(
                connection, caller.tenant, kind=kind, format_name=format_name, limit=limit, cursor=cursor,
                newest_first=newest_first,
            )  # fmt: skip

    def content(self, caller: Caller, asset_id: str) -> Asset:
        """An asset whose bytes are there, to be sent; its use is noted."""
        asset = self._find(caller, asset_id, references=False)
        if not self._blobs.exists(asset.id, asset.size_bytes):
            raise AssetGoneError("The file was removed; upload or make it again.")
        self.note_use(caller, asset.id)
        return asset

    def size(self, blob: str) -> int | None:
        """The bytes of a stored file; None when it is gone."""
        return self._blobs.size(blob)

    def starts_with(self, blob: str, head: bytes) -> bool:
        """Whether a stored file begins with these bytes."""
        with self._blobs.open(blob) as stored:
            return bool(stored.read(len(head)) == head)

    def note_use(self, caller: Caller, blob: str) -> None:
        """A file was fetched: said in its rows at most once an hour, so that reading does not write."""
        now = self._now()
        with self._database.read() as connection:
            stale = files.use_is_due(connection, caller.tenant, blob, now)
        if stale:
            with self._database.transaction() as connection:
                files.note_use(connection, caller.tenant, blob, now)

    def picture(self, blob: str, size: int) -> bytes:
        """A PNG of a stored picture whose longer side is at most `size` pixels."""
        return self._pictures.get((blob, size), lambda: self._drawn(blob, size))

    def _drawn(self, blob: str, size: int) -> bytes:
        data = self._blobs.read(blob)
        with self._decoding:
            return thumbnail(data, size)

    def maker(self, caller: Caller, asset: Asset) -> tuple[str, int] | None:
        """The job that made an asset, the newest if several list it, and the number of its run."""
        with self._database.read() as connection:
            return files.maker(connection, caller.tenant, asset.id)

    def extents(self, connection: Connection, caller: Caller, ids: Sequence[str]) -> dict[str, Any]:
        """The sides of meshes by asset, y up, mm; those that nobody has read are left out."""
        found = files.meshes(connection, caller.tenant, ids)
        return {asset_id: mesh["extents_mm"] for asset_id, mesh in found.items() if mesh and mesh.get("extents_mm")}

    def delete(self, caller: Caller, asset_id: str) -> None:
        """Let an asset go; its bytes follow with the next sweep."""
        asset = self.get(caller, asset_id)
        with self._database.transaction() as connection:
            users = files.users(connection, caller.tenant, [asset.id])[asset.id]
            if users:
                raise AssetInUseError(
                    f"Job {users[0]} uses the asset; delete the job first.", references=_references(users)
                )
            scene = connection.execute(scenes_with(asset.id, caller.tenant).limit(1)).scalar()
            if scene is not None:
                raise AssetInUseError(
                    f"The asset stands in scene {scene}; remove it there first.",
                    references=[{"type": "scene", "id": scene}],
                )
            files.remove(connection, caller.tenant, asset.id)

    # inputs of requests

    def resolve_source(
        self, caller: Caller, source: Mapping[str, Any], parts: Mapping[str, Any] | None = None
    ) -> Asset:
        """The asset that a Source means; files, data and URLs are stored first.

        Parameters
        ----------
        source
            Exactly one of `asset_id`, `job_id` (its main result), `url`, `data` (a data URI) and `upload`.
        parts
            The file parts of a multipart request by name.
        """
        given = [name for name in MEMBERS if source.get(name) is not None]
        if len(given) != 1:
            raise InvalidRequestError.at("", f"Exactly one of {', '.join(MEMBERS)} is needed; {len(given)} were given.")
        member, value = given[0], str(source[given[0]])
        if member == "asset_id":
            return self.content(caller, value)
        if member == "job_id":
            return self._main_result(caller, value)
        if member == "url":
            return self.store_url(caller, value)[0]
        if member == "data":
            return self.store_data(caller, value)[0]
        return self._stored_part(caller, value, parts or {})

    def named_mesh(self, caller: Caller, named: str) -> Asset:
        """The stored mesh with this id: an asset, or the main result of a job.

        Raises
        ------
        FileNotFoundProblem
            Nothing is stored under that id.
        """
        try:
            return self._main_result(caller, str(UUID(named)))
        except ValueError:
            return self.content(caller, named)
        except JobNotFoundError as error:
            raise FileNotFoundProblem(f"There is no asset or job {named[:64]!r}.") from error

    def _stored_part(self, caller: Caller, name: str, parts: Mapping[str, Any]) -> Asset:
        part = parts.get(name)
        if part is None:
            raise FileMissingError(f"The request has no file part named {name[:64]!r}.")
        if not part.filename:
            raise FileMissingError(f"The file part {name[:64]!r} has no file name, so no file was chosen.")
        return self.store_file(caller, part.stream, part.filename, part.mimetype)[0]

    def _main_result(self, caller: Caller, job_id: str) -> Asset:
        with self._database.read() as connection:
            state, found = files.main_result(connection, caller.tenant, job_id.lower())
        if found is not None:
            return self.content(caller, found)
        if state in ("failed", "cancelled"):
            raise ResultFailedError(f"The job is {state}, so it has no result.", job_id=job_id)
        raise ResultNotReadyError(f"The job is {state}; use it as input when it has succeeded.", job_id=job_id)

    def source_of(self, asset: Asset) -> Source:
        """Where a plan starts: a picture counts by its pixels, anything else by its bytes."""
        return Source(fingerprint=asset.pixel_sha256 or asset.id, blob=asset.id)


def _bytes(data: bytes | IO[bytes]) -> bytes:
    return data if isinstance(data, bytes) else data.read()


def _references(users: list[str]) -> list[dict[str, str]]:
    return [{"type": "job", "id": job_id} for job_id in users]
