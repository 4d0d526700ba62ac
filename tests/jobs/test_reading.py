"""What is read of jobs, however much of it was read before."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from orfeas.domain.caller import LOCAL
from orfeas.jobs.files import users
from orfeas.jobs.jobs import JobLimits, Jobs
from orfeas.jobs.plan import Node
from orfeas.jobs.views import JobInput, JobState, JobView
from tests.jobs.conftest import OTHER, Engine
from tests.jobs.engine_stages import Trouble, chain, plan

OPERATIONS = 60


def _afresh(engine: Engine) -> Jobs:
    """The same jobs, of which nothing was read before."""
    return Jobs(engine.database, engine.blobs, engine.messages, now=engine.clock)


def _happen(engine: Engine, chance: random.Random, jobs: list[JobView]) -> None:
    """One thing that may happen to jobs, which share stages more often than not."""
    worker, known = engine.worker(), {job.id: job for job in engine.jobs.list(LOCAL, limit=200).items}
    jobs[:] = known.values()

    def create() -> None:
        amounts = [chance.randint(1, 2) for _ in range(chance.randint(1, 3))]
        wanted = chain(engine.source(chance.choice((b"a", b"b"))), *amounts)
        engine.create(plan(wanted), priority=chance.randint(4, 6), private=chance.random() < 0.2)

    def trouble() -> None:
        engine.create(plan(Node(Trouble("refuse", salt=chance.randint(0, 1)), (engine.source(),))))

    def work() -> None:
        worker.step()

    def give_back() -> None:
        if claim := worker.leases.claim("cpu"):
            worker.leases.give_back(claim.stage_id)

    def cancel() -> None:
        engine.jobs.cancel(LOCAL, chance.choice(jobs).id)

    def again() -> None:
        job = chance.choice(jobs)
        if job.state.final:
            engine.jobs.delete(LOCAL, job.id)

    acts: list[Callable[[], None]] = [create, create, trouble, work, work, work, give_back]
    chance.choice([*acts, *([cancel, again] if jobs else [])])()
    engine.clock.now += 0.5


@pytest.mark.parametrize("seed", range(4))
def test_what_was_kept_is_what_is_there(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    jobs: list[JobView] = []
    seen: set[JobState] = set()
    engine.jobs._limits = JobLimits(queue_max=1000)
    for _ in range(OPERATIONS):
        _happen(engine, chance, jobs)
        fresh = _afresh(engine)
        page = engine.jobs.list(LOCAL, limit=200).items
        assert list(page) == [fresh.get(LOCAL, job.id) for job in page]
        assert list(page) == [engine.get(job) for job in page]
        seen |= {job.state for job in page}
    assert {JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED} <= seen


def test_what_came_to_nothing_is_not_kept(engine: Engine) -> None:
    job = engine.create(plan(chain(engine.source(), 1)))

    def fail(_: Any) -> None:
        raise RuntimeError("not now")

    event.listen(engine.database._engine, "commit", fail)
    with pytest.raises(RuntimeError, match="not now"):
        engine.jobs.cancel(LOCAL, job.id)
    event.remove(engine.database._engine, "commit", fail)
    assert engine.worker().leases.claim("cpu") is not None
    assert engine.get(job).state is JobState.RUNNING
    assert engine.get(job) == _afresh(engine).get(LOCAL, job.id)


def test_places_in_the_queue_move_though_no_event_of_a_job_says_so(engine: Engine) -> None:
    made = []
    for number, priority in enumerate((5, 5, 1, 9, 5)):
        engine.clock.now += 1.0
        made.append(engine.create(plan(chain(engine.source(str(number).encode()), 1)), priority=priority))

    def places() -> list[int | None]:
        page = engine.jobs.list(LOCAL, newest_first=False).items
        assert [job.queue_position for job in page] == [engine.get(job).queue_position for job in page]
        return [job.queue_position for job in page]

    assert places() == [2, 3, 1, 5, 4]
    engine.jobs.cancel(LOCAL, made[0].id)
    assert places() == [None, 2, 1, 4, 3]
    assert engine.worker().leases.claim("cpu") is not None
    assert places() == [None, 1, None, 3, 2], "the first one is at work"


def test_places_are_counted_from_the_head_of_the_queue_on_every_page(engine: Engine) -> None:
    for number, priority in enumerate((5, 1, 5, 5, 9, 1, 5)):
        engine.clock.now += number != 3  # the fourth comes with the third
        engine.create(plan(chain(engine.source(str(number).encode()), 1)), priority=priority)
    found, cursor = [], None
    for _ in range(4):
        page = engine.jobs.list(LOCAL, limit=2, cursor=cursor, newest_first=False)
        found, cursor = [*found, *(job.queue_position for job in page.items)], page.next_cursor
    assert sorted(found[2:4]) == [4, 4], "these two came together"
    assert found == [3, 1, 4, 4, 7, 2, 6]


def test_the_users_of_a_file_are_shown_jobs_of_the_same_tenant(engine: Engine) -> None:
    picture = JobInput(asset_id="a" * 64)
    made = plan(chain(engine.source(), 1))
    mine, theirs = (engine.create(made, caller, input=picture) for caller in (LOCAL, OTHER))
    hidden = engine.create(plan(chain(engine.source(), 2)), input=picture, hidden=True)
    engine.worker().drain()
    ended = engine.get(mine).latest
    assert ended is not None
    assert ended.result is not None
    file = str(ended.result["assets"][0]["asset_id"])
    with engine.database.read() as connection:
        for caller, job in ((LOCAL, mine), (OTHER, theirs)):
            found = users(connection, caller.tenant, ["a" * 64, file, "b" * 64])
            assert found == {"a" * 64: [job.id], file: [job.id], "b" * 64: []}
    assert engine.get(hidden).state is JobState.SUCCEEDED
