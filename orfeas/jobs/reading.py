"""Rows to views."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

from sqlalchemy import Connection, Text, bindparam, case, cast, func, select, tuple_

from orfeas.jobs.enlist import UNFINISHED
from orfeas.jobs.progress import percent_done, seconds_left
from orfeas.jobs.views import JobInput, JobState, JobView, Progress, RunView, Surface
from orfeas.storage.tables import AnyRow, run_stages, runs, stages

KEPT = 256
"""Views; one is some ten kilobytes."""
PENDING = Progress(percent=None)
STEPS = "num_inference_steps"
"""The parameter of stages that count in steps."""
_RUN = tuple(field.name for field in fields(RunView))
# Built once, and only of what is shown: what else a run keeps is long, and this is read at every look at a job.
_RUNS = (
    select(*(runs.c[name] for name in _RUN), runs.c.job_id, runs.c.weights, runs.c.weights_measured)
    .where(runs.c.job_id.in_(bindparam("job_ids", expanding=True)))
    .order_by(runs.c.number)
)
_PLANNED = (
    select(
        run_stages.c.run_id, stages.c.id, stages.c.name, stages.c.state, stages.c.fraction,
        case((stages.c.state == "running", cast(stages.c.parameters, Text))).label("parameters"),
    )
    .join(stages, stages.c.id == run_stages.c.stage_id)
    .where(run_stages.c.run_id.in_(bindparam("run_ids", expanding=True)), run_stages.c.interest)
    .order_by(run_stages.c.run_id, run_stages.c.position)
)  # fmt: skip
_QUEUED = runs.c.state == "queued"
_AHEAD = select(
    select(func.count()).where(_QUEUED, runs.c.priority < bindparam("priority")).scalar_subquery()
    + select(func.count())
    .where(_QUEUED, runs.c.priority == bindparam("priority"), runs.c.created_at < bindparam("created_at"))
    .scalar_subquery()
)
_BETWEEN = (
    select(runs.c.priority, runs.c.created_at)
    .where(
        _QUEUED,
        tuple_(runs.c.priority, runs.c.created_at) >= tuple_(bindparam("priority"), bindparam("created_at")),
        tuple_(runs.c.priority, runs.c.created_at) <= tuple_(bindparam("last_priority"), bindparam("last_created_at")),
    )
    .order_by(runs.c.priority, runs.c.created_at)
)


class Views:
    """Makes views of rows, and keeps those that stay as they are until their job's next event.

    That is the view of a job that waits or has ended. While it waits, a joined one names another, which may end before.
    """

    def __init__(self, largest: int = KEPT) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], JobView] = OrderedDict()

    def of(self, connection: Connection, rows: Sequence[AnyRow], *, keep: bool) -> list[JobView]:
        """Jobs with their runs; four statements for all, and one more for each that has joined another.

        What a transaction wrote itself is not to be kept: it may come to nothing, and its number be another event's.
        """
        known = self._known(rows)
        made = {view.id: view for view in _made(connection, [row for row in rows if row.id not in known])}
        if keep:
            self._keep(made.values())
        found = known | made
        waiting = [view.latest for view in found.values() if view.latest and view.latest.state is JobState.QUEUED]
        places = _places(connection, waiting) if waiting else {}
        return [_placed(found[row.id], places) for row in rows]

    def _known(self, rows: Sequence[AnyRow]) -> dict[str, JobView]:
        found = {}
        with self._lock:
            for row in rows:
                if view := self._kept.get((row.id, row.sequence)):
                    self._kept.move_to_end((row.id, row.sequence))
                    found[row.id] = view
        return found

    def _keep(self, made: Iterable[JobView]) -> None:
        resting = [view for view in made if _rests(view)]
        with self._lock:
            for view in resting:
                self._kept[view.id, view.sequence] = view
            while len(self._kept) > self._largest:
                self._kept.popitem(last=False)


def _rests(view: JobView) -> bool:
    run = view.latest
    return run is None or run.state.final or (run.state is JobState.QUEUED and not run.joined)


def _placed(view: JobView, places: dict[str, int]) -> JobView:
    place = places.get(view.latest.id) if view.latest else None
    return view if place is None else replace(view, queue_position=place)


def _places(connection: Connection, waiting: list[RunView]) -> dict[str, int]:
    """Places in the queue: what is ahead of all is counted on the index, and what lies between them read."""
    wanted = {run.id: (run.priority, run.created_at) for run in waiting}
    first, last = min(wanted.values()), max(wanted.values())
    bounds = {"priority": first[0], "created_at": first[1]}
    ahead = connection.execute(_AHEAD, bounds).scalar_one()
    if first == last:
        return dict.fromkeys(wanted, ahead + 1)
    bounds |= {"last_priority": last[0], "last_created_at": last[1]}
    between = [tuple(row) for row in connection.execute(_BETWEEN, bounds).all()]
    return {run_id: ahead + bisect_left(between, place) + 1 for run_id, place in wanted.items()}


def _made(connection: Connection, rows: Sequence[AnyRow]) -> list[JobView]:
    """Views without a place in the queue."""
    if not rows:
        return []
    by_job: dict[str, list[AnyRow]] = defaultdict(list)
    for run in connection.execute(_RUNS, {"job_ids": [row.id for row in rows]}).all():
        by_job[run.job_id].append(run)
    latest = [by_job[row.id][-1] for row in rows if row.id in by_job]
    planned: dict[str, list[AnyRow]] = defaultdict(list)
    if at_work := [run.id for run in latest if run.state in UNFINISHED]:
        for stage in connection.execute(_PLANNED, {"run_ids": at_work}).all():
            planned[stage.run_id].append(stage)
    return [_view(connection, row, by_job.get(row.id, []), planned) for row in rows]


def _view(
    connection: Connection,
    job: AnyRow,
    its_runs: list[AnyRow],
    planned: dict[str, list[AnyRow]],
) -> JobView:
    latest = its_runs[-1] if its_runs else None
    steps = planned[latest.id] if latest is not None and latest.id in planned else []
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
        progress=_progress(latest, steps),
        queue_position=None,
        eta_seconds=_eta(latest, steps),
        joined_to=_joined_to(connection, latest, steps),
    )


def _run_view(run: AnyRow) -> RunView:
    shown = dict(zip(_RUN, run, strict=False))
    return RunView(
        **shown | {"state": JobState(run.state), "reused": tuple(run.reused), "warnings": tuple(run.warnings)}
    )


def _progress(run: AnyRow | None, planned: Sequence[AnyRow]) -> Progress:
    if run is None:
        return PENDING
    if not planned:
        return Progress(percent=run.percent)
    states = [stage.state for stage in planned]
    at_work = "running" in states
    place = (
        states.index("running") if at_work else next((n for n, s in enumerate(states) if s != "done"), len(states) - 1)
    )
    shown = planned[place]
    return Progress(
        percent=max(run.percent, percent_done(planned, run.weights)),
        stage=shown.name,
        stage_index=place + 1,
        stage_count=len(planned),
        **_steps(shown),
        message=(f"{shown.name}: {round(100 * shown.fraction)} %" if at_work else f"waiting for {shown.name}"),
    )


def _steps(shown: AnyRow) -> dict[str, int]:
    """Which of its steps a stage has done, where it counts in steps: its share is that of its steps."""
    steps = json.loads(shown.parameters).get(STEPS) if shown.parameters else None
    if not steps:
        return {}
    return {"step": round(shown.fraction * steps), "steps": steps}


def _eta(run: AnyRow | None, planned: Sequence[AnyRow]) -> float | None:
    """Only from measured runs, and only once the work has begun."""
    if run is None or run.state != "running" or not run.weights_measured:
        return None
    return round(seconds_left(planned, run.weights), 3)


def _joined_to(connection: Connection, run: AnyRow | None, planned: Sequence[AnyRow]) -> str | None:
    """The job of the oldest run that shares the last unfinished stage."""
    if run is None or not run.joined:
        return None
    unfinished = [stage.id for stage in planned if stage.state != "done"]
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
