"""No run waits for ever: lost files, shared stages that others let go, several runs of a job."""

from __future__ import annotations

import pytest

from orfeas.domain.caller import LOCAL
from orfeas.jobs.plan import Fallback, Node, Output, Plan
from orfeas.jobs.views import JobState, RunRequest
from tests.jobs.conftest import Engine
from tests.jobs.engine_stages import Add, Trouble, Write, chain, plan


def _lose(engine: Engine, name: str) -> None:
    """Take away the blob of a stage behind the engine's back."""
    engine.blobs.delete(next(row.output for row in engine.rows() if row.name == name and row.output))


def _error(engine: Engine, job: object) -> str:
    latest = engine.get(job).latest  # type: ignore[arg-type]
    assert latest is not None
    assert latest.error is not None
    return str(latest.error["code"])


def test_a_lost_stage_is_made_for_all_who_wait_for_it(engine: Engine) -> None:
    base = chain(engine.source(), 1)
    engine.create(plan(base))
    engine.worker().drain()
    patient = engine.create(plan(base, prefix="x"))
    _lose(engine, "test.add")
    leaver = engine.create(plan(base, prefix="y"))
    engine.jobs.cancel(LOCAL, leaver.id)
    engine.worker().drain()
    assert engine.file(patient) == b"x4"


def test_a_lost_target_that_another_run_makes_again_ends_both(engine: Engine) -> None:
    base = chain(engine.source(), 1)
    engine.create(plan(base))
    engine.worker().drain()
    both = engine.create(plan(base, Node(Add(5), (base,))))
    _lose(engine, "test.write")
    again = engine.create(plan(base), priority=9)
    engine.worker().drain()
    assert engine.file(again) == engine.file(both) == b"4"
    assert engine.file(both, 1) == b"9"


def test_an_input_that_is_back_is_read_again(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))
    worker = engine.worker()
    claim = worker.leases.claim("cpu")
    assert claim is not None
    worker.leases.restore_inputs(claim.stage_id)
    worker.drain()
    assert engine.file(job) == b"4"


def test_a_stage_that_outlives_its_inputs_waits_for_them_again(engine: Engine) -> None:
    """Stages that a run gave up for lighter ones belong to no run; deleting its job takes their inputs only."""
    base = chain(engine.source(), 1)
    heavy = plan(Node(Trouble("refuse"), (Node(Add(2), (base,)),)))
    job = engine.create(Plan(heavy.outputs, fallbacks=(Fallback(frozenset({"open_mesh"}), {}, plan(base)),)))
    engine.worker().drain()
    assert engine.file(job) == b"4"
    engine.jobs.delete(LOCAL, job.id)
    _lose(engine, "test.add")
    again = engine.create(plan(Node(Add(2), (base,))))
    engine.worker(hand_over=False).drain()
    assert engine.file(again) == b"6"


def test_a_bad_file_fails_every_run_that_lists_it(engine: Engine) -> None:
    checked = plan(chain(engine.source(), 1), prefix="bad")
    written = checked.outputs[0].node
    other = Node(Add(7), (engine.source(),))
    unchecked = engine.create(
        Plan((Output(written, "model", "txt", "n.txt", "text/plain"),), also=(other,)), priority=9
    )
    job = engine.create(checked, priority=1)
    worker = engine.worker()
    for _ in range(3):
        assert worker.step()
    assert _error(engine, job) == _error(engine, unchecked) == "result_invalid"
    assert worker.drain() == 0


def test_a_fallback_keeps_what_is_being_made_and_tells_who_works_for_nothing(engine: Engine) -> None:
    source = engine.source()
    kept, dropped = Node(Add(1), (source,)), Node(Add(2), (source,))
    lighter = Fallback(frozenset({"open_mesh"}), {}, Plan((), also=(kept,)))
    job = engine.create(Plan((), also=(kept, dropped, Node(Trouble("refuse"))), fallbacks=(lighter,)))
    first, second, third = engine.worker(), engine.worker(), engine.worker()
    claims = [worker.leases.claim("cpu") for worker in (first, second)]
    assert third.drain() == 1
    assert claims[0] is not None
    assert claims[1] is not None
    assert engine.messages.rechecked == [second.leases.owner]
    assert not second.leases.is_mine(claims[1].stage_id)
    first.leases.finish(claims[0].stage_id, first._runner.run(claims[0].task, lambda _: None))
    assert engine.get(job).state is JobState.SUCCEEDED


def _two_runs(engine: Engine) -> tuple[str, Plan]:
    source = engine.source()
    job = engine.create(plan(chain(source, 1)))
    further = plan(chain(source, 2))
    engine.jobs.add_run(LOCAL, job.id, RunRequest("conversion", further, {}))
    return job.id, further


def test_a_job_shows_its_latest_run_whatever_an_earlier_one_does(engine: Engine) -> None:
    job_id, _ = _two_runs(engine)
    worker = engine.worker()
    for _ in range(3):
        assert worker.step()
    assert [run.state for run in engine.jobs.get(LOCAL, job_id).runs] == [JobState.SUCCEEDED, JobState.QUEUED]
    listed = engine.jobs.list(LOCAL, state="queued", type="conversion").items
    assert [job.id for job in listed] == [job_id]


def test_cancelling_a_job_ends_all_its_runs(engine: Engine) -> None:
    job_id, _ = _two_runs(engine)
    cancelled = engine.jobs.cancel(LOCAL, job_id)
    assert [run.state for run in cancelled.runs] == [JobState.CANCELLED] * 2
    assert engine.worker().drain() == 0
    engine.jobs.delete(LOCAL, job_id)


def test_a_run_that_joins_work_in_hand_is_running(engine: Engine) -> None:
    asked = plan(chain(engine.source(), 1))
    engine.create(asked)
    assert engine.worker().leases.claim("cpu") is not None
    joiner = engine.create(asked)
    assert joiner.state is JobState.RUNNING
    assert joiner.latest is not None
    assert joiner.latest.started_at == engine.clock.now


@pytest.mark.parametrize("value", [object(), float("nan")])
def test_a_report_that_cannot_be_stored_fails_its_stage_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    from orfeas.stages import registry

    kind, function = registry.IMPLEMENTATIONS["test.write"]

    def odd(*inputs: object, **options: object) -> object:
        return registry.Result(function(*inputs, **options).value, {"measures": value})

    job = engine.create(plan(chain(engine.source(), 1)))
    worker = engine.worker()
    monkeypatch.setitem(registry.IMPLEMENTATIONS, Write.name, (kind, odd))
    worker.drain()
    assert _error(engine, job) == "internal"
