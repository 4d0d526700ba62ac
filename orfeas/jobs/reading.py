"""Rows to views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, case, func, null, select

from orfeas.jobs.progress import percent_done, seconds_left
from orfeas.jobs.views import JobInput, JobState, JobView, Progress, RunView, Surface
from orfeas.storage.tables import AnyRow, run_stages, runs, stages

UNFINISHED = ("queued", "running")
PENDING = Progress(percent=None)
STEPS = "num_inference_steps"
"""The parameter of stages that count in steps."""
_SHOWN = (
    "id", "number", "type", "fingerprint", "request", "engine", "model", "method", "profile", "quality", "settings",
    "priority", "created_at", "started_at", "finished_at", "cached", "joined", "private", "result",
    "error", "percent",
)  # fmt: skip
# Built once, and only of what is shown: what else a run keeps is long, and this is read at every look at a job.
_RUNS = (
    select(
        *(runs.c[name] for name in _SHOWN),
        runs.c.job_id, runs.c.state, runs.c.reused, runs.c.warnings, runs.c.weights, runs.c.weights_measured,
    )
    .where(runs.c.job_id.in_(bindparam("job_ids", expanding=True)))
    .order_by(runs.c.number)
)  # fmt: skip
_STAGES = (
    select(
        run_stages.c.run_id, run_stages.c.interest, stages.c.id, stages.c.name, stages.c.state, stages.c.fraction,
        case((stages.c.state == "running", stages.c.parameters), else_=null()).label("parameters"),
    )
    .join(stages, stages.c.id == run_stages.c.stage_id)
    .where(run_stages.c.run_id.in_(bindparam("run_ids", expanding=True)))
    .order_by(run_stages.c.position)
)  # fmt: skip
_PLACES = (
    select(runs.c.id, func.rank().over(order_by=(runs.c.priority, runs.c.created_at)).label("place"))
    .where(runs.c.state == "queued")
    .subquery()
)
_QUEUED = select(_PLACES).where(_PLACES.c.id.in_(bindparam("run_ids", expanding=True)))


def views(connection: Connection, rows: Sequence[AnyRow]) -> list[JobView]:
    """Jobs with their runs; three statements for all, and one more for each that has joined another."""
    by_job: dict[str, list[AnyRow]] = defaultdict(list)
    ids = [row.id for row in rows]
    if ids:
        for run in connection.execute(_RUNS, {"job_ids": ids}):
            by_job[run.job_id].append(run)
    latest = [by_job[row.id][-1] for row in rows if by_job[row.id]]
    planned: dict[str, list[AnyRow]] = defaultdict(list)
    if at_work := [run.id for run in latest if run.state in UNFINISHED]:
        for stage in connection.execute(_STAGES, {"run_ids": at_work}):
            planned[stage.run_id].append(stage)
    places: dict[str, int] = {}
    if queued := [run.id for run in latest if run.state == "queued"]:
        places = {row.id: int(row.place) for row in connection.execute(_QUEUED, {"run_ids": queued})}
    return [_view(connection, row, by_job[row.id], planned, places) for row in rows]


def _view(
    connection: Connection,
    job: AnyRow,
    its_runs: list[AnyRow],
    planned: dict[str, list[AnyRow]],
    places: dict[str, int],
) -> JobView:
    latest = its_runs[-1] if its_runs else None
    rows = planned.get(latest.id, []) if latest is not None else []
    return JobView(
        id=job.id,
        tenant=job.tenant,
        surface=Surface(job.surface),
        hidden=job.hidden,
        batch_id=job.batch_id,
        batch_index=job.batch_index,
        tags=tuple(job.tags),
        input=JobInput(**job.input),
        retried_from=job.retried_from,
        derived_from=job.derived_from,
        created_at=job.created_at,
        updated_at=job.updated_at,
        sequence=job.sequence,
        runs=tuple(_run_view(run) for run in its_runs),
        progress=_progress(latest, rows),
        queue_position=places.get(latest.id) if latest is not None else None,
        eta_seconds=_eta(latest, rows),
        joined_to=_joined_to(connection, latest, rows),
    )


def _run_view(run: AnyRow) -> RunView:
    return RunView(
        state=JobState(run.state),
        reused=tuple(run.reused),
        warnings=tuple(run.warnings),
        **{name: getattr(run, name) for name in _SHOWN},
    )


def _progress(run: AnyRow | None, rows: Iterable[AnyRow]) -> Progress:
    if run is None:
        return PENDING
    planned = [row for row in rows if row.interest]
    if not planned:
        return Progress(percent=run.percent)
    at_work = [row for row in planned if row.state == "running"]
    shown = at_work[0] if at_work else next((row for row in planned if row.state != "done"), planned[-1])
    return Progress(
        percent=max(run.percent, percent_done(planned, run.weights)),
        stage=shown.name,
        stage_index=planned.index(shown) + 1,
        stage_count=len(planned),
        **_steps(shown),
        message=(f"{shown.name}: {round(100 * shown.fraction)} %" if at_work else f"waiting for {shown.name}"),
    )


def _steps(shown: AnyRow) -> dict[str, int]:
    """Which of its steps a stage has done, where it counts in steps: its share is that of its steps."""
    steps = (shown.parameters or {}).get(STEPS)
    if not steps:
        return {}
    return {"step": round(shown.fraction * steps), "steps": steps}


def _eta(run: AnyRow | None, rows: Sequence[AnyRow]) -> float | None:
    """Only from measured runs, and only once the work has begun."""
    if run is None or run.state != "running" or not run.weights_measured:
        return None
    return round(seconds_left(rows, run.weights), 3)


def _joined_to(connection: Connection, run: AnyRow | None, rows: Sequence[AnyRow]) -> str | None:
    """The job of the oldest run that shares the last unfinished stage."""
    if run is None or not run.joined:
        return None
    unfinished = [row.id for row in rows if row.interest and row.state != "done"]
    if not unfinished:
        return None
    return connection.execute(
        select(runs.c.job_id)
        .join(run_stages, run_stages.c.run_id == runs.c.id)
        .where(run_stages.c.stage_id == unfinished[-1], run_stages.c.interest, runs.c.state.in_(UNFINISHED))
        .where(runs.c.job_id != run.job_id)
        .order_by(runs.c.created_at, runs.c.id)
        .limit(1)
    ).scalar()
