"""The rules of the engine, each on SQLite and on PostgreSQL."""

from __future__ import annotations

import json

import pytest

from orfeas.domain.caller import LOCAL
from orfeas.domain.fingerprint import canonical_json, fingerprint
from orfeas.errors import BadCursorError, DiskFullError, JobNotFinalError, JobNotFoundError, QueueFullError
from orfeas.jobs.jobs import JobLimits
from orfeas.jobs.plan import Fallback, Node, Plan
from orfeas.jobs.views import JobState
from orfeas.stages.values import encode
from orfeas.storage.blobs import FolderStorage
from tests.jobs.conftest import OTHER, Engine
from tests.jobs.engine_stages import Add, AddIo, Trouble, Write, chain, plan


def test_a_plan_runs_to_its_file(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1, 2)))
    assert job.state is JobState.QUEUED
    assert job.queue_position == 1
    assert engine.messages.woken == ["cpu"]
    assert engine.worker().drain() == 4
    done = engine.get(job)
    assert done.state is JobState.SUCCEEDED
    assert done.progress.percent == 100
    assert engine.file(job) == b"6"
    assert done.latest is not None
    assert done.latest.warnings == ("written by a test",)
    assert done.latest.result is not None
    assert set(done.latest.result["timings"]) == {"test.add", "test.write", "test.check"}
    assert done.latest.result["measures"]["txt"]["face_count"] == 1


def test_a_key_belongs_to_a_tenant_and_blobs_do_not(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    engine.create(asked)
    engine.worker().drain()
    theirs = engine.create(asked, OTHER)
    assert theirs.latest is not None
    assert not theirs.latest.cached
    assert theirs.latest.reused == ()
    engine.worker().drain()
    rows = [row for row in engine.rows() if row.name == "test.write"]
    assert len(rows) == 2
    assert len({row.output for row in rows}) == 1
    with pytest.raises(JobNotFoundError):
        engine.get(theirs)


def test_a_fingerprint_has_one_spelling() -> None:
    assert canonical_json({"b": 1, "a": [1.0, "e\u0301"]}) == '{"a":[1.0,"\u00e9"],"b":1}'
    assert fingerprint({"x": (1, 2)}) == fingerprint({"x": [1, 2]})
    assert fingerprint({"x": 1}) != fingerprint({"x": 1.0})
    with pytest.raises(ValueError, match="finite"):
        canonical_json({"x": float("nan")})


def test_the_same_again_is_done_at_once(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1, 2))
    first = engine.create(asked)
    engine.worker().drain()
    again = engine.create(asked)
    assert again.state is JobState.SUCCEEDED
    assert again.latest is not None
    assert again.latest.cached
    assert engine.file(again) == engine.file(first)
    assert engine.worker().drain() == 0


def test_after_a_sweep_work_restarts_at_the_nearest_kept_ancestor(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1, 2))
    engine.create(asked)
    engine.worker().drain()
    by_name = {(row.name, row.parameters.get("amount")): row.output for row in engine.rows()}
    engine.blobs.delete(by_name["test.write", None])
    engine.blobs.delete(by_name["test.add", 1])
    again = engine.create(asked)
    assert again.latest is not None
    assert not again.latest.cached
    assert engine.worker().drain() == 1  # only the file: what it is made of was kept, and so were its measures
    assert engine.file(again) == b"6"


def test_a_truncated_blob_counts_as_absent(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    engine.create(asked)
    engine.worker().drain()
    output = next(row.output for row in engine.rows() if row.name == "test.write")
    engine.blobs.path(output).write_bytes(b"")
    engine.create(asked)
    assert engine.worker().drain() == 1


def test_an_input_swept_before_it_is_read_is_made_again(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1, 2)))
    worker = engine.worker(hand_over=False)
    worker.step()
    made = next(row for row in engine.rows() if row.state == "done")
    engine.blobs.delete(made.output)
    worker.drain()
    assert engine.file(job) == b"6"
    assert all(row.attempts == 1 for row in engine.rows() if row.name != "test.add")


def test_an_upload_that_is_gone_fails_the_job_by_name(engine: Engine) -> None:
    source = engine.source(b"xyz")
    job = engine.create(plan(chain(source, 1)))
    engine.blobs.delete(source.blob)
    engine.worker().drain()
    shown = engine.get(job).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.error["code"] == "asset_gone"


def test_two_equal_requests_cost_one(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1, 2))
    first, second = engine.create(asked), engine.create(asked)
    assert second.latest is not None
    assert second.latest.joined
    assert second.joined_to == first.id
    assert engine.worker().drain() == 4
    assert engine.file(first) == engine.file(second) == b"6"


