"""The engine's front: open jobs, run plans, read, list, cancel, delete."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, Text, and_, bindparam, cast, select, update

from orfeas.domain.caller import Caller
from orfeas.errors import JobNotFinalError, JobNotFoundError, QueueFullError
from orfeas.jobs import outcome
from orfeas.jobs.cache import is_shared
from orfeas.jobs.discard import discard_job
from orfeas.jobs.enlist import UNFINISHED, Survey, enter, survey
from orfeas.jobs.files import check_cap
from orfeas.jobs.hidden import at_work
from orfeas.jobs.outcome import clock, new_id
from orfeas.jobs.paging import after, cursor_of, in_order
from orfeas.jobs.plan import Plan, plan_document, privately
from orfeas.jobs.progress import measured_seconds
from orfeas.jobs.queue import QueueStatus, is_full, queue_status
from orfeas.jobs.reading import Views
from orfeas.jobs.views import JobFile, JobInput, JobView, Page, RunRequest, Surface
from orfeas.jobs.wakeups import Wakeups
from orfeas.storage.blobs import Storage
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow, assets, job_assets, jobs, runs, stages

WEIGHTS_KEPT_S = 10.0
_ASKED = (
    "type", "request", "engine", "model", "method", "profile", "quality", "settings", "priority", "checks", "monitored",
)  # fmt: skip
_OPEN, _RUN = jobs.insert(), runs.insert()
_ONE_RUN = select(runs).where(runs.c.id == bindparam("run_id"))
_OF_TENANT = and_(jobs.c.id == bindparam("job_id"), jobs.c.tenant == bindparam("tenant"))
_JOB = select(jobs).where(_OF_TENANT)
_LATEST = (
    select(jobs.c.id, runs.c.number, runs.c.fingerprint, runs.c.state)
    .outerjoin_from(jobs, runs, runs.c.job_id == jobs.c.id)
    .where(_OF_TENANT)
    .order_by(runs.c.number.desc())
    .limit(1)
)
"""A job with its latest run, if it has one."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """`queue_max` queued runs; `timeout_s` seconds a run may take in all.

    `cache`: whether runs share finished stages unless the cache's settings say otherwise; `storage_bytes`:
    stored bytes above which new work is refused, None for no cap.
    """

    queue_max: int = 100
    timeout_s: float = 1800.0
    cache: bool = True
    storage_bytes: int | None = None


class Jobs:
    """Jobs and their runs over the rows."""

    def __init__(
        self,
        database: Database,
        blobs: Storage,
        wakeups: Wakeups,
        limits: JobLimits | None = None,
        *,
        now: Callable[[], float] = clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._wakeups = wakeups
        self._limits = limits or JobLimits()
        self._now = now
        self._views = Views()
        self._measured: dict[tuple[Any, ...], tuple[float, dict[str, float] | None]] = {}

    # making

    def open(
        self,
        caller: Caller,
        surface: Surface,
        input: JobInput,
        *,
        batch: tuple[str, int] | None = None,
        tags: tuple[str, ...] = (),
        hidden: bool = False,
        job_id: str | None = None,
    ) -> JobView:
        """A pending job: its input is stored, nothing is asked yet."""
        job_id = job_id or new_id()
        with self._database.transaction() as connection:
            opened = _job_values(caller, surface, job_id, input, batch, tags, hidden=hidden, now=self._now())
            connection.execute(_OPEN, opened)
            _keep_inputs(connection, caller, input, self._now())
            outcome.emit(connection, job_id, "state", {"state": "pending"}, run=None, now=self._now())
            return self._get(connection, caller, job_id)

    def create(
        self,
        caller: Caller,
        surface: Surface,
        request: RunRequest,
        *,
        input: JobInput | None = None,
        job_id: str | None = None,
        batch: tuple[str, int] | None = None,
        tags: tuple[str, ...] = (),
        hidden: bool = False,
        retried_from: str | None = None,
        derived_from: str | None = None,
        private: bool = False,
    ) -> JobView:
        """A new job with one run. With everything made already it is `succeeded` at once.

        Asked again for a hidden job that is at work on the same plan, it answers that one.

        Raises
        ------
        QueueFullError
            As many runs are queued as may be; cached and joined ones never count.
        DiskFullError
            There is too little free disk for new work.
        """
        job_id = job_id or new_id()
        weights = self._weights(request)
        with self._database.transaction() as connection:
            if hidden and (same := at_work(connection, caller.tenant, request.plan.fingerprint)):
                return self._get(connection, caller, same)
            given = input or JobInput()
            opened = _job_values(
                caller, surface, job_id, given, batch, tags, hidden=hidden, retried_from=retried_from,
                derived_from=derived_from, now=self._now(),
            )  # fmt: skip
            _keep_inputs(connection, caller, given, self._now())
            # Conversions and renders of what exists find its stages again, or they would be made for each look.
            private = private or not (hidden or is_shared(connection, self._limits.cache))
            queues = self._start(connection, caller, job_id, 1, request, weights, private=private, opened=opened)
            made = self._get(connection, caller, job_id)
        self._wake(queues)
        return made

    def add_run(
        self, caller: Caller, job_id: str, request: RunRequest, *, private: bool = False
    ) -> tuple[JobView, bool]:
        """A further run of a job; True when the identical run is in flight and was joined instead."""
        weights = self._weights(request)
        with self._database.transaction() as connection:
            latest = self._one(connection, _LATEST, caller, job_id)
            job_id, number = latest.id, latest.number or 0
            private = private or not is_shared(connection, self._limits.cache)
            same = latest.fingerprint == request.plan.fingerprint
            joined = same and not private and latest.state in UNFINISHED
            queues: frozenset[str] = frozenset()
            if not joined:
                queues = self._start(connection, caller, job_id, number + 1, request, weights, private=private)
            job = self._get(connection, caller, job_id)
        self._wake(queues)
        return job, joined

    # reading

    def look(self) -> AbstractContextManager[object]:
        """All that is read within sees one state, and costs less than looks one by one."""
        return self._database.read()

    def get(self, caller: Caller, job_id: str) -> JobView:
        """One job; `JobNotFoundError` for an unknown, malformed or foreign id."""
        with self._database.read() as connection:
            return self._get(connection, caller, job_id, keep=True)

    def by_input_filename(self, caller: Caller, filename: str) -> JobView:
        """The job whose input is stored under that name."""
        with self._database.read() as connection:
            job_id = connection.execute(
                select(jobs.c.id).where(jobs.c.input_filename == filename, jobs.c.tenant == caller.tenant)
            ).scalar()
            return self._get(connection, caller, job_id or "", keep=True)

    def list(
        self,
        caller: Caller,
        *,
        state: str | None = None,
        type: str | None = None,
        tag: str | None = None,
        batch: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        newest_first: bool = True,
    ) -> Page[JobView]:
        """A page of the caller's jobs by time; hidden ones are in no list."""
        where = [jobs.c.tenant == caller.tenant, jobs.c.hidden.is_(False)]
        where += [column == value for column, value in ((jobs.c.state, state), (jobs.c.type, type)) if value]
        if batch:
            where.append(jobs.c.batch_id == batch)
        if tag:
            where.append(cast(jobs.c.tags, Text).contains(json.dumps(tag), autoescape=True))
        if cursor:
            where.append(after(jobs, cursor, newest_first=newest_first))
        order = in_order(jobs, newest_first=newest_first)
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).where(*where).order_by(*order).limit(limit + 1)).all()
            shown = rows[:limit]
            return Page(
                items=tuple(self._views.of(connection, shown, keep=True)),
                next_cursor=cursor_of(shown[-1]) if len(rows) > limit else None,
            )

    def files(self, caller: Caller, job_id: str) -> tuple[JobFile, ...]:
        """The files of all runs of a job, the latest run's first."""
        with self._database.read() as connection:
            self._get(connection, caller, job_id, keep=True)
            rows = connection.execute(
                select(job_assets, runs.c.number, assets.c.size_bytes, assets.c.media_type)
                .join(runs, runs.c.id == job_assets.c.run_id)
                .join(assets, and_(assets.c.id == job_assets.c.asset_id, assets.c.tenant == runs.c.tenant))
                .where(job_assets.c.job_id == job_id.lower())
                .order_by(runs.c.number.desc(), job_assets.c.position)
            )
            return tuple(
                JobFile(
                    asset_id=row.asset_id, run_number=row.number, role=row.role, format=row.format,
                    filename=row.filename, size_bytes=row.size_bytes, media_type=row.media_type, up_axis=row.up_axis,
                )
                for row in rows
            )  # fmt: skip

    def find_output(self, caller: Caller, plan: Plan) -> str | None:
        """The blob of the plan's first output, if it is made already."""
        with self._database.read() as connection:
            row = connection.execute(
                select(stages.c.output, stages.c.output_bytes).where(
                    stages.c.tenant == caller.tenant,
                    stages.c.fingerprint == plan.outputs[0].node.fingerprint,
                    stages.c.state == "done",
                )
            ).one_or_none()
        if row is None or not self._blobs.exists(row.output, row.output_bytes):
            return None
        return str(row.output)

    def cached(self, caller: Caller, plan: Plan) -> bool:
        """Whether every file of the plan is made already."""
        wanted = {node.fingerprint for node in plan.targets}
        with self._database.read() as connection:
            rows = connection.execute(
                select(stages.c.fingerprint, stages.c.output, stages.c.output_bytes).where(
                    stages.c.tenant == caller.tenant, stages.c.fingerprint.in_(wanted), stages.c.state == "done"
                )
            ).all()
        kept = {row.fingerprint for row in rows if row.output is None or self._blobs.exists(row.output)}
        return kept == wanted

    def queue_status(self, caller: Caller) -> QueueStatus:
        """Depth, age and workers."""
        with self._database.read() as connection:
            return queue_status(connection, caller.tenant, self._now())

    def measured_seconds(self, request: RunRequest) -> dict[str, float] | None:
        """Median seconds per stage of finished runs like this one; None before there are five."""
        key = (request.type, request.engine, request.model, request.profile, request.quality)
        read_at, found = self._measured.get(key, (-WEIGHTS_KEPT_S, None))
        if time.monotonic() - read_at > WEIGHTS_KEPT_S:
            with self._database.read() as connection:
                found = measured_seconds(connection, request)
            self._measured[key] = (time.monotonic(), found)
        return found

    # ending

    def cancel(self, caller: Caller, job_id: str) -> JobView:
        """Cancel the runs that are not final; those that are stay as they are."""
        owners: list[str] = []
        with self._database.transaction() as connection:
            job = self._get(connection, caller, job_id)
            unfinished = select(runs).where(runs.c.job_id == job.id, runs.c.state.in_(UNFINISHED))
            for run in connection.execute(unfinished.order_by(runs.c.number)).all():
                awaited = outcome.awaited(connection, run.id)
                owners += outcome.cancel(connection, run, self._now())
                for other in awaited:
                    owners += outcome.cancel(connection, other, self._now())
            job = self._get(connection, caller, job_id)
        for owner in owners:
            self._wakeups.recheck(owner)
        return job

    def delete(self, caller: Caller, job_id: str) -> None:
        """Remove a final job with what no other job uses."""
        with self._database.transaction() as connection:
            job = self._get(connection, caller, job_id)
            if any(not run.state.final for run in job.runs):
                raise JobNotFinalError("The job is still at work: cancel it first.", job_id=job.id)
            discard_job(connection, job.id, caller.tenant, self._now())

    # inside a transaction

    def _get(self, connection: Connection, caller: Caller, job_id: str, *, keep: bool = False) -> JobView:
        return self._views.of(connection, [self._one(connection, _JOB, caller, job_id)], keep=keep)[0]

    @staticmethod
    def _one(connection: Connection, query: Select[Any], caller: Caller, job_id: str) -> AnyRow:
        row = connection.execute(query, {"job_id": job_id.lower(), "tenant": caller.tenant}).one_or_none()
        if row is None:
            raise JobNotFoundError(f"There is no job {job_id[:64]!r}.")
        return row

    def _start(
        self,
        connection: Connection,
        caller: Caller,
        job_id: str,
        number: int,
        request: RunRequest,
        weights: tuple[dict[str, float], bool],
        *,
        private: bool,
        opened: dict[str, Any] | None = None,
    ) -> frozenset[str]:
        """Write the run, want what is absent, and end it at once when nothing is. `opened` is a job that is new."""
        now, run_id = self._now(), new_id()
        plan = privately(request.plan, run_id) if private else request.plan
        found = survey(connection, self._blobs, tenant=caller.tenant, document=plan_document(plan))
        self._admit(connection, found)
        if opened is not None:
            queued = {"state": "queued", "type": request.type, "sequence": 1} if found.needed else {}
            connection.execute(_OPEN, opened | queued)
        limit_s = request.timeout_s or self._limits.timeout_s
        values = _run_values(caller, job_id, run_id, number, request, plan, weights, now=now, limit_s=limit_s)
        standing = {"cached": not found.needed, "joined": found.joined, "reused": found.reused, "private": private}
        connection.execute(_RUN, values | standing)
        enter(connection, found, run_id=run_id, priority=request.priority, now=now)
        if not found.needed:
            run = connection.execute(_ONE_RUN, {"run_id": run_id}).one()
            outcome.succeed(connection, self._blobs, run, outcome.stages_of(connection, run_id), now)
            return found.queues
        outcome.queued(connection, job_id, number, request.type, now, new=opened is not None)
        if found.at_work:
            run = connection.execute(_ONE_RUN, {"run_id": run_id}).one()
            outcome.set_state(connection, run, "running", now, started_at=now)
        return found.queues

    def _admit(self, connection: Connection, found: Survey) -> None:
        if not found.needed or found.joined:
            return
        self._blobs.check_space()
        check_cap(connection, self._limits.storage_bytes)
        if is_full(connection, self._limits.queue_max):
            raise QueueFullError(
                f"{self._limits.queue_max} runs are waiting (ORFEAS_QUEUE_MAX). Try again when some have ended.",
                limit=self._limits.queue_max, retry_after=5,
            )  # fmt: skip

    def _weights(self, request: RunRequest) -> tuple[dict[str, float], bool]:
        published = {node.spec.name: float(node.spec.weight) for node in request.plan.nodes()}
        measured = self.measured_seconds(request)
        return ({**published, **measured}, True) if measured else (published, False)

    def _wake(self, queues: frozenset[str]) -> None:
        for queue in sorted(queues):
            self._wakeups.wake(queue)


