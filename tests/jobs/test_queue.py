"""Which stage is taken next, however many wait."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from orfeas.jobs.claims import FRONT
from orfeas.jobs.jobs import JobLimits
from orfeas.jobs.leases import LOOK_AGAIN_S
from orfeas.jobs.plan import Node
from orfeas.jobs.views import JobState
from orfeas.storage.tables import stages
from tests.jobs.conftest import OTHER, Engine
from tests.jobs.engine_stages import Add, chain, plan


def _fill(engine: Engine, count: int, start: int = 0) -> list[Any]:
    """As many jobs that share nothing, each a second younger."""
    made = []
    for number in range(start, start + count):
        engine.clock.now += 0.01
        made.append(engine.create(plan(chain(engine.source(str(number).encode()), 1, 2))))
    return made


def _steps_of_a_claim(engine: Engine) -> int:
    """Instructions of the database, in hundreds, for a claim that is given back."""
    leases, steps = engine.worker().leases, 0
    with engine.database.transaction() as connection:
        raw = connection.connection.driver_connection

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        raw.set_progress_handler(count, 100)
        leases._claim(connection, "cpu", after=None)
        raw.set_progress_handler(None, 0)
        connection.rollback()
    return steps


def test_taking_a_stage_takes_hardly_longer_in_a_long_queue(engine: Engine) -> None:
    if not engine.database.is_sqlite:
        pytest.skip("PostgreSQL does not count its instructions")
    engine.jobs._limits = JobLimits(queue_max=100_000)
    _fill(engine, 2 * FRONT)
    short = _steps_of_a_claim(engine)
    _fill(engine, 10 * FRONT, start=2 * FRONT)
    assert _steps_of_a_claim(engine) < 4 * short, "six times the queue; only numbering its front grows"


def test_a_run_in_hand_goes_on_though_many_are_older(engine: Engine) -> None:
    """All are of one minute, so that only what is in hand puts the last one first."""
    jobs = _fill(engine, FRONT + 8)
    worker = engine.worker()
    first = worker.leases.claim("cpu")
    assert first is not None
    claim, done = first, []
    while claim is not None and len(done) < 4:
        made = worker._runner.run(claim.task, lambda _: None)
        done.append(claim.task.name)
        claim = worker.leases.finish(claim.stage_id, made, claim_next="cpu")
    assert done == ["test.add", "test.add", "test.write", "test.check"]
    assert engine.get(jobs[0]).state is JobState.SUCCEEDED
    assert claim is not None
    worker.leases.give_back(claim.stage_id)
    assert worker.drain() == 4 * (FRONT + 7)


def test_stages_that_wait_leave_the_front_and_come_back_when_it_is_their_turn(engine: Engine) -> None:
    """An input that is lost makes its taker wait again, whatever was known of it."""
    job = _fill(engine, 1)[0]
    assert [row.held for row in engine.rows()] == [False, True, True, True]
    worker = engine.worker()
    assert worker.step()
    assert [row.held for row in engine.rows()] == [False, False, True, True]
    with engine.database.transaction() as connection:
        connection.execute(update(stages).where(stages.c.id == 1).values(state="wanted", held=True))
    assert worker.leases.claim("cpu") is not None, "the first one again, found by the whole look"
    assert [row.held for row in engine.rows()] == [True, True, True, True], "its taker was looked at and left out"
    assert engine.get(job).state is JobState.RUNNING


def test_a_stage_that_was_forgotten_is_found_all_the_same(engine: Engine) -> None:
    worker = engine.worker()
    assert worker.drain() == 0
    job = _fill(engine, 1)[0]
    with engine.database.transaction() as connection:
        connection.execute(update(stages).values(held=True))
    assert worker.leases.claim("cpu") is None, "it looked at everything a moment ago"
    engine.clock.now += LOOK_AGAIN_S
    assert worker.drain() == 4
    assert engine.get(job).state is JobState.SUCCEEDED


def test_another_tenant_does_not_wait_behind_a_long_queue(engine: Engine) -> None:
    _fill(engine, 3 * FRONT)
    busy = engine.worker().leases.claim("cpu")
    assert busy is not None
    theirs = engine.create(plan(chain(engine.source(b"theirs"), 1)), OTHER)
    taken = engine.worker().leases.claim("cpu")
    assert taken is not None
    assert taken.tenant == OTHER.tenant
    assert engine.get(theirs, OTHER).state is JobState.RUNNING


def test_a_stage_that_waits_for_a_job_is_ready_with_the_end_of_that_job(engine: Engine) -> None:
    worker = engine.worker()
    assert worker.drain() == 0, "all was looked at a moment ago, and time stands still"
    first = _fill(engine, 1)[0]
    after = engine.create(plan(Node(Add(5), (engine.source(b"after"),), after_job=first.id)))
    begun = worker.leases.claim("cpu")
    assert begun is not None
    assert worker.leases.claim("cpu") is None
    assert [row.held for row in engine.rows() if row.after_job] == [True]
    worker.leases.give_back(begun.stage_id)
    worker.drain()
    assert engine.get(after).state is JobState.SUCCEEDED