def test_only_the_stages_after_a_change_run(engine: Engine) -> None:
    base = chain(engine.source(), 1, 2)
    engine.create(plan(base))
    engine.worker().drain()
    other = engine.create(plan(base, prefix="no. "))
    assert other.latest is not None
    assert other.latest.reused == ("test.add", "test.add")
    assert engine.worker().drain() == 2
    assert engine.file(other) == b"no. 6"


def test_a_failure_reaches_every_interested_run_and_is_no_hit(engine: Engine) -> None:
    asked = plan(Node(Trouble("refuse")))
    first, second = engine.create(asked), engine.create(asked)
    engine.worker().drain()
    for job in (first, second):
        shown = engine.get(job).latest
        assert shown is not None
        assert shown.state is JobState.FAILED
        assert shown.error is not None
        assert shown.error["code"] == "open_mesh"
        assert shown.error["retryable"] is False
    third = engine.create(asked)
    assert third.state is JobState.QUEUED
    assert engine.worker().drain() == 1


def test_an_unexpected_error_is_internal(engine: Engine) -> None:
    job = engine.create(plan(Node(Trouble("unexpected"))))
    engine.worker().drain()
    shown = engine.get(job).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.error["code"] == "internal"
    assert "surprise" not in json.dumps(shown.error)


