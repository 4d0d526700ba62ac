"""What the sweep lets go of, what it spares, and that claims go before bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from orfeas.config import Config
from orfeas.jobs import cache
from orfeas.jobs.sweep import Sweeper
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database, migrate
from orfeas.storage.tables import assets, counters, events, idempotency, job_assets, jobs, run_stages, runs, stages

NOW = time.time()
HOUR, DAY = 3600.0, 86_400.0


class Shelf:
    """A data folder with rows and blobs of any age."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.blobs = FolderStorage(folder)
        self.config = Config(data_dir=folder)
        self._made = 0

    def sweep(self, now: float = NOW, **changes: Any) -> Any:
        config = Config(data_dir=self.config.data_dir, **changes)
        return Sweeper(self.database, self.blobs, config).sweep(now)

    def blob(self, data: bytes, age_s: float = 2 * HOUR) -> str:
        sha256 = self.blobs.put(data)
        os.utime(self.blobs.path(sha256), (NOW - age_s, NOW - age_s))
        return sha256

    def insert(self, table: Any, **values: Any) -> None:
        with self.database.transaction() as connection:
            connection.execute(table.insert().values(**values))

    def stage(self, output: str | None, keep: str = "intermediate", age_s: float = HOUR, state: str = "done") -> int:
        self._made += 1
        size = self.blobs.size(output) if output else None
        with self.database.transaction() as connection:
            made = connection.execute(
                stages.insert().values(
                    tenant="default", fingerprint=f"{self._made:064x}", name="shape.surface", version=1, queue="cpu",
                    keep=keep, parameters={}, inputs=[], state=state, output=output, output_bytes=size,
                    report={"faces": 12}, timeout_s=60.0, finished_at=NOW - age_s, last_used_at=NOW - age_s,
                )
            )  # fmt: skip
            return int(made.inserted_primary_key[0])

    def asset(self, blob: str, origin: str = "job", age_s: float = HOUR, expires_at: float | None = None) -> str:
        self.insert(
            assets, tenant="default", id=blob, kind="image", format="png", media_type="image/png",
            size_bytes=self.blobs.size(blob), filename="a.png", origin=origin, created_at=NOW - age_s,
            last_used_at=NOW - age_s, expires_at=expires_at,
        )  # fmt: skip
        return blob

    def job(self, state: str, *stage_ids: int, input_asset: str | None = None, files: tuple[str, ...] = ()) -> str:
        self._made += 1
        job_id, run_id = f"job-{self._made}", f"run-{self._made}"
        self.insert(
            jobs, id=job_id, tenant="default", surface="v1", tags=[], input={}, input_asset=input_asset, state=state,
            created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        self.insert(
            runs, id=run_id, job_id=job_id, number=1, tenant="default", type="generation", request={}, settings={},
            fingerprint="f" * 64, outputs=[], fallbacks=[], weights={}, weights_measured=False, state=state,
            priority=5, cached=False, joined=False, private=False, reused=[], degraded=[], warnings=[], created_at=NOW,
        )  # fmt: skip
        for position, stage_id in enumerate(stage_ids):
            self.insert(run_stages, run_id=run_id, stage_id=stage_id, position=position, target=True, interest=True)
        for position, blob in enumerate(files):
            self.insert(
                job_assets, run_id=run_id, position=position, job_id=job_id, asset_id=blob, role="model",
                format="glb", filename="model.glb",
            )  # fmt: skip
        return job_id

    def done(self) -> set[int]:
        with self.database.read() as connection:
            return set(connection.execute(select(stages.c.id).where(stages.c.state == "done")).scalars())

    def kept(self, table: Any = assets) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def shelf(database_url: str, tmp_path: Path) -> Iterator[Shelf]:
    database = Database(database_url)
    migrate(database, tmp_path)
    yield Shelf(database, tmp_path / "data")
    database.dispose()


def test_stages_unused_for_longer_than_their_time_go_with_their_blobs(shelf: Shelf) -> None:
    old, new = shelf.blob(b"old"), shelf.blob(b"new")
    shelf.stage(old, age_s=2 * DAY)
    young = shelf.stage(new)
    report = shelf.sweep()
    assert shelf.done() == {young}
    assert (report.evicted_stages, report.removed_blobs, report.freed_bytes) == (1, 1, 3)
    assert not shelf.blobs.exists(old)
    assert shelf.blobs.exists(new)


def test_what_a_swept_stage_reported_stays_for_manifests(shelf: Shelf) -> None:
    shelf.stage(shelf.blob(b"old"), age_s=2 * DAY)
    shelf.sweep()
    with shelf.database.read() as connection:
        row = connection.execute(select(stages)).one()
    assert (row.state, row.output, row.report) == ("absent", None, {"faces": 12})


def test_unfinished_runs_keep_their_stages_and_blobs(shelf: Shelf) -> None:
    needed, free = shelf.blob(b"needed"), shelf.blob(b"free")
    pinned = shelf.stage(needed, age_s=9 * DAY)
    shelf.job("running", pinned)
    shelf.job("succeeded", shelf.stage(free, age_s=9 * DAY))
    shelf.sweep(cache_max_mb=0, cache_max_items=0)
    assert shelf.done() == {pinned}
    assert shelf.blobs.exists(needed)
    assert not shelf.blobs.exists(free)


def test_a_blob_touched_within_the_hour_is_spared(shelf: Shelf) -> None:
    fresh, stale = shelf.blob(b"fresh", age_s=HOUR - 60), shelf.blob(b"stale", age_s=HOUR + 60)
    shelf.sweep()
    assert shelf.blobs.exists(fresh)
    assert not shelf.blobs.exists(stale)


def test_a_writer_that_touches_a_blob_just_before_it_goes_keeps_it(shelf: Shelf) -> None:
    blob = shelf.blob(b"wanted again")
    assert shelf.blobs.put(b"wanted again") == blob  # after the sweep listed it, before it was set aside
    assert shelf.blobs.delete_untouched(blob, NOW - HOUR) == 0
    assert shelf.blobs.read(blob) == b"wanted again"


def test_a_claim_is_gone_before_its_bytes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.stage(shelf.blob(b"old"), age_s=2 * DAY)
    seen = []
    original = FolderStorage.delete_untouched

    def watched(self: FolderStorage, sha256: str, before: float) -> int:
        seen.append(shelf.done())
        return original(self, sha256, before)

    monkeypatch.setattr(FolderStorage, "delete_untouched", watched)
    shelf.sweep()
    assert seen == [set()]


def test_over_the_byte_limit_the_longest_unused_intermediates_go_first(shelf: Shelf) -> None:
    made = [shelf.stage(shelf.blob(bytes([i]) * 400_000), age_s=HOUR * (5 - i)) for i in range(4)]
    kept_file = shelf.stage(shelf.blob(b"f" * 400_000), keep="file", age_s=20 * HOUR)
    report = shelf.sweep(cache_max_mb=1)
    assert shelf.done() == {made[3], kept_file}
    assert report.evicted_stages == 3


def test_latents_have_their_own_limit(shelf: Shelf) -> None:
    latents = [shelf.stage(shelf.blob(bytes([i]) * 700_000), keep="latent", age_s=HOUR * (9 - i)) for i in range(3)]
    other = shelf.stage(shelf.blob(b"x"))
    shelf.sweep(latent_max_mb=1)
    assert shelf.done() == {latents[2], other}


def test_latents_do_not_age(shelf: Shelf) -> None:
    latent = shelf.stage(shelf.blob(b"latent"), keep="latent", age_s=90 * DAY)
    shelf.sweep()
    assert shelf.done() == {latent}


def test_item_limits_hold(shelf: Shelf) -> None:
    made = [shelf.stage(None, age_s=HOUR * (9 - i)) for i in range(5)]
    shelf.sweep(cache_max_items=2)
    assert shelf.done() == set(made[3:])


def test_files_of_jobs_outlive_every_limit_of_the_cache(shelf: Shelf) -> None:
    blob = shelf.blob(b"model", age_s=90 * DAY)
    shelf.job("succeeded", shelf.stage(blob, keep="file", age_s=90 * DAY), files=(blob,))
    shelf.asset(blob, age_s=90 * DAY)
    shelf.sweep(cache_max_mb=0, cache_max_items=0, cache_ttl_s=0)
    assert shelf.done() == set()
    assert shelf.blobs.read(blob) == b"model"


def test_retention_removes_the_bytes_and_leaves_the_row_that_says_so(shelf: Shelf) -> None:
    old, used = shelf.blob(b"old model"), shelf.blob(b"used model")
    for blob, age_s in ((old, 3 * HOUR), (used, HOUR)):
        shelf.asset(blob, age_s=age_s)
        shelf.job("succeeded", shelf.stage(blob, keep="file", age_s=age_s), files=(blob,))
    report = shelf.sweep(retention_h=2)
    assert report.retired_files == 1
    assert not shelf.blobs.exists(old)
    assert shelf.blobs.exists(used)
    assert shelf.kept() == 2
    assert shelf.sweep(retention_h=2).retired_files == 0


def test_retention_spares_the_input_of_an_unfinished_run(shelf: Shelf) -> None:
    blob = shelf.asset(shelf.blob(b"photo"), origin="upload", age_s=9 * HOUR)
    shelf.job("queued", input_asset=blob)
    assert shelf.sweep(retention_h=2).retired_files == 0
    assert shelf.blobs.exists(blob)


def test_uploads_that_nothing_uses_go_when_their_time_is_up(shelf: Shelf) -> None:
    due = shelf.asset(shelf.blob(b"due"), origin="upload", expires_at=NOW - 1)
    later = shelf.asset(shelf.blob(b"later"), origin="upload", expires_at=NOW + 1)
    used = shelf.asset(shelf.blob(b"used"), origin="upload", expires_at=None)
    shelf.job("succeeded", input_asset=used)
    report = shelf.sweep()
    assert (report.expired_uploads, shelf.kept()) == (1, 2)
    assert [shelf.blobs.exists(blob) for blob in (due, later, used)] == [False, True, True]


def test_answers_for_repeated_requests_are_forgotten_after_a_day(shelf: Shelf) -> None:
    for key, age_s in (("old", DAY + 1), ("new", DAY - 60)):
        shelf.insert(
            idempotency, tenant="default", key=key, operation="jobs.retry", body_sha256="0" * 64, state="done",
            created_at=NOW - age_s,
        )  # fmt: skip
    assert shelf.sweep().idempotency_keys == 1
    assert shelf.kept(idempotency) == 1


def test_the_last_thousand_events_of_a_job_stay(shelf: Shelf) -> None:
    job_id = shelf.job("running")
    with shelf.database.transaction() as connection:
        connection.execute(jobs.update().values(sequence=1010))
        connection.execute(
            events.insert(),
            [
                {"job_id": job_id, "sequence": i, "run": 1, "kind": "progress", "payload": {}, "created_at": NOW}
                for i in range(1, 1011)
            ],
        )
    assert shelf.sweep().events == 10
    with shelf.database.read() as connection:
        assert connection.execute(select(func.min(events.c.sequence))).scalar() == 11


def test_limits_set_by_hand_win_over_the_environment_and_evictions_are_counted(shelf: Shelf) -> None:
    for age in range(3):
        shelf.stage(None, age_s=age)
    with shelf.database.transaction() as connection:
        cache.change_limits(connection, "stages", {"max_items": 1})
    shelf.sweep(cache_max_items=1000)
    with shelf.database.read() as connection:
        tier = cache.tier_of(connection, shelf.config, "default", "stages")
        assert connection.execute(select(counters.c.value)).scalars().all() == [2]
    assert (tier.items, tier.evictions, tier.limits.max_items) == (1, 2, 1)


def test_a_tier_that_is_switched_off_keeps_nothing(shelf: Shelf) -> None:
    shelf.stage(shelf.blob(b"x"))
    shelf.stage(shelf.blob(b"y"), keep="latent")
    shelf.sweep(cache=False)
    assert shelf.done() == set()


def test_many_blobs_are_swept_in_batches(shelf: Shelf) -> None:
    kept = shelf.asset(shelf.blob(b"kept"), origin="upload", expires_at=None)
    for number in range(600):
        shelf.blob(b"%d" % number)
    assert shelf.sweep().removed_blobs == 600
    assert shelf.blobs.exists(kept)


def test_hidden_jobs_go_an_hour_after_their_end_and_what_they_made_stays(shelf: Shelf) -> None:
    made, shared = shelf.asset(shelf.blob(b"converted")), shelf.asset(shelf.blob(b"shared"))
    kept = shelf.stage(made, keep="file")
    old = shelf.job("succeeded", kept, files=(made, shared))
    shown = shelf.job("succeeded", files=(shared,))
    young, busy = shelf.job("failed"), shelf.job("running")
    with shelf.database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id != shown).values(hidden=True))
        connection.execute(update(jobs).where(jobs.c.id.in_([old, busy])).values(updated_at=NOW - 2 * HOUR))
    assert shelf.sweep().hidden_jobs == 1
    with shelf.database.read() as connection:
        assert set(connection.execute(select(jobs.c.id)).scalars()) == {shown, young, busy}
        assert list(connection.execute(select(assets.c.id)).scalars()) == [shared]
    assert shelf.done() == {kept}
    assert shelf.blobs.exists(made)


