"""How runs move on and end: events, results, failures, fallbacks. Always inside a caller's transaction."""

from __future__ import annotations

import time
import uuid
from typing import Any

from sqlalchemy import Connection, bindparam, case, exists, func, select, update

from orfeas.domain.checks import evaluate
from orfeas.errors import PostconditionFailedError
from orfeas.jobs.enlist import UNFINISHED, enlist, withdraw
from orfeas.jobs.listing import as_asset, list_files, note_mesh, show_file
from orfeas.jobs.progress import percent_done
from orfeas.storage.blobs import Storage
from orfeas.storage.tables import AnyRow, events, jobs, run_stages, runs, stages

_COUNT = (
    update(jobs)
    .where(jobs.c.id == bindparam("of"))
    .values(sequence=jobs.c.sequence + 1, updated_at=bindparam("at"))
    .returning(jobs.c.sequence)
)
_NEWER = exists().where(runs.c.job_id == jobs.c.id, runs.c.number > bindparam("number"))
_COUNT_AND_SHOW = _COUNT.values(
    state=case((_NEWER, jobs.c.state), else_=bindparam("state_now")),
    type=case((_NEWER, jobs.c.type), else_=bindparam("type_now")),
)
_EVENT = events.insert()
"""Built once, as every step of every job takes the next number."""


def emit(
    connection: Connection,
    job_id: str,
    kind: str,
    payload: dict[str, Any],
    *,
    run: int | None,
    now: float,
    shown: dict[str, Any] | None = None,
) -> int:
    """Write the job's next event, with rising numbers without gaps, and `shown` of its run unless there is a newer."""
    count = _COUNT_AND_SHOW if shown else _COUNT
    sequence = int(connection.execute(count, {"at": now, "of": job_id, **(shown or {})}).scalar_one())
    write_event(connection, job_id, sequence, kind, payload, run=run, now=now)
    return sequence


def write_event(
    connection: Connection,
    job_id: str,
    sequence: int,
    kind: str,
    payload: dict[str, Any],
    *,
    run: int | None,
    now: float,
) -> None:
    """Write an event with the number that its job has counted to."""
    event = {"job_id": job_id, "sequence": sequence, "run": run, "kind": kind, "payload": payload, "created_at": now}
    connection.execute(_EVENT, event)


_INTERESTED = (
    select(runs, run_stages.c.target)
    .join(run_stages, run_stages.c.run_id == runs.c.id)
    .where(run_stages.c.stage_id == bindparam("stage_id"), run_stages.c.interest, runs.c.state.in_(UNFINISHED))
    .order_by(runs.c.created_at, runs.c.id)
)
_STANDING = (
    select(run_stages.c.target, run_stages.c.interest, stages.c.name, stages.c.state, stages.c.fraction)
    .join(stages, stages.c.id == run_stages.c.stage_id)
    .where(run_stages.c.run_id == bindparam("run_id"))
    .order_by(run_stages.c.position)
)


def interested(connection: Connection, stage_id: int) -> list[AnyRow]:
    """The unfinished runs that want a stage, each with whether it is a `target` of theirs."""
    return list(connection.execute(_INTERESTED, {"stage_id": stage_id}))


def counting_on(connection: Connection, stage_ids: list[int]) -> list[AnyRow]:
    """The unfinished runs that have one of the stages in their plan, whether it had to run for them or not."""
    planned = select(run_stages.c.run_id).where(run_stages.c.stage_id.in_(stage_ids))
    return list(connection.execute(select(runs).where(runs.c.id.in_(planned), runs.c.state.in_(UNFINISHED))))


def stages_of(connection: Connection, run_id: str) -> list[AnyRow]:
    """The run's stages in plan order, with `target` and `interest`."""
    return list(
        connection.execute(
            select(run_stages.c.position, run_stages.c.target, run_stages.c.interest, stages)
            .join(stages, stages.c.id == run_stages.c.stage_id)
            .where(run_stages.c.run_id == run_id)
            .order_by(run_stages.c.position)
        )
    )


def standing(connection: Connection, run_id: str) -> list[AnyRow]:
    """As `stages_of`, but only what tells how far the run is: this is read at every step of every run."""
    return list(connection.execute(_STANDING, {"run_id": run_id}))


def begin(connection: Connection, stage: AnyRow, now: float) -> set[str]:
    """A stage was claimed: its queued runs are running now. The ids of the runs that were told."""
    told = interested(connection, stage.id)
    for run in told:
        if run.state == "queued":
            set_state(connection, run, "running", now, started_at=now)
        report_progress(connection, run, now)
    return {run.id for run in told}


def queued(connection: Connection, job_id: str, number: int, type: str, now: float, *, new: bool) -> None:
    """Say that a run waits; a `new` job was written down in this state, with this as its first event."""
    if new:
        write_event(connection, job_id, 1, "state", {"state": "queued"}, run=number, now=now)
    else:
        shown = {"number": number, "state_now": "queued", "type_now": type}
        emit(connection, job_id, "state", {"state": "queued"}, run=number, now=now, shown=shown)


