"""Which stage a worker takes next, and what it is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Float, Integer, bindparam, case, cast, exists, func, select, update

from orfeas.stages.task import Task, TaskInput
from orfeas.storage.tables import AnyRow, jobs, run_stages, stage_inputs, stages

WAIT_LIFTS_S = 60.0
ENDED = ("succeeded", "failed", "cancelled")
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


@cache
def claiming(*, in_hand: bool, sqlite: bool, commands: bool) -> Any:
    """The one statement that takes the best ready stage `for_queue`, `at` a time, `by` a worker, `after` a stage.

    It is built once: that takes longer than to run it.
    """
    best = _best_ready(in_hand=in_hand, sqlite=sqlite, commands=commands)
    return (
        update(stages)
        .where(stages.c.id == best.scalar_subquery(), stages.c.state == "wanted")
        .values(
            state="running", owner=bindparam("by"), lease_until=bindparam("until"), attempts=stages.c.attempts + 1,
            fraction=0.0,
        )
        .returning(stages)
    )  # fmt: skip


def _best_ready(*, in_hand: bool, sqlite: bool, commands: bool) -> Any:
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
    load = (
        select(func.count()).select_from(busy).where(busy.c.owner.is_not(None), busy.c.tenant == candidate.c.tenant)
    ).scalar_subquery()
    order: list[Any] = [level]
    ready = [candidate.c.queue == bindparam("for_queue"), candidate.c.state == "wanted", ~undone, ~at_work]
    if commands:
        ready.append(candidate.c.name.startswith(COMMANDS))
    if in_hand:
        ours = select(run_stages.c.run_id).where(run_stages.c.stage_id == bindparam("after"))
        theirs = select(run_stages.c.stage_id).where(run_stages.c.run_id.in_(ours), run_stages.c.interest)
        order.append(case((candidate.c.id.in_(theirs), 0), else_=1))
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
