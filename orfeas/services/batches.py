"""Batches: many generations under one id."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.errors import InvalidRequestError, JobNotFoundError, OrfeasError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.views import JobState, JobView, RunView, Surface
from orfeas.services.generation import GenerationService, Images, Options, Started
from orfeas.services.generation.estimates import run_seconds
from orfeas.storage.database import Database
from orfeas.storage.tables import batches

Item = tuple[Options, Callable[[], Images]] | OrfeasError
"""A generation request whose picture is still to be fetched, or why it cannot be one."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One place of a batch: the job with the run that belongs to it, or the problem of a refused item."""

    index: int
    job: JobView | None
    run: RunView | None
    error: dict[str, Any] | None

    @property
    def state(self) -> JobState | None:
        """The state of the run; None for a refused item or a deleted job."""
        return self.run.state if self.run else None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch and its items in the order of the request."""

    id: str
    surface: Surface
    created_at: float
    items: tuple[BatchItem, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are in each state."""
        states = [item.state for item in self.items]
        return {state.value: states.count(state) for state in JobState if state is not JobState.PENDING}

    @property
    def state(self) -> JobState:
        """Queued until one begins, running until all have ended; then the best that was reached."""
        states = {item.state for item in self.items if item.state}
        if states - {JobState.QUEUED} and not all(state.final for state in states):
            return JobState.RUNNING
        order = (JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
        return next((state for state in order if state in states), JobState.FAILED)

    @property
    def percent(self) -> int:
        """Mean progress of the runs; one that ended counts whole."""
        shares = [100 if run.state.final else run.percent for run in (item.run for item in self.items) if run]
        return sum(shares) // len(shares) if shares else 100


class BatchService:
    """Start, read and cancel batches."""

    def __init__(self, config: Config, database: Database, jobs: Jobs, generation: GenerationService) -> None:
        self._config = config
        self._database = database
        self._jobs = jobs
        self._generation = generation

    def create(self, caller: Caller, items: Sequence[Item], *, atomic: bool = True) -> Batch:
        """A v1 batch. All items are checked before one is started; `atomic` refuses the whole for one bad item.

        Raises
        ------
        InvalidRequestError
            There are too many items, or an item is wrong and the batch is atomic: pointers begin with `/items/3`.
        """
        if len(items) > self._config.max_batch:
            raise _too_many(self._config.max_batch, "/items")
        ready = [self._checked(caller, item) for item in items]
        wrong = {index: found for index, found in enumerate(ready) if isinstance(found, OrfeasError)}
        if wrong and (atomic or len(wrong) == len(ready)):
            raise _refused(wrong)
        batch_id = str(uuid.uuid4())
        made: list[dict[str, Any]] = []
        for index, found in enumerate(ready):
            made.append(self._started(caller, batch_id, index, found, made, atomic=atomic))
        return self._kept(caller, batch_id, Surface.V1, made)

    def create_of_files(
        self, caller: Caller, options: Options, files: Sequence[tuple[str, Any]]
    ) -> tuple[Batch, list[dict[str, Any]]]:
        """A compatible batch of uploaded pictures, and those refused: `{index, filename, error}`."""
        self._generation.check(caller, options, Surface.COMPATIBLE)
        batch_id = str(uuid.uuid4())
        made: list[dict[str, Any]] = []
        rejected = []
        for index, (filename, stream) in enumerate(files):
            try:
                started = self._generation.generate_file(caller, options, stream, filename, batch=(batch_id, index))
                made.append(_of_started(started))
            except OrfeasError as error:
                rejected.append({"index": index, "filename": filename, "error": error.detail})
                made.append({"error": error.as_problem()})
        if len(rejected) == len(files):
            first = rejected[0]["error"]
            raise InvalidRequestError(
                f"None of the {len(files)} files can be used. The first: {first}", rejected=rejected
            )
        return self._kept(caller, batch_id, Surface.COMPATIBLE, made), rejected

    def create_of_jobs(self, caller: Caller, options: Options, job_ids: Sequence[str]) -> Batch:
        """A compatible batch of further runs of uploaded pictures; all are looked up before one is started."""
        unknown = []
        for job_id in job_ids:
            try:
                self._generation.check_job(caller, options, job_id)
            except JobNotFoundError:
                unknown.append(job_id)
        if unknown:
            raise JobNotFoundError(f"There are no jobs {', '.join(unknown)}.", missing=unknown)
        batch_id = str(uuid.uuid4())
        made = [_of_started(self._generation.generate_job(caller, options, job_id)) for job_id in job_ids]
        return self._kept(caller, batch_id, Surface.COMPATIBLE, made)

    def get(self, caller: Caller, batch_id: str) -> Batch:
        """One batch; `JobNotFoundError` for an unknown, malformed or foreign id."""
        with self._database.read() as connection:
            row = connection.execute(
                select(batches).where(batches.c.id == batch_id.lower(), batches.c.tenant == caller.tenant)
            ).one_or_none()
        if row is None:
            raise JobNotFoundError(f"There is no batch {batch_id[:64]!r}.")
        items = tuple(self._item(caller, index, item) for index, item in enumerate(row.items))
        return Batch(row.id, Surface(row.surface), row.created_at, items)

    def cancel(self, caller: Caller, batch_id: str) -> Batch:
        """Cancel every run that has not ended."""
        for item in self.get(caller, batch_id).items:
            if item.job and item.job.latest is item.run and item.state and not item.state.final:
                self._jobs.cancel(caller, item.job.id)
        return self.get(caller, batch_id)

    def seconds(self, caller: Caller, batch: Batch) -> float | None:
        """Time that the runs still need on one worker, from measured runs; None where one kind was never measured."""
        total = 0.0
        for item in batch.items:
            if item.run is None or item.run.state.final:
                continue
            found = run_seconds(self._jobs, self._generation.rebuild(caller, item.run))
            if found is None:
                return None
            total += found
        return round(total, 3)

    def _checked(self, caller: Caller, item: Item) -> tuple[Options, Images] | OrfeasError:
        if isinstance(item, OrfeasError):
            return item
        options, fetch = item
        try:
            self._generation.check(caller, options, Surface.V1)
            return options, fetch()
        except OrfeasError as error:
            return error

    def _started(
        self,
        caller: Caller,
        batch_id: str,
        index: int,
        found: tuple[Options, Images] | OrfeasError,
        before: Sequence[dict[str, Any]],
        *,
        atomic: bool,
    ) -> dict[str, Any]:
        if isinstance(found, OrfeasError):
            return {"error": found.as_problem()}
        try:
            job = self._generation.create(caller, *found, batch=(batch_id, index))
        except OrfeasError as error:
            if not atomic:
                return {"error": error.as_problem()}
            for earlier in before:
                self._jobs.cancel(caller, earlier["job_id"])
                self._jobs.delete(caller, earlier["job_id"])
            raise
        return {"job_id": job.id, "run": 1}

    def _kept(self, caller: Caller, batch_id: str, surface: Surface, made: list[dict[str, Any]]) -> Batch:
        with self._database.transaction() as connection:
            connection.execute(
                batches.insert().values(
                    id=batch_id, tenant=caller.tenant, surface=surface.value, request={}, items=made,
                    created_at=time.time(),
                )
            )  # fmt: skip
        return self.get(caller, batch_id)

    def _item(self, caller: Caller, index: int, item: dict[str, Any]) -> BatchItem:
        if "job_id" not in item:
            return BatchItem(index, None, None, item["error"])
        try:
            job = self._jobs.get(caller, item["job_id"])
        except JobNotFoundError as error:  # deleted since
            return BatchItem(index, None, None, error.as_problem())
        return BatchItem(index, job, next((run for run in job.runs if run.number == item["run"]), None), None)


def _of_started(started: Started) -> dict[str, Any]:
    run = started.job.latest
    return {"job_id": started.job.id, "run": run.number if run else None}


def _too_many(limit: int, pointer: str) -> InvalidRequestError:
    detail = f"A batch holds at most {limit} items."
    return InvalidRequestError.at(pointer, detail, limit=limit)


def _refused(wrong: dict[int, OrfeasError]) -> InvalidRequestError:
    errors = []
    for index, found in wrong.items():
        listed = found.errors or [{"pointer": "", "detail": found.detail, "code": found.code}]
        errors += [{**entry, "pointer": f"/items/{index}{entry['pointer']}"} for entry in listed]
    return InvalidRequestError(
        f"Items {', '.join(map(str, wrong))} cannot be made; nothing was started.", errors=errors
    )