def set_state(connection: Connection, run: AnyRow, state: str, now: float, **values: Any) -> None:
    """Change a run's state, the job's copy of that of its latest run, and say so."""
    connection.execute(update(runs).where(runs.c.id == run.id).values(state=state, **values))
    shown = {"number": run.number, "state_now": state, "type_now": run.type}
    emit(connection, run.job_id, "state", {"state": state}, run=run.number, now=now, shown=shown)
    if state not in UNFINISHED:
        connection.execute(update(stages).where(stages.c.after_job == run.job_id).values(held=False))


def report_progress(connection: Connection, run: AnyRow, now: float) -> None:
    """Write where the run stands; the percentage never falls."""
    planned = [row for row in standing(connection, run.id) if row.interest]
    percent = max(run.percent, percent_done(planned, run.weights))
    at_work = next((row for row in planned if row.state == "running"), None)
    if percent != run.percent:
        connection.execute(update(runs).where(runs.c.id == run.id).values(percent=percent))
    emit(
        connection,
        run.job_id,
        "progress",
        {"percent": percent, "stage": at_work.name if at_work else None},
        run=run.number,
        now=now,
    )


def advance(connection: Connection, blobs: Storage, stage_id: int, now: float) -> list[AnyRow]:
    """A stage is done: end the runs that have all they asked for. The others, whose progress is to be told."""
    unfinished = []
    told = interested(connection, stage_id)
    _show_previews(connection, told, stage_id, now)
    for run in told:
        if run.target and all(row.state == "done" for row in standing(connection, run.id) if row.target):
            succeed(connection, blobs, run, stages_of(connection, run.id), now)
        else:
            unfinished.append(run)
    return unfinished


def follow(
    connection: Connection, blobs: Storage, stage_id: int, report: dict[str, Any] | None, now: float
) -> frozenset[str]:
    """Want the plan that a finished stage named as `next`, in every run that counts on it; the queues it is for.

    What is known so far can be read with the job from then on.
    """
    document = (report or {}).get("next")
    if document is None:
        return frozenset()
    queues: frozenset[str] = frozenset()
    for run in interested(connection, stage_id):
        last = select(func.max(run_stages.c.position)).where(run_stages.c.run_id == run.id)
        enlisted = enlist(
            connection, blobs, tenant=run.tenant, document=document, run_id=run.id, priority=run.priority, now=now,
            position=connection.execute(last).scalar_one() + 1,
        )  # fmt: skip
        queues |= enlisted.queues
        so_far = _result(run, stages_of(connection, run.id))
        connection.execute(update(runs).where(runs.c.id == run.id).values(result=so_far))
    return queues


def _show_previews(connection: Connection, told: list[AnyRow], stage_id: int, now: float) -> None:
    """Tell the runs whose preview this stage has made; it can be fetched from now on."""
    shown = [(run, output) for run in told for output in run.outputs if output["role"] == "preview"]
    if not shown:
        return
    made = connection.execute(
        select(stages.c.fingerprint, stages.c.output, stages.c.output_bytes, stages.c.report).where(
            stages.c.id == stage_id
        )
    ).one()
    for run, output in shown:
        if output["stage"] == made.fingerprint:
            show_file(connection, run.tenant, as_asset(output, made), now)
            kind = "untextured_mesh" if output.get("early") else "thumbnail"
            payload = {"asset_id": made.output, "kind": kind}
            emit(connection, run.job_id, "preview", payload, run=run.number, now=now)


def succeed(connection: Connection, blobs: Storage, run: AnyRow, rows: list[AnyRow], now: float) -> str:
    """Compare with what was required, then list the files. Returns the final state."""
    for row in rows:
        if row.report and "mesh" in row.report:
            note_mesh(connection, row)
    result = _result(run, rows)
    checks = evaluate(run.checks, result["measures"]) if run.checks else []
    result["checks"] = checks
    refused = next((row.report["refused"] for row in rows if "refused" in (row.report or {})), None)
    if refused is not None:
        list_files(connection, run, result["assets"], result["measures"], now)
        _finish(connection, run, "failed", now, result=result, error=refused, timings=result["timings"])
        return "failed"
    rejected = [check for check in checks if not check["ok"]]
    if rejected:
        names = ", ".join(f"{c['name']} (wanted {c['wanted']}, measured {c['measured']})" for c in rejected)
        error = PostconditionFailedError(f"The result does not satisfy: {names}.", measures=result["measures"])
        if fall_back(connection, blobs, run, error.code, now) is not None:
            return "running"
        result["assets"] = [
            {**asset, "role": "rejected"} if asset["role"] == "model" else asset for asset in result["assets"]
        ]
        list_files(connection, run, result["assets"], result["measures"], now)
        _finish(connection, run, "failed", now, result=result, error=error.as_job_error())
        return "failed"
    list_files(connection, run, result["assets"], result["measures"], now)
    warnings = list(dict.fromkeys([*run.warnings, *_warnings(rows)]))
    method = result["method"] or run.method
    _finish(
        connection, run, "succeeded", now, result=result, percent=100, warnings=warnings, method=method,
        timings=result["timings"],
    )  # fmt: skip
    return "succeeded"


