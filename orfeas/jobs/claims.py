"""Which stage a worker takes next, and what it is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Float, Integer, bindparam, case, cast, exists, func, select, update

from orfeas.stages.task import Task, TaskInput
from orfeas.storage.tables import AnyRow, jobs, run_stages, stage_inputs, stages

WAIT_LIFTS_S = 60.0
ENDED = ("succeeded", "failed", "cancelled")
FRONT = 32
"""How many stages of each tenant and priority are looked at together, those that wait longest."""
COMMANDS = "model."
"""How the names of the stages begin that command a device."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A stage that this worker runs, for `timeout_s` at most.

    `crashes` counts the children that it has ended; `wanted_at` is in seconds since the epoch; `batch_limit` is the
    most items of a batch that it takes part in.
    """

    stage_id: int
    task: Task
    timeout_s: float
    priority: int
    tenant: str
    wanted_at: float
    crashes: int
    batch_limit: int | None = None


def take(connection: Connection, values: dict[str, Any], *, commands: bool, whole: bool) -> AnyRow | None:
    """The best ready stage `for_queue`, taken `at` a time, `by` a worker, `until` its lease ends, `after` a stage.

    However long the queue is, only its front and the run in hand are looked at: what is found waiting in the front is
    held and leaves it. With `whole` the held ones are looked at as well when nothing else is ready.
    """
    choose = partial(
        _claiming, in_hand="after" in values, sqlite=connection.dialect.name == "sqlite", commands=commands
    )
    while not commands:
        front = list(connection.execute(_FRONT, values).scalars())
        theirs = list(connection.execute(_THEIRS, values).scalars()) if "after" in values else []
        if front or theirs:
            row = connection.execute(choose(some=True), {**values, "some": [*front, *theirs]}).one_or_none()
            if row is not None:
                return row
        if not front:
            break
        connection.execute(update(stages).where(stages.c.id.in_(front)).values(held=True))
    return connection.execute(choose(some=False), values).one_or_none() if whole or commands else None


@cache
def _claiming(*, some: bool, in_hand: bool, sqlite: bool, commands: bool) -> Any:
    """The one statement that takes a stage, of `some`. It is built once: that takes longer than to run it."""
    best = _best_ready(some=some, in_hand=in_hand, sqlite=sqlite, commands=commands)
    return (
        update(stages)
        .where(stages.c.id == best.scalar_subquery(), stages.c.state == "wanted")
        .values(
            state="running", owner=bindparam("by"), lease_until=bindparam("until"), attempts=stages.c.attempts + 1,
            fraction=0.0,
        )
        .returning(stages)
    )  # fmt: skip


def _front() -> Any:
    place = func.row_number().over(
        partition_by=(stages.c.tenant, stages.c.priority), order_by=(stages.c.wanted_at, stages.c.id)
    )
    placed = (
        select(stages.c.id, place.label("place"))
        .where(stages.c.queue == bindparam("for_queue"), stages.c.state == "wanted", ~stages.c.held)
        .subquery()
    )
    return select(placed.c.id).where(placed.c.place <= FRONT)


_IN_HAND = (
    select(run_stages.c.stage_id)
    .where(
        run_stages.c.run_id.in_(select(run_stages.c.run_id).where(run_stages.c.stage_id == bindparam("after"))),
        run_stages.c.interest,
    )
)  # fmt: skip
"""The stages of the runs that the stage in hand was for."""
_FRONT = _front()
_THEIRS = select(stages.c.id).where(
    stages.c.id.in_(_IN_HAND), stages.c.queue == bindparam("for_queue"), stages.c.state == "wanted"
)


def _best_ready(*, some: bool, in_hand: bool, sqlite: bool, commands: bool) -> Any:
    """Order: priority lifted by waiting, the run in hand, the tenant with least running work, age."""
    candidate = stages.alias("candidate")
    source = stages.alias("source")
    busy = stages.alias("busy")
    undone = exists().where(
        stage_inputs.c.stage_id == candidate.c.id, source.c.id == stage_inputs.c.input_id, source.c.state != "done"
    )
    at_work = exists().where(jobs.c.id == candidate.c.after_job, jobs.c.state.not_in(ENDED))
    lift = (bindparam("at", type_=Float) - candidate.c.wanted_at) / WAIT_LIFTS_S
    # SQLite may lack floor(), and its cast truncates; PostgreSQL's cast rounds.
    level = candidate.c.priority - (cast(lift, Integer) if sqlite else func.floor(lift))
    # By their owners, which few have: SQLite would rather count through everything that the tenant ever made.
    theirs = busy.c.owner.is_not(None), busy.c.tenant.concat("") == candidate.c.tenant
    load = select(func.count()).select_from(busy).where(*theirs).scalar_subquery()
    order: list[Any] = [level]
    # Some are named by number: with their queue as well, SQLite would go through all of the queue.
    of_queue = [candidate.c.queue == bindparam("for_queue"), candidate.c.state == "wanted"]
    ready = [*([candidate.c.id.in_(bindparam("some", expanding=True))] if some else of_queue), ~undone, ~at_work]
    if commands:
        ready.append(candidate.c.name.startswith(COMMANDS))
    if in_hand:
        order.append(case((candidate.c.id.in_(_IN_HAND), 0), else_=1))
    return (
        select(candidate.c.id)
        .where(*ready)
        .order_by(*order, load, candidate.c.wanted_at, candidate.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=candidate)
    )


def as_claim(connection: Connection, row: AnyRow) -> Claim:
    """A stage that was taken, with what its inputs left."""
    makers: dict[str, AnyRow] = {
        made.fingerprint: made
        for made in connection.execute(
            select(stages.c.id, stages.c.fingerprint, stages.c.name, stages.c.output, stages.c.report)
            .join(stage_inputs, stage_inputs.c.input_id == stages.c.id)
            .where(stage_inputs.c.stage_id == row.id)
        )
    }
    task = Task(
        fingerprint=row.fingerprint,
        name=row.name,
        parameters=row.parameters,
        inputs=tuple(_as_input(part, makers) for part in row.inputs),
        durable=row.keep == "file",
    )
    return Claim(
        row.id, task, row.timeout_s, row.priority, row.tenant, row.wanted_at or 0.0, row.crashes, row.batch_limit
    )  # fmt: skip


def _as_input(part: dict[str, Any], makers: dict[str, AnyRow]) -> TaskInput:
    if "blob" in part:
        return TaskInput(part["fingerprint"], part["blob"], None, None)
    made = makers[part["stage"]]
    return TaskInput(made.fingerprint, made.output, made.name, made.report)