def test_a_deadline_ends_the_run_and_not_the_stage_of_others(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    hurried = engine.create(asked, timeout_s=10.0)
    patient = engine.create(asked)
    engine.clock.now += 11.0
    worker = engine.worker()
    worker.leases.expire()
    shown = engine.get(hurried).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.error["code"] == "deadline_exceeded"
    worker.drain()
    assert engine.file(patient) == b"4"


def test_cancelling_one_of_two_leaves_the_other(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    first, second = engine.create(asked), engine.create(asked)
    assert engine.jobs.cancel(LOCAL, first.id).state is JobState.CANCELLED
    assert engine.jobs.cancel(LOCAL, first.id).state is JobState.CANCELLED
    engine.worker().drain()
    assert engine.file(second) == b"4"
    assert engine.get(first).state is JobState.CANCELLED


def test_a_cancelled_stage_becomes_absent_and_its_worker_is_told(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    worker = engine.worker()
    claim = worker.leases.claim("cpu")
    assert claim is not None
    engine.jobs.cancel(LOCAL, job.id)
    assert engine.messages.rechecked == [worker.leases.owner]
    assert not worker.leases.progress(claim.stage_id, 0.5)
    assert set(engine.states().values()) == {"absent"}
    again = engine.create(plan(chain(engine.source(), 1)))
    worker.drain()
    assert engine.file(again) == b"4"


def test_a_late_answer_of_a_former_owner_changes_nothing(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    slow, quick = engine.worker(), engine.worker()
    claim = slow.leases.claim("cpu")
    assert claim is not None
    engine.clock.now += 20.0
    quick.leases.expire()
    quick.drain()
    assert slow.leases.finish(claim.stage_id, slow._runner.run(claim.task, lambda _: None)) is None
    assert engine.file(job) == b"4"
    assert [row.attempts for row in engine.rows()] == [2, 1, 1]


def test_better_priority_goes_first_and_waiting_lifts(engine: Engine) -> None:
    late = engine.create(plan(chain(engine.source(b"1"), 1)), priority=9)
    engine.clock.now += 1.0
    engine.create(plan(chain(engine.source(b"22"), 1)), priority=1)
    first = engine.worker().leases.claim("cpu")
    assert first is not None
    assert engine.blobs.read(first.task.inputs[0].blob or "") == b"22"
    engine.clock.now += 8 * 60.0
    engine.create(plan(chain(engine.source(b"333"), 1)), priority=2)
    second = engine.worker().leases.claim("cpu")
    assert second is not None
    assert engine.blobs.read(second.task.inputs[0].blob or "") == b"1"
    assert engine.get(late).state is JobState.RUNNING


def test_a_joiner_lifts_a_stage_and_its_cancel_lowers_it(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    engine.create(asked, priority=7)
    urgent = engine.create(asked, priority=2)
    assert {row.priority for row in engine.rows()} == {2}
    engine.jobs.cancel(LOCAL, urgent.id)
    assert {row.priority for row in engine.rows()} == {7}


def test_a_tenant_with_less_running_work_goes_first(engine: Engine) -> None:
    for size in (1, 2):
        engine.create(plan(chain(engine.source(b"x" * size), 1)))
    engine.clock.now += 1.0
    engine.create(plan(chain(engine.source(b"yyyy"), 1)), OTHER)
    assert engine.worker().leases.claim("cpu") is not None
    second = engine.worker().leases.claim("cpu")
    assert second is not None
    assert engine.blobs.read(second.task.inputs[0].blob or "") == b"yyyy"


def test_without_cache_nothing_is_read_or_left(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    engine.create(asked)
    engine.worker().drain()
    alone = engine.create(asked, private=True)
    assert alone.latest is not None
    assert not alone.latest.cached
    assert engine.worker().drain() == 3
    other = engine.create(asked, private=True)
    assert other.latest is not None
    assert not other.latest.cached
    assert engine.file(alone) == b"4"


def test_requirements_are_compared_per_run_and_not_stored(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    strict = engine.create(asked, checks={"min_faces": 5})
    engine.worker().drain()
    shown = engine.get(strict).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.result is not None
    assert shown.error["code"] == "postcondition_failed"
    assert shown.result["checks"] == [{"name": "min_faces", "wanted": 5, "measured": 1, "ok": False, "format": "txt"}]
    assert [file.role for file in engine.jobs.files(LOCAL, strict.id)] == ["rejected"]
    lax = engine.create(asked, checks={"max_faces": 5, "watertight": True})
    assert lax.state is JobState.SUCCEEDED
    assert lax.latest is not None
    assert lax.latest.cached


def test_a_file_that_cannot_be_loaded_again_is_no_hit(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1), prefix="bad")
    job = engine.create(asked)
    engine.worker().drain()
    shown = engine.get(job).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.error["code"] == "result_invalid"
    assert engine.states() == {"test.add": "done", "test.write": "failed", "test.check": "failed"}


def test_a_run_that_may_degrade_replaces_its_later_stages_alone(engine: Engine) -> None:
    lighter = Fallback(frozenset({"open_mesh"}), {"message": "lighter"}, plan(chain(engine.source(), 1)))
    heavy = plan(Node(Trouble("refuse")))
    stubborn = engine.create(heavy)
    flexible = engine.create(Plan(heavy.outputs, fallbacks=(lighter,)))
    engine.worker().drain()
    assert engine.get(stubborn).state is JobState.FAILED
    assert engine.file(flexible) == b"4"
    shown = engine.get(flexible).latest
    assert shown is not None
    assert shown.result is not None
    assert shown.result["degraded"] == [{"message": "lighter"}]
    assert engine.states()["test.trouble"] == "failed"


@pytest.mark.parametrize("hand_over", [True, False])
def test_a_value_handed_over_equals_what_its_blob_gives_back(engine: Engine, *, hand_over: bool) -> None:
    job = engine.create(plan(chain(engine.source(), 1, 2, 3)))
    engine.worker(hand_over=hand_over).drain()
    assert engine.file(job) == b"9"
    shared = {row.fingerprint: row.output for row in engine.rows()}
    engine.create(plan(chain(engine.source(), 1, 2, 3)), OTHER)
    engine.worker(hand_over=not hand_over).drain()
    theirs = {row.fingerprint: row.output for row in engine.rows() if row.tenant == OTHER.tenant}
    assert theirs == shared


def test_a_worker_goes_on_with_the_run_in_hand(engine: Engine) -> None:
    engine.create(plan(chain(engine.source(b"1"), 1, 2)))
    engine.create(plan(chain(engine.source(b"22"), 1, 2)))
    worker = engine.worker()
    claim = worker.leases.claim("cpu")
    names = []
    while claim is not None:
        names.append(claim.task.name)
        claim = worker.leases.finish(claim.stage_id, worker._runner.run(claim.task, lambda _: None), claim_next="cpu")
    assert names == ["test.add", "test.add", "test.write", "test.check"] * 2


def test_queues_are_served_by_their_own_workers(engine: Engine) -> None:
    job = engine.create(plan(Node(Add(1), (Node(AddIo(5), (engine.source(),)),))))
    assert engine.worker(queues=("cpu",)).drain() == 0
    assert engine.worker(queues=("io",)).drain() == 1
    assert "cpu" in engine.messages.woken
    engine.worker().drain()
    assert engine.file(job) == b"9"


def test_a_stage_whose_worker_keeps_dying_is_lost_after_three_attempts(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    for _ in range(3):
        worker = engine.worker()
        assert worker.leases.claim("cpu") is not None
        engine.worker().leases.release_worker(worker.leases.owner)
    shown = engine.get(job).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.error["code"] == "worker_lost"


def test_a_stage_that_crashes_is_tried_once_more(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    worker = engine.worker()
    for expected in (JobState.RUNNING, JobState.FAILED):
        claim = worker.leases.claim("cpu")
        assert claim is not None
        worker.leases.crashed(claim.stage_id)
        assert engine.get(job).state is expected
    shown = engine.get(job).latest
    assert shown is not None
    assert shown.error is not None
    assert shown.error["code"] == "stage_crashed"


def test_a_worker_that_leaves_gives_its_stage_back_unspent(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    leaving = engine.worker()
    claim = leaving.leases.claim("cpu")
    assert claim is not None
    leaving.leases.give_back(claim.stage_id)
    engine.worker().drain()
    assert engine.file(job) == b"4"
    assert {row.attempts for row in engine.rows()} == {1}


def test_a_full_queue_refuses_and_joined_and_cached_never_count(database_url: str, tmp_path: str) -> None:
    engine = Engine(database_url, tmp_path, JobLimits(queue_max=1))  # type: ignore[arg-type]
    asked = plan(chain(engine.source(b"1"), 1))
    engine.create(asked)
    engine.create(asked)
    with pytest.raises(QueueFullError):
        engine.create(plan(chain(engine.source(b"22"), 1)))
    assert len(engine.jobs.list(LOCAL).items) == 2
    engine.worker().drain()
    engine.create(plan(chain(engine.source(b"22"), 1)))
    assert engine.create(asked).state is JobState.SUCCEEDED
    engine.database.dispose()


def test_too_little_disk_refuses_new_work_and_keeps_the_old(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    job = engine.create(asked)
    engine.worker().drain()
    source = engine.source(b"other")
    full = FolderStorage(engine.folder, reserve_bytes=10**18)
    engine.jobs._blobs = full
    with pytest.raises(DiskFullError):
        engine.create(plan(chain(source, 1)))
    assert engine.create(asked).state is JobState.SUCCEEDED
    assert engine.file(job) == b"4"


def test_deleting_a_job_takes_what_nobody_else_uses(engine: Engine) -> None:
    base = chain(engine.source(), 1)
    first, second = engine.create(plan(base)), engine.create(plan(base, prefix="x"))
    with pytest.raises(JobNotFinalError):
        engine.jobs.delete(LOCAL, first.id)
    engine.worker().drain()
    engine.jobs.delete(LOCAL, first.id)
    with pytest.raises(JobNotFoundError):
        engine.get(first)
    assert [row.name for row in engine.rows()] == ["test.add", "test.write", "test.check"]
    assert engine.file(second) == b"x4"


def test_events_rise_without_gaps_and_progress_never_falls(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1, 2, 3)))
    engine.worker().drain()
    from orfeas.jobs.event_log import EventLog

    events = EventLog(engine.database).after(job.id, 0)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    percents = [event.payload["percent"] for event in events if event.kind == "progress"]
    assert percents == sorted(percents)
    assert [event.payload["state"] for event in events if event.kind in ("state", "end")] == [
        "queued", "running", "succeeded", "succeeded",
    ]  # fmt: skip


def test_lists_page_by_time_and_refuse_foreign_cursors(engine: Engine) -> None:
    made = []
    for size in range(5):
        engine.clock.now += 1.0
        tags = ("even" if size % 2 == 0 else "odd",)
        made.append(engine.create(plan(chain(engine.source(b"x" * size), 1)), tags=tags).id)
    page = engine.jobs.list(LOCAL, limit=3)
    rest = engine.jobs.list(LOCAL, limit=3, cursor=page.next_cursor)
    assert [job.id for job in (*page.items, *rest.items)] == made[::-1]
    assert rest.next_cursor is None
    assert [job.id for job in engine.jobs.list(LOCAL, tag="odd", newest_first=False).items] == [made[1], made[3]]
    assert engine.jobs.list(OTHER).items == ()
    for cursor in ("x", "e30", "W10", "WzEsMl0="):
        with pytest.raises(BadCursorError):
            engine.jobs.list(LOCAL, cursor=cursor + "!!")


def test_measured_times_become_weights_and_time_left(engine: Engine) -> None:
    for size in range(5):
        engine.create(plan(chain(engine.source(b"x" * size), 1)), quality=7)
        engine.worker().drain()
    engine.jobs._measured.clear()
    job = engine.create(plan(chain(engine.source(b"x" * 9), 1)), quality=7)
    assert job.eta_seconds is None
    engine.worker().step()
    assert isinstance(engine.get(job).eta_seconds, float)


def test_encoding_the_same_value_gives_the_same_bytes() -> None:
    import numpy as np

    from tests.jobs.engine_stages import Number

    assert encode(Number(np.arange(3), "a")) == encode(Number(np.arange(3), "a"))
    assert encode(Number(np.arange(3), "a")) != encode(Number(np.arange(3), "b"))
    assert Write.name == "test.write"