def _finish(connection: Connection, run: AnyRow, state: str, now: float, **values: Any) -> None:
    set_state(connection, run, state, now, finished_at=now, **values)
    emit(connection, run.job_id, "end", {"state": state}, run=run.number, now=now)


def _result(run: AnyRow, rows: list[AnyRow]) -> dict[str, Any]:
    by_fingerprint = {row.fingerprint: row for row in rows}
    listed, measures = [], {}
    for output in run.outputs:
        listed.append(as_asset(output, by_fingerprint[output["stage"]]))
        if output["verified_by"]:
            report = by_fingerprint[output["verified_by"]].report or {}
            measures[output["format"]] = report.get("measures", {})
    for row in rows:
        measures.update((row.report or {}).get("file_measures", {}))
    reports = _reports(rows)
    return {
        "assets": [*listed, *_handed_on(rows)],
        "measures": measures,
        "timings": _timings(rows),
        "reports": reports,
        "method": run.method or next((r["method"] for r in reports.values() if r.get("method")), None),
        "degraded": run.degraded,
    }


def _timings(rows: list[AnyRow]) -> dict[str, float]:
    """Seconds by stage, of all that a run holds of one name."""
    found: dict[str, float] = {}
    for row in rows:
        if row.interest and row.seconds is not None:
            found[row.name] = round(found.get(row.name, 0.0) + row.seconds, 6)
    return found


def _handed_on(rows: list[AnyRow]) -> list[dict[str, Any]]:
    """Files of other jobs that a stage reports as those of its run."""
    return [asset for row in rows if row.report for asset in row.report.get("assets", [])]


def _reports(rows: list[AnyRow]) -> dict[str, dict[str, Any]]:
    """What each stage reported, with its seconds; a stage that runs again in a plan is `mesh.analyze#2`."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.report:
            before = sum(name.partition("#")[0] == row.name for name in found)
            found[f"{row.name}#{before + 1}" if before else row.name] = {**row.report, "seconds": row.seconds}
    return found


def _warnings(rows: list[AnyRow]) -> list[str]:
    return [warning for row in rows if row.report for warning in row.report.get("warnings", [])]


def fail(connection: Connection, blobs: Storage, run: AnyRow, error: dict[str, Any], now: float) -> list[str]:
    """End a run with a copy of the error, or let it fall back. Returns the owners whose work is not needed any more."""
    owners = fall_back(connection, blobs, run, error["code"], now)
    if owners is None:
        owners = withdraw(connection, run.id)
        _finish(connection, run, "failed", now, error=error)
    return owners


def cancel(connection: Connection, run: AnyRow, now: float) -> list[str]:
    """End a run by request. Returns the owners whose work is not needed any more."""
    owners = withdraw(connection, run.id)
    _finish(connection, run, "cancelled", now)
    return owners


def awaited(connection: Connection, run_id: str) -> list[AnyRow]:
    """The unfinished runs of jobs that a run has started and waits for; hidden jobs may be others' as well."""
    waits = (
        select(stages.c.after_job)
        .join(run_stages, run_stages.c.stage_id == stages.c.id)
        .where(run_stages.c.run_id == run_id, run_stages.c.interest, stages.c.state == "wanted")
    )
    theirs = select(jobs.c.id).where(jobs.c.id.in_(waits), jobs.c.hidden.is_(False))
    return list(connection.execute(select(runs).where(runs.c.job_id.in_(theirs), runs.c.state.in_(UNFINISHED))))


def fall_back(connection: Connection, blobs: Storage, run: AnyRow, code: str, now: float) -> list[str] | None:
    """Replace this run's later stages by the lighter ones it allowed; others keep theirs (design, 3a.11).

    Returns the owners whose work is not needed any more, None when the run allows nothing for this code.
    """
    chosen = next((f for f in run.fallbacks if code in f["codes"]), None)
    if chosen is None:
        return None
    document = chosen["document"]
    owners = withdraw(connection, run.id, keep=[node["fingerprint"] for node in document["nodes"]])
    connection.execute(run_stages.delete().where(run_stages.c.run_id == run.id))
    enlisted = enlist(
        connection, blobs, tenant=run.tenant, document=document, run_id=run.id, priority=run.priority, now=now
    )
    values = {
        "outputs": document["outputs"],
        "fallbacks": [f for f in run.fallbacks if f is not chosen],
        "degraded": [*run.degraded, chosen["change"]],
    }
    connection.execute(update(runs).where(runs.c.id == run.id).values(**values))
    emit(
        connection,
        run.job_id,
        "warning",
        {"message": chosen["change"].get("message", ""), "code": code},
        run=run.number,
        now=now,
    )
    if not enlisted.needed:
        fresh = connection.execute(select(runs).where(runs.c.id == run.id)).one()
        succeed(connection, blobs, fresh, stages_of(connection, run.id), now)
    return owners


def new_id() -> str:
    """A UUID version 4, lower case."""
    return str(uuid.uuid4())


def clock() -> float:
    """Seconds since the epoch."""
    return time.time()
