"""What several processes do to the same rows at the same moment, with real transactions on each database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from orfeas.domain.caller import LOCAL
from orfeas.errors import OpenMeshError
from orfeas.jobs.event_log import EventLog
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobState
from tests.jobs.conftest import Engine
from tests.jobs.engine_stages import Add, chain, plan

ROUNDS = 12


def at_once(*acts: Callable[[], object]) -> None:
    """Do all at the same moment; raises what one of them raises."""
    gate, errors = threading.Barrier(len(acts)), []

    def act(number: int) -> None:
        gate.wait(10.0)
        try:
            acts[number]()
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    if errors:
        raise errors[0]


def _finishing(engine: Engine, *, claim_next: str | None = None) -> Callable[[], object]:
    """Claim a stage and compute it now, and finish it later."""
    worker = engine.worker()
    claim = worker.leases.claim("cpu")
    assert claim is not None
    done = worker._runner.run(claim.task, lambda _: None)
    return lambda: worker.leases.finish(claim.stage_id, done, claim_next=claim_next)


def _failing(engine: Engine) -> Callable[[], object]:
    leases = engine.worker().leases
    claim = leases.claim("cpu")
    assert claim is not None
    return lambda: leases.fail(claim.stage_id, OpenMeshError("It is open."))


def test_a_run_whose_last_two_stages_end_at_once_is_finished_once(engine: Engine) -> None:
    for amount in range(ROUNDS):
        source = engine.source()
        job = engine.create(Plan((), also=(Node(Add(amount), (source,)), Node(Add(-1 - amount), (source,)))))
        at_once(_finishing(engine), _finishing(engine))
        assert engine.get(job).state is JobState.SUCCEEDED
        kinds = [event.kind for event in EventLog(engine.database).after(job.id, 0)]
        assert kinds.count("end") == 1


def test_stages_of_shared_runs_end_in_any_order(engine: Engine) -> None:
    """Each run waits for both stages, and their jobs are written in either order."""
    for amount in range(ROUNDS):
        source = engine.source()
        left, right = Node(Add(amount), (source,)), Node(Add(-1 - amount), (source,))
        ends = (Node(Add(1), (left, right)), Node(Add(2), (left, right)))
        first = engine.create(Plan((), also=ends))
        second = engine.create(Plan((), also=ends[::-1]))
        at_once(_finishing(engine, claim_next="cpu"), _finishing(engine, claim_next="cpu"))
        engine.clock.now += 20.0
        worker = engine.worker()
        worker.leases.expire()
        worker.drain()
        assert engine.get(first).state is engine.get(second).state is JobState.SUCCEEDED


def test_equal_requests_at_once_share_their_stages(engine: Engine) -> None:
    for amount in range(ROUNDS):
        asked = plan(chain(engine.source(), amount, amount + 1))
        at_once(*[partial(engine.create, asked)] * 4)
    assert engine.worker().drain() <= 4 * ROUNDS
    assert {job.state for job in engine.jobs.list(LOCAL).items} == {JobState.SUCCEEDED}


def test_cancel_and_finish_at_once_leave_one_final_state(engine: Engine) -> None:
    for amount in range(ROUNDS):
        job = engine.create(Plan((), also=(Node(Add(amount), (engine.source(),)),)))
        at_once(_finishing(engine), partial(engine.jobs.cancel, LOCAL, job.id))
        assert engine.get(job).state.final
        events = EventLog(engine.database).after(job.id, 0)
        assert [event.kind for event in events].count("end") == 1
        assert events[-1].payload["state"] == engine.get(job).state


def test_a_joiner_gets_its_result_though_the_other_withdraws(engine: Engine) -> None:
    for amount in range(ROUNDS):
        asked = plan(chain(engine.source(), amount))
        first = engine.create(asked)
        engine.clock.now += 1.0
        at_once(partial(engine.jobs.cancel, LOCAL, first.id), partial(engine.create, asked))
        engine.worker().drain()
        assert engine.jobs.list(LOCAL).items[0].state is JobState.SUCCEEDED


def test_failing_and_finishing_at_once_never_wait_for_each_other(engine: Engine) -> None:
    for amount in range(ROUNDS):
        source = engine.source()
        nodes = [Node(Add(amount), (source,)), Node(Add(-1 - amount), (source,))]
        jobs = [engine.create(Plan((), also=(*order,))) for order in (nodes, nodes[::-1])]
        at_once(_finishing(engine), _failing(engine))
        assert {engine.get(job).state for job in jobs} == {JobState.FAILED}


def test_workers_never_take_the_same_stage(engine: Engine) -> None:
    for amount in range(ROUNDS * 2):
        engine.create(Plan((), also=(Node(Add(amount), (engine.source(),)),)))
    claims: list[int] = []

    def take() -> None:
        leases = engine.worker().leases
        while (claim := leases.claim("cpu")) is not None:
            claims.append(claim.stage_id)

    at_once(take, take, take)
    assert sorted(claims) == sorted(row.id for row in engine.rows())
