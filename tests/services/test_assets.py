"""Stored files on both databases: what is new, what is prolonged, what is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orfeas.config import Config
from orfeas.domain.caller import LOCAL, SCOPES, Caller
from orfeas.errors import AssetInUseError, FileNotFoundProblem
from orfeas.jobs.files import USE_NOTED_S
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.views import JobInput, Surface
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.services.assets import AssetService
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database, migrate
from tests.imaging.pictures import png
from tests.routes import meshes

DAY = 86_400.0


@dataclass
class Desk:
    """A service whose clock stands still until it is moved."""

    assets: AssetService
    jobs: Jobs
    now: float = 1_000_000.0


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    database = Database(database_url)
    migrate(database, tmp_path)
    blobs = FolderStorage(tmp_path / "data")
    found: Desk
    assets = AssetService(Config(data_dir=tmp_path / "data"), database, blobs, now=lambda: found.now)
    found = Desk(assets, Jobs(database, blobs, LocalWakeups(tmp_path / "data")))
    yield found
    database.dispose()


def test_an_upload_is_new_once_and_prolonged_after(desk: Desk) -> None:
    asset, created = desk.assets.store_file(LOCAL, png(), "a.png")
    assert created
    assert asset.expires_at == desk.now + DAY
    desk.now += 3600.0
    again, created = desk.assets.store_file(LOCAL, png(), "b.png")
    assert not created
    assert (again.id, again.expires_at, again.created_at) == (asset.id, desk.now + DAY, asset.created_at)


def test_what_a_job_uses_is_kept_also_when_it_is_sent_again(desk: Desk) -> None:
    asset = desk.assets.store_image(LOCAL, png(), "a.png")
    job = desk.jobs.open(LOCAL, Surface.COMPATIBLE, JobInput(asset_id=asset.id))
    again = desk.assets.store_image(LOCAL, png(), "a.png")
    assert (again.expires_at, again.references) == (None, (job.id,))
    with pytest.raises(AssetInUseError):
        desk.assets.delete(LOCAL, asset.id)


def test_tenants_do_not_see_each_other(desk: Desk) -> None:
    other = Caller("other", SCOPES)
    asset = desk.assets.store_image(LOCAL, png(), "a.png")
    with pytest.raises(FileNotFoundProblem):
        desk.assets.get(other, asset.id)
    assert desk.assets.list(other).items == ()
    _, created = desk.assets.store_file(other, png(), "a.png")
    assert created


def test_use_is_noted_at_most_once_an_hour(desk: Desk) -> None:
    asset = desk.assets.store_image(LOCAL, png(), "a.png")
    desk.now += USE_NOTED_S - 1
    desk.assets.content(LOCAL, asset.id)
    assert desk.assets.get(LOCAL, asset.id).last_used_at == asset.last_used_at
    desk.now += 2
    desk.assets.content(LOCAL, asset.id)
    assert desk.assets.get(LOCAL, asset.id).last_used_at == desk.now


def test_pages_go_through_all_files_once_in_both_directions(desk: Desk) -> None:
    made = []
    for body, name in ((meshes.ACCEPTED[name], f"a.{name}") for name in sorted(meshes.ACCEPTED)):
        desk.now += 1.0
        made.append(desk.assets.store_mesh(LOCAL, body, name).id)
    for newest_first, wanted in ((True, made[::-1]), (False, made)):
        seen: list[str] = []
        cursor = None
        while True:
            page = desk.assets.list(LOCAL, limit=3, cursor=cursor, newest_first=newest_first)
            seen += [asset.id for asset in page.items]
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        assert seen == wanted


def test_a_source_starts_a_plan_by_its_pixels_or_its_bytes(desk: Desk) -> None:
    picture = desk.assets.store_image(LOCAL, png(), "a.png")
    mesh = desk.assets.store_mesh(LOCAL, meshes.stl(), "a.stl")
    assert desk.assets.source_of(picture).fingerprint == picture.pixel_sha256
    assert desk.assets.source_of(mesh).fingerprint == mesh.id
    assert desk.assets.source_of(picture).blob == picture.id