def test_stages_of_no_run_go_a_week_after_they_lost_their_result(shelf: Shelf) -> None:
    shelf.stage(None, age_s=8 * DAY, state="absent")
    planned = shelf.stage(None, age_s=8 * DAY, state="absent")
    young = shelf.stage(None, age_s=6 * DAY, state="failed")
    shelf.job("succeeded", planned)
    shelf.sweep()
    with shelf.database.read() as connection:
        assert set(connection.execute(select(stages.c.id)).scalars()) == {planned, young}


def test_a_picture_that_was_shown_and_never_listed_expires(shelf: Shelf) -> None:
    shown = shelf.asset(shelf.blob(b"thumbnail"), expires_at=NOW - 1.0)
    assert shelf.sweep().removed_blobs == 1
    assert shelf.kept() == 0
    assert not shelf.blobs.exists(shown)


def test_transient_outputs_go_with_their_run(shelf: Shelf) -> None:
    cheap, dear = shelf.blob(b"cleaned"), shelf.blob(b"simplified")
    shelf.stage(cheap, keep="transient")
    shelf.stage(dear)
    pinned = shelf.blob(b"still wanted")
    shelf.job("running", shelf.stage(pinned, keep="transient"))
    shelf.sweep()
    assert not shelf.blobs.exists(cheap)
    assert shelf.blobs.exists(dear)
    assert shelf.blobs.exists(pinned)