def _job_values(
    caller: Caller,
    surface: Surface,
    job_id: str,
    input: JobInput,
    batch: tuple[str, int] | None,
    tags: tuple[str, ...],
    *,
    hidden: bool,
    now: float,
    retried_from: str | None = None,
    derived_from: str | None = None,
) -> dict[str, Any]:
    return {
        "id": job_id, "tenant": caller.tenant, "surface": surface.value, "hidden": hidden, "tags": [*tags],
        "batch_id": batch[0] if batch else None, "batch_index": batch[1] if batch else None,
        "input": asdict(input), "input_asset": input.asset_id, "input_filename": input.filename,
        "retried_from": retried_from, "derived_from": derived_from, "type": None, "state": "pending", "sequence": 0,
        "created_at": now, "updated_at": now,
    }  # fmt: skip


def _keep_inputs(connection: Connection, caller: Caller, input: JobInput, now: float) -> None:
    if input.asset_id:
        connection.execute(
            update(assets)
            .where(assets.c.id.in_(input.asset_ids), assets.c.tenant == caller.tenant)
            .values(expires_at=None, last_used_at=now)
        )


def _run_values(
    caller: Caller,
    job_id: str,
    run_id: str,
    number: int,
    request: RunRequest,
    plan: Plan,
    weights: tuple[dict[str, float], bool],
    *,
    now: float,
    limit_s: float,
) -> dict[str, Any]:
    fallbacks = [
        {"codes": sorted(f.codes), "change": f.change, "document": plan_document(f.plan)} for f in plan.fallbacks
    ]
    return {
        "id": run_id, "job_id": job_id, "number": number, "tenant": caller.tenant, "fingerprint": plan.fingerprint,
        "outputs": plan_document(plan)["outputs"], "fallbacks": fallbacks, "weights": weights[0],
        "weights_measured": weights[1], "state": "queued", "degraded": [], "warnings": [*request.warnings],
        "percent": 0, "created_at": now, "deadline": now + limit_s,
        **{name: getattr(request, name) for name in _ASKED},
    }  # fmt: skip
