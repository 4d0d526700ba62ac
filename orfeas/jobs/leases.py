"""What workers do to rows: claim a stage, report on it, give it back. Every write is guarded by the owner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from orfeas.errors import (
    AssetGoneError,
    DeadlineExceededError,
    OrfeasError,
    StageCrashedError,
    WorkerLostError,
)
from orfeas.jobs import outcome
from orfeas.jobs.claims import ENDED, Claim, as_claim, take
from orfeas.jobs.enlist import UNFINISHED, has_result, release, want
from orfeas.jobs.outcome import clock
from orfeas.jobs.wakeups import Wakeups
from orfeas.stages.task import Done
from orfeas.storage.blobs import Storage
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow, jobs, run_stages, runs, stage_inputs, stages, workers

LEASE_S = 15.0
LOOK_AGAIN_S = 5.0
"""How often an idle worker looks at held stages as well, should one have been forgotten."""
MAX_ATTEMPTS = 3
MAX_CRASHES = 2


class Leases:
    """The worker's side of the stage table.

    Parameters
    ----------
    database, blobs, wakeups
        Rows, files, and the way to tell other workers.
    owner
        The worker's id.
    """

    def __init__(
        self, database: Database, blobs: Storage, wakeups: Wakeups, owner: str, *, now: Callable[[], float] = clock
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._wakeups = wakeups
        self.owner = owner
        self._now = now
        self._looked_at = 0.0

    def claim(self, queue: str, *, commands: bool = False) -> Claim | None:
        """Take the best stage that is ready, if any; with `commands` only one that commands a device."""
        with self._database.transaction() as connection:
            return self._claim(connection, queue, after=None, commands=commands)[0]

    def progress(self, stage_id: int, fraction: float) -> bool:
        """Report a share done, 0 to 1. False when the stage is not ours any more: stop."""
        now = self._now()
        with self._database.transaction() as connection:
            mine = connection.execute(
                update(stages)
                .where(self._mine(stage_id), stages.c.fraction <= fraction)
                .values(fraction=fraction, lease_until=now + LEASE_S)
            ).rowcount
            if not mine:
                return self._is_mine(connection, stage_id)
            for run in outcome.interested(connection, stage_id):
                outcome.report_progress(connection, run, now)
        return True

    def renew(self, stage_id: int) -> bool:
        """Keep the lease. False when the stage is not ours any more: stop."""
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    update(stages).where(self._mine(stage_id)).values(lease_until=self._now() + LEASE_S)
                ).rowcount
            )

    def keep(self, stage_ids: Sequence[int], *, renew: bool = True) -> set[int]:
        """Those of the stages that are still ours, with their leases renewed: stop the others."""
        ours = and_(stages.c.id.in_(stage_ids), stages.c.owner == self.owner, stages.c.state == "running")
        if not renew:
            with self._database.read() as connection:
                return set(connection.execute(select(stages.c.id).where(ours)).scalars())
        renewed = update(stages).where(ours).values(lease_until=self._now() + LEASE_S).returning(stages.c.id)
        with self._database.transaction() as connection:
            return set(connection.execute(renewed).scalars())

    def is_mine(self, stage_id: int) -> bool:
        """Whether the work is still wanted from this worker."""
        with self._database.read() as connection:
            return self._is_mine(connection, stage_id)

    def finish(self, stage_id: int, made: Done, *, claim_next: str | None = None) -> Claim | None:
        """Keep the result, end the runs that have all they need, and take the next stage, in one transaction."""
        now = self._now()
        with self._database.transaction() as connection:
            kept = connection.execute(
                update(stages)
                .where(self._mine(stage_id))
                .values(
                    state="done", owner=None, lease_until=None, fraction=1.0, output=made.blob,
                    output_bytes=made.size_bytes, report=made.report, seconds=made.seconds, finished_at=now,
                    last_used_at=now, error=None,
                )
            ).rowcount  # fmt: skip
            if kept:
                release(connection, stage_id)
            further = outcome.follow(connection, self._blobs, stage_id, made.report, now) if kept else frozenset()
            waiting = outcome.advance(connection, self._blobs, stage_id, now) if kept else []
            claimed, told = self._claim(connection, claim_next, after=stage_id) if claim_next else (None, set())
            for run in waiting:
                if run.id not in told:
                    outcome.report_progress(connection, run, now)
            queues = {*self._ready_queues(connection, stage_id, claimed), *further} if kept else set()
        for queue in sorted(queues):
            self._wakeups.wake(queue)
        return claimed

    def fail(self, stage_id: int, error: OrfeasError) -> None:
        """The stage itself refused or failed: so do all runs that want it, each with a copy of the error."""
        with self._database.transaction() as connection:
            owners, queues = self._fail(connection, stage_id, error)
        self._tell(owners, queues)

    def crashed(self, stage_id: int) -> None:
        """The child died of a signal of its own making: once more, then `stage_crashed`."""
        with self._database.transaction() as connection:
            row = connection.execute(select(stages).where(self._mine(stage_id))).one_or_none()
            if row is None:
                return
            crashes = row.crashes + 1
            connection.execute(update(stages).where(stages.c.id == stage_id).values(crashes=crashes))
            if crashes < MAX_CRASHES:
                _again(connection, [stage_id])
                return
            owners, queues = self._fail(connection, stage_id, StageCrashedError(
                f"The stage {row.name} crashed {crashes} times. Try another input or a lower quality."
            ))  # fmt: skip
        self._tell(owners, queues)

    def lost(self, stage_id: int) -> None:
        """The child was killed from outside: up to three attempts, then `worker_lost`."""
        with self._database.transaction() as connection:
            row = connection.execute(select(stages).where(self._mine(stage_id))).one_or_none()
            if row is None:
                return
            owners, queues = self._retry_or_fail(connection, row)
        self._tell(owners, queues)

    def give_back(self, stage_id: int) -> None:
        """Let somebody else run it: this worker is going, through no fault of the stage."""
        with self._database.transaction() as connection:
            connection.execute(
                update(stages)
                .where(self._mine(stage_id))
                .values(state="wanted", owner=None, lease_until=None, fraction=0.0, attempts=stages.c.attempts - 1)
            )
        self._wakeups.wake_all()

    def restore_inputs(self, stage_id: int) -> None:
        """An input was swept meanwhile: go back to the nearest kept ancestors, not to the start."""
        now = self._now()
        with self._database.transaction() as connection:
            row = connection.execute(select(stages).where(self._mine(stage_id))).one_or_none()
            if row is None:
                return
            owners: list[str] = []
            queues = ["cpu", "gpu", "io"]
            if _want_inputs(connection, self._blobs, row, now):
                _again(connection, [stage_id], attempts=-1)
            elif all(self._blobs.exists(part["blob"]) for part in row.inputs if "blob" in part):
                owners, queues = self._retry_or_fail(connection, row)
            else:
                error = AssetGoneError("The uploaded file was removed; upload it again.")
                owners, queues = self._fail(connection, stage_id, error)
        self._tell(owners, queues)

    def release_worker(self, worker_id: str) -> None:
        """A worker process is gone: free its stages at once."""
        with self._database.transaction() as connection:
            its = or_(stages.c.owner == worker_id, stages.c.owner.startswith(f"{worker_id}.", autoescape=True))
            rows = connection.execute(select(stages).where(its)).all()
            told = [self._retry_or_fail(connection, row) for row in rows]
            connection.execute(workers.delete().where(workers.c.id == worker_id))
        for owners, queues in told:
            self._tell(owners, queues)

    def expire(self) -> None:
        """Free stages whose lease ran out and end runs past their deadline. Cheap when there is nothing to do."""
        now = self._now()
        with self._database.read() as connection:
            late = connection.execute(select(stages.c.id).where(_lapsed(now)).limit(1)).first()
            over = connection.execute(select(runs.c.id).where(_overdue(now)).limit(1)).first()
        if late is None and over is None:
            return
        told: list[tuple[list[str], list[str]]] = []
        with self._database.transaction() as connection:
            lapsed = connection.execute(select(stages).where(_lapsed(now))).all()
            told += [self._retry_or_fail(connection, row) for row in lapsed]
            for run in connection.execute(select(runs).where(_overdue(now))).all():
                limit = round(run.deadline - run.created_at)
                error = DeadlineExceededError(f"The job was not finished within {limit} s (ORFEAS_JOB_TIMEOUT_S).")
                owners = outcome.fail(connection, self._blobs, run, error.as_job_error(), now)
                told.append((owners, []))
        for owners, queues in told:
            self._tell(owners, queues)

    # inside a transaction

    def _mine(self, stage_id: int) -> ColumnElement[bool]:
        return and_(stages.c.id == stage_id, stages.c.owner == self.owner, stages.c.state == "running")

    def _is_mine(self, connection: Connection, stage_id: int) -> bool:
        return connection.execute(select(stages.c.id).where(self._mine(stage_id))).first() is not None

    def _claim(
        self, connection: Connection, queue: str, *, after: int | None, commands: bool = False
    ) -> tuple[Claim | None, set[str]]:
        now = self._now()
        values = {"for_queue": queue, "at": now, "by": self.owner, "until": now + LEASE_S}
        if after is not None:
            values["after"] = after
        whole = now - self._looked_at >= LOOK_AGAIN_S
        row = take(connection, values, commands=commands, whole=whole)
        if row is None:
            self._looked_at = now if whole else self._looked_at
            return None, set()
        told = outcome.begin(connection, row, now)
        return as_claim(connection, row), told

    def _fail(
        self, connection: Connection, stage_id: int, error: OrfeasError, *, owned: bool = True
    ) -> tuple[list[str], list[str]]:
        now = self._now()
        guard = self._mine(stage_id) if owned else stages.c.id == stage_id
        problem = error.as_job_error()
        failed = connection.execute(
            update(stages)
            .where(guard)
            .values(state="failed", owner=None, lease_until=None, error=problem, finished_at=now)
        ).rowcount
        if not failed:
            return [], []
        failing = {run.id: run for run in outcome.interested(connection, stage_id)}
        if error.code == "result_invalid":
            bad = _fail_inputs(connection, stage_id, problem)
            failing.update({run.id: run for run in outcome.counting_on(connection, bad)})
        owners: list[str] = []
        for run in failing.values():
            owners += outcome.fail(connection, self._blobs, run, problem, now)
        return owners, ["cpu", "gpu", "io"]

    def _retry_or_fail(self, connection: Connection, row: AnyRow) -> tuple[list[str], list[str]]:
        if row.attempts < MAX_ATTEMPTS:
            _again(connection, [row.id])
            return [], [row.queue]
        error = WorkerLostError(f"The stage {row.name} lost its worker {row.attempts} times.")
        return self._fail(connection, row.id, error, owned=False)

    def _ready_queues(self, connection: Connection, stage_id: int, claimed: Claim | None) -> list[str]:
        """Queues in which the end of a stage has made another one ready that this worker did not take."""
        waiting = connection.execute(
            select(stages.c.id, stages.c.queue)
            .join(stage_inputs, stage_inputs.c.stage_id == stages.c.id)
            .where(stage_inputs.c.input_id == stage_id, stages.c.state == "wanted")
        ).all()
        ended = (
            select(jobs.c.id)
            .join(runs, runs.c.job_id == jobs.c.id)
            .join(run_stages, run_stages.c.run_id == runs.c.id)
            .where(run_stages.c.stage_id == stage_id, jobs.c.state.in_(ENDED))
        )
        after = select(stages.c.queue).where(stages.c.after_job.in_(ended), stages.c.state == "wanted")
        found = {row.queue for row in waiting if claimed is None or row.id != claimed.stage_id}
        return sorted(found | set(connection.execute(after).scalars()))

    def _tell(self, owners: Sequence[str], queues: Sequence[str]) -> None:
        for owner in owners:
            self._wakeups.recheck(owner)
        for queue in queues:
            self._wakeups.wake(queue)


def _again(connection: Connection, stage_ids: list[int], *, attempts: int = 0) -> None:
    connection.execute(
        update(stages)
        .where(stages.c.id.in_(stage_ids))
        .values(
            state="wanted",
            owner=None,
            lease_until=None,
            fraction=0.0,
            attempts=stages.c.attempts + attempts,
            held=False,
        )
    )


def _fail_inputs(connection: Connection, stage_id: int, problem: dict[str, Any]) -> list[int]:
    """A file that cannot be loaded again is no hit for the next request either. The stages that made it."""
    makers = select(stage_inputs.c.input_id).where(stage_inputs.c.stage_id == stage_id)
    failed = connection.execute(
        update(stages)
        .where(stages.c.id.in_(makers), stages.c.keep == "file")
        .values(state="failed", error=problem, output=None, output_bytes=None)
        .returning(stages.c.id)
    )
    return list(failed.scalars())


def _want_inputs(connection: Connection, blobs: Storage, stage: AnyRow, now: float) -> bool:
    """Want every absent ancestor; the runs that wait for the stage have an interest in it then."""
    pending, found = [stage.id], list[AnyRow]()
    while pending:
        makers = connection.execute(
            select(stages)
            .join(stage_inputs, stage_inputs.c.input_id == stages.c.id)
            .where(stage_inputs.c.stage_id == pending.pop())
        ).all()
        absent = [row for row in makers if not has_result(blobs, row)]
        found += absent
        pending += [row.id for row in absent]
    if found:
        want(connection, found, priority=stage.priority, now=now, batch_limit=stage.batch_limit)
    return bool(found)


def _lapsed(now: float) -> ColumnElement[bool]:
    return and_(stages.c.owner.is_not(None), stages.c.state == "running", stages.c.lease_until < now)


def _overdue(now: float) -> ColumnElement[bool]:
    return and_(or_(*(runs.c.state == state for state in UNFINISHED)), runs.c.deadline < now)
