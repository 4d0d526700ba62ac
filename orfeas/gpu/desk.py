"""The jobs of a device from their inputs to their results, and what there is to tell about them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Any

from orfeas.errors import InternalError, OrfeasError, StageCrashedError
from orfeas.gpu.jobs import Job, LoadJob, SampleJob, Tools
from orfeas.gpu.sampling import Sampler
from orfeas.gpu.surfaces import Crash
from orfeas.stages.device import Ended, Event, InputGone, Outcome, Progress
from orfeas.stages.task import Done, InputGoneError

log = logging.getLogger(__name__)

MAX_CRASHES = 2


class Desk:
    """Every job that has come and not ended, and the samplers of those that are sampled.

    Parameters
    ----------
    tools
        What jobs share.
    batch_max
        The most items of one evaluation.
    clock
        Seconds since the epoch.
    """

    def __init__(self, tools: Tools, batch_max: int, clock: Callable[[], float]) -> None:
        self._tools = tools
        self._batch_max = batch_max
        self._clock = clock
        self.jobs: dict[int, Job] = {}
        self.samplers: dict[Hashable, Sampler] = {}
        self.events: list[Event] = []

    # the way of a job

    def begin(self, job: Job) -> None:
        """Open its model and read its inputs."""
        self._tools.manager.ids[job.key.place] = job.spec.model
        job.waiting_since = self._clock()
        job.begin()
        job.state = "reading" if job.future is not None else "waiting"

    def collect(self) -> None:
        """Go on with what has come from beside the device."""
        for job in list(self.jobs.values()):
            if job.state == "finishing" and not job.holds_device and job.lease:
                job.lease.give_back()
            if job.future is None or not job.future.done():
                continue
            if job.state == "reading":
                self.guarded(job, partial(self._read, job, job.future))
            elif job.state == "finishing":
                self.guarded(job, partial(self._finished, job, job.future))

    def _read(self, job: Job, future: Future[Any]) -> None:
        future.result()
        job.state = "waiting"

    def _finished(self, job: Job, future: Future[Done]) -> None:
        done = future.result()
        self.drop(job)
        self.end(job.stage_id, done)

    def ready(self, job: Job) -> None:
        """All weights of a job are there."""
        if job.state != "ready":
            return
        if isinstance(job, LoadJob):
            self.leave(job)
        elif isinstance(job, SampleJob):
            if job.group not in self.samplers:
                self.samplers[job.group] = Sampler(job.pipe, self._batch_max)
            self.samplers[job.group].add(job.stage_id, job.item)

    def leave(self, job: Job) -> None:
        """The device is done with a job: its result is put away beside it."""
        self._unsample(job)
        job.state = "finishing"
        job.future = self._tools.background.submit(job.finish)

    # ends

    def guarded(self, job: Job, work: Callable[[], None]) -> None:
        """Do something for one job; what it raises ends that job only."""
        try:
            work()
        except Crash:
            self._crashed(job)
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(job, error, traceback.format_exc())

    def _crashed(self, job: Job) -> None:
        """The process for surfaces died under a job, or beside it: once more, then it is this job's fault."""
        job.crashes += 1
        if job.crashes >= MAX_CRASHES:
            self.fail(job, StageCrashedError(f"The stage {job.task.name} crashed {job.crashes} times."), "")
            return
        job.drop()
        job.future = None
        self.guarded(job, partial(self.begin, job))

    def fail(self, job: Job, error: Exception, trace: str) -> None:
        """End a job with what went wrong; `trace` says where, for the log."""
        self.drop(job)
        outcome: Outcome
        if isinstance(error, InputGoneError):
            outcome = InputGone(str(error))
        elif isinstance(error, OrfeasError):
            outcome = error
        else:
            log.error("stage %s failed unexpectedly\n%s", job.task.name, trace)
            outcome = InternalError(f"The stage {job.task.name} failed unexpectedly.")
        self.end(job.stage_id, outcome)

    def drop(self, job: Job) -> None:
        """Take a job off the device with all it holds there."""
        self._unsample(job)
        self.jobs.pop(job.stage_id, None)
        if job.future is not None:
            job.future.cancel()
        job.drop()

    def _unsample(self, job: Job) -> None:
        if isinstance(job, SampleJob) and job.group in self.samplers:
            sampler = self.samplers[job.group]
            sampler.remove(job.stage_id)
            if not sampler.items:
                del self.samplers[job.group]

    def tell(self, job: Job, step: int | None = None, steps: int | None = None) -> None:
        """How far a job has come."""
        self.events.append(Progress(job.stage_id, job.fraction, step, steps))

    def end(self, stage_id: int, outcome: Outcome) -> None:
        """A stage is off the device."""
        self.events.append(Ended(stage_id, outcome))
