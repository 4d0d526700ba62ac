"""One device and the stages on it: what comes next, one unit of work at a time.

Many stages are on the device at once. Sampling is evaluated in batches that are formed anew each time, volumes are
decoded chunk by chunk in between, and weights come and go within a budget. What is not the device's work (pictures,
surfaces, files) happens beside it.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import torch

from orfeas.domain.specs import ModelClear, ModelLoad, ModelUnload, ShapeDecode, ShapeEncode, ShapeSample
from orfeas.errors import GPUMemoryError, InternalError, OrfeasError, StageCrashedError
from orfeas.gpu.decoding import DecodeJob
from orfeas.gpu.fairness import Fairness
from orfeas.gpu.forecast import Forecast
from orfeas.gpu.jobs import Before, EncodeJob, Job, LoadJob, SampleJob, Tools, Unit
from orfeas.gpu.ladder import Ladder
from orfeas.gpu.manager import GPUManager, PipelineWeights
from orfeas.gpu.memory import is_lost, is_shortage, memory_of
from orfeas.gpu.sampling import Sampler
from orfeas.gpu.surfaces import Crash, Surfaces
from orfeas.stages.device import (
    Active,
    DeviceLostError,
    DeviceReport,
    DeviceSettings,
    Ended,
    Event,
    InputGone,
    Order,
    Outcome,
    Progress,
)
from orfeas.stages.exchange import Exchange
from orfeas.stages.task import Done, InputGoneError, Task
from orfeas.storage.blobs import Storage

log = logging.getLogger(__name__)

PAUSE_S = 0.02
"""How long a step waits for work that happens beside the device, when the device has none."""
MAX_CRASHES = 2
BACKGROUND_THREADS = 4
SAVE_EVERY_S = 30.0
KINDS: dict[str, type[Job]] = {
    ShapeEncode.name: EncodeJob,
    ShapeSample.name: SampleJob,
    ShapeDecode.name: DecodeJob,
    ModelLoad.name: LoadJob,
}
ON_DEVICE = ("loading", "ready", "parked")


class Device:
    """Runs the stages of queue `gpu` on one device. Not for several threads.

    Parameters
    ----------
    settings
        The device, its budget and where models are.
    blobs
        Where inputs come from and outputs go.
    surfaces
        Processes for marching cubes, if they are shared.
    before
        Told of every unit of work before it begins; what it raises is raised by that unit.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        blobs: Storage,
        *,
        surfaces: Surfaces | None = None,
        before: Before | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        device = torch.device(settings.device)
        self.settings = settings
        self._clock = clock
        self._memory = memory_of(device, settings.memory_bytes)
        budget = int(self._memory.total * settings.memory_share)
        _configure(device, budget)
        self.manager = GPUManager(partial(PipelineWeights, settings.model_dir, device=device), budget, clock=clock)
        self.forecast = Forecast(settings.forecast_file, device=self._memory.name)
        self._own_surfaces = None if surfaces is not None else Surfaces()
        self._background = ThreadPoolExecutor(BACKGROUND_THREADS, "device-background")
        self._tools = Tools(
            manager=self.manager,
            forecast=self.forecast,
            exchange=Exchange(blobs),
            surfaces=surfaces or self._own_surfaces or Surfaces(),
            background=self._background,
            before=before or (lambda unit: None),
        )
        self._ladder = Ladder(self.manager, self._memory)
        self._fairness = Fairness(clock)
        self._jobs: dict[int, Job] = {}
        self._samplers: dict[Hashable, Sampler] = {}
        self._events: list[Event] = []
        self._batches: Counter[int] = Counter()
        self._saved_at = clock()

    # what the process around it calls

    def submit(self, stage_id: int, task: Task, order: Order) -> None:
        """Take a stage on; its end follows as an event."""
        if task.name in (ModelUnload.name, ModelClear.name):
            self._command(stage_id, task)
            return
        if task.name not in KINDS:
            self._end(stage_id, InternalError(f"No device runs the stage {task.name}."))
            return
        job = self._jobs[stage_id] = KINDS[task.name](self._tools, stage_id, task, order)
        self._guarded(job, lambda: self._begin(job))

    def cancel(self, stage_id: int) -> None:
        """Take a stage off the device now, with all it held there."""
        job = self._jobs.get(stage_id)
        if job is not None:
            self._drop(job)
            self._end(stage_id, "cancelled")

    def step(self) -> list[Event]:
        """One unit of work, or a short wait for what happens beside the device; what there is to tell.

        Raises
        ------
        DeviceLostError
            The device takes no more work in this process.
        """
        self._collect()
        self._fairness.present(self._jobs.values())
        self._admit()
        if not self._work() and not self._events:
            self._rest()
        events, self._events = self._events, []
        return events

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done: no stage, no event, no weights that were unused for long."""
        return not self._jobs and not self._events and not self._overdue

    def report(self) -> DeviceReport:
        """What the device holds and has done."""
        manager, memory = self.manager, self._memory
        return DeviceReport(
            device=self.settings.device,
            kind=memory.kind,
            name=memory.name,
            memory_total=memory.total,
            memory_budget=manager.budget,
            memory_used=manager.used,
            memory_measured=memory.allocated,
            memory_peak=memory.peak,
            utilisation=memory.utilisation,
            busy_s=memory.busy_s,
            models=manager.uses(),
            active=tuple(self._active(job) for job in self._jobs.values()),
            batches=dict(self._batches),
            executions=sum(self._batches.values()),
            inferences=sum(size * count for size, count in self._batches.items()),
            loads=manager.tally.loads,
            evictions=manager.tally.evictions,
            oom_retries=self._ladder.retries,
            ladder=dict(manager.tally.ladder),
        )

    def close(self) -> None:
        """Drop everything; the events of what was on the device are lost."""
        for job in list(self._jobs.values()):
            self._drop(job)
        self._background.shutdown(wait=True, cancel_futures=True)
        if self._own_surfaces is not None:
            self._own_surfaces.close()
        self.manager.let_go()
        self.forecast.save()

    # a stage's way

    def _begin(self, job: Job) -> None:
        self.manager.ids[job.key.place] = job.spec.model
        job.waiting_since = self._clock()
        job.begin()
        job.state = "reading" if job.future is not None else "waiting"

    def _collect(self) -> None:
        """Go on with what has come from beside the device."""
        for job in list(self._jobs.values()):
            if job.state == "finishing" and not job.holds_device and job.lease:
                job.lease.give_back()
            if job.future is None or not job.future.done():
                continue
            if job.state == "reading":
                self._guarded(job, partial(self._read, job, job.future))
            elif job.state == "finishing":
                self._guarded(job, partial(self._finished, job, job.future))

    def _read(self, job: Job, future: Future[Any]) -> None:
        future.result()
        job.state = "waiting"

    def _finished(self, job: Job, future: Future[Done]) -> None:
        done = future.result()
        self._drop(job)
        self._end(job.stage_id, done)

    def _admit(self) -> None:
        """Promise memory to who waits, in their order: nobody overtakes one that needs much."""
        waiting = [job for job in self._jobs.values() if job.state == "waiting"]
        if not waiting or any(job.alone for job in self._jobs.values()):
            return
        for job in self._fairness.ranked(waiting):
            self._guarded(job, partial(self._admit_one, job))
            if job.state == "waiting" and job.stage_id in self._jobs:
                return

    def _admit_one(self, job: Job) -> None:
        """Promise memory to a job, with smaller chunks if it needs more than there is."""
        try:
            job.lease = self.manager.acquire(job.lease_parts, job.need().total)
        except GPUMemoryError as error:
            if not job.smaller():
                raise job.shortage(error) from error
            self._admit_one(job)
            return
        if job.lease is None:
            waited = self._clock() - job.waiting_since
            if waited > self.settings.wait_s:
                text = f"Other work has held the device's memory for {waited:.0f} s."
                raise job.shortage(GPUMemoryError(text, budget_bytes=self.manager.budget))
            return
        job.started = time.perf_counter()
        job.state = "loading" if job.lease.missing else "ready"
        self._ready(job)

    def _ready(self, job: Job) -> None:
        """All weights of a job are there."""
        if job.state != "ready":
            return
        if isinstance(job, LoadJob):
            self._leave(job)
        elif isinstance(job, SampleJob):
            if job.group not in self._samplers:
                self._samplers[job.group] = Sampler(job.pipe, self.settings.batch_max)
            self._samplers[job.group].add(job.stage_id, job.item)

    def _leave(self, job: Job) -> None:
        """The device is done with a job: its result is put away beside it."""
        self._unsample(job)
        job.state = "finishing"
        job.future = self._background.submit(job.finish)

    # the device's work

    def _work(self) -> bool:
        """One unit for the group whose turn it is; False when there is none."""
        groups: dict[Hashable, list[Job]] = {}
        for job in self._jobs.values():
            if job.state in ("loading", "ready"):
                groups.setdefault(job.group if job.state == "ready" else ("load", job.key), []).append(job)
        if not groups:
            return self._work_alone()
        group = self._fairness.choose(groups)
        ranked = self._fairness.ranked(groups[group])
        if ranked[0].state == "loading":
            self._attempt(ranked[:1], group, partial(self._load, ranked[0]), Unit("load", (ranked[0].stage_id,)))
        elif isinstance(ranked[0], SampleJob):
            self._sample(group, ranked)
        else:
            # One that has begun goes on: two half decoded volumes help nobody.
            job = max(ranked, key=lambda each: each.fraction)
            self._attempt([job], group, partial(self._run, job), job.unit())
        return True

    def _work_alone(self) -> bool:
        """Jobs that lacked memory go on when nobody else is at work."""
        parked = [job for job in self._jobs.values() if job.state == "parked"]
        if not parked or any(job.state == "finishing" and job.holds_device for job in self._jobs.values()):
            return False
        job = self._fairness.ranked(parked)[0]
        job.state = "loading" if job.lease and job.lease.missing else "ready"
        return self._work()

    def _load(self, job: Job) -> None:
        assert job.lease is not None
        self.manager.load(job.lease.missing[0])
        for other in self._jobs.values():
            if other.state == "loading" and other.lease is not None and not other.lease.missing:
                other.state = "ready"
                self._ready(other)

    def _run(self, job: Job) -> None:
        if job.run():
            self._leave(job)
        else:
            self._tell(job)

    def _sample(self, group: Hashable, ranked: Sequence[Job]) -> None:
        sampler = self._samplers[group]
        self._evaluate(sampler, group, ranked[: sampler.limit])

    def _evaluate(self, sampler: Sampler, group: Hashable, jobs: Sequence[Job]) -> None:
        numbers = tuple(job.stage_id for job in jobs)

        def run() -> None:
            sampler.evaluate(numbers)
            self._batches[len(jobs)] += 1
            for job in jobs:
                item = sampler.items[job.stage_id]
                job.fraction = item.step / item.steps
                self._tell(job, item.step, item.steps)
                if item.done:
                    self._leave(job)

        self._attempt(jobs, group, run, Unit("evaluation", numbers, len(jobs)), sampler)

    def _attempt(
        self, jobs: Sequence[Job], group: Hashable, run: Callable[[], None], unit: Unit, sampler: Sampler | None = None
    ) -> None:
        """Do a unit of work; look after what goes wrong."""
        try:
            with self._memory.unit(partial(self._measured, jobs, group, unit)):
                if unit.kind != "chunk":
                    self._tools.before(unit)
                run()
            for job in jobs:
                job.progressed |= unit.kind != "chunk"
            return
        except Exception as error:
            if is_lost(error):
                raise DeviceLostError(str(error)) from error
            failure = error
            trace = traceback.format_exc()
        # Frames hold tensors: without them the memory is free before the next attempt.
        failure.__traceback__ = failure.__context__ = None
        if is_shortage(failure):
            self._short_of_memory(jobs, unit, sampler)
        elif len(jobs) > 1 and sampler is not None:
            for job in jobs:
                self._evaluate(sampler, group, [job])
        else:
            self._fail(jobs[0], failure, trace)

    def _short_of_memory(self, jobs: Sequence[Job], unit: Unit, sampler: Sampler | None) -> None:
        rung = self._ladder.step(jobs, unit, sampler)
        if rung == "alone":
            jobs[0].state = "parked"
        elif rung == "failed":
            self._fail(jobs[0], jobs[0].shortage(None), "")

    def _measured(self, jobs: Sequence[Job], group: Hashable, unit: Unit, seconds: float, needed: int | None) -> None:
        self._fairness.charge(group, jobs, seconds, weight=jobs[0].weight)
        for job in jobs:
            job.used_s += seconds / len(jobs)
        if unit.kind != "load":
            jobs[0].learn(unit, seconds, needed)

    # ends

    def _guarded(self, job: Job, work: Callable[[], None]) -> None:
        """Do something for one job; what it raises ends that job only."""
        try:
            work()
        except Crash:
            self._crashed(job)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(job, error, traceback.format_exc())

    def _crashed(self, job: Job) -> None:
        """The process for surfaces died under a job, or beside it: once more, then it is this job's fault."""
        job.crashes += 1
        if job.crashes >= MAX_CRASHES:
            self._fail(job, StageCrashedError(f"The stage {job.task.name} crashed {job.crashes} times."), "")
            return
        job.drop()
        job.future = None
        self._guarded(job, partial(self._begin, job))

    def _fail(self, job: Job, error: Exception, trace: str) -> None:
        self._drop(job)
        outcome: Outcome
        if isinstance(error, InputGoneError):
            outcome = InputGone(str(error))
        elif isinstance(error, OrfeasError):
            outcome = error
        else:
            log.error("stage %s failed unexpectedly\n%s", job.task.name, trace)
            outcome = InternalError(f"The stage {job.task.name} failed unexpectedly.")
        self._end(job.stage_id, outcome)

    def _drop(self, job: Job) -> None:
        self._unsample(job)
        self._jobs.pop(job.stage_id, None)
        if job.future is not None:
            job.future.cancel()
        job.drop()

    def _unsample(self, job: Job) -> None:
        if isinstance(job, SampleJob) and job.group in self._samplers:
            sampler = self._samplers[job.group]
            sampler.remove(job.stage_id)
            if not sampler.items:
                del self._samplers[job.group]

    def _tell(self, job: Job, step: int | None = None, steps: int | None = None) -> None:
        self._events.append(Progress(job.stage_id, job.fraction, step, steps))

    def _end(self, stage_id: int, outcome: Outcome) -> None:
        self._events.append(Ended(stage_id, outcome))

    # the rest

    def _command(self, stage_id: int, task: Task) -> None:
        outcome: Outcome
        try:
            if task.name == ModelClear.name:
                freed = self.manager.let_go()
            else:
                freed = self._unload(str(task.parameters["model"]))
            self._memory.release()
            outcome = Done(None, None, {"freed_bytes": freed}, 0.0)
        except OrfeasError as error:
            outcome = error
        self._end(stage_id, outcome)

    def _unload(self, model: str) -> int:
        places = [place for place, known in self.manager.ids.items() if known == model]
        return sum(self.manager.unload(place) for place in places)

    def _rest(self) -> None:
        """Wait for what happens beside the device, or tidy up."""
        self._memory.settle()
        if self._overdue:
            self.manager.let_go(before=self._clock() - self.settings.idle_s)
            self._memory.release()
        if self._clock() - self._saved_at > SAVE_EVERY_S:
            self._saved_at = self._clock()
            self.forecast.save()
        pending = [job.future for job in self._jobs.values() if job.state in ("reading", "finishing") and job.future]
        if pending:
            wait(pending, PAUSE_S, FIRST_COMPLETED)
        elif self._jobs:
            time.sleep(PAUSE_S)

    @property
    def _overdue(self) -> bool:
        return self.settings.idle_s > 0 and self.manager.idle_since(self._clock() - self.settings.idle_s)

    def _active(self, job: Job) -> Active:
        states = {"loading": "running", "ready": "running", "finishing": "finishing"}
        known = job.state in ON_DEVICE
        return Active(
            stage_id=job.stage_id,
            name=job.task.name,
            model=job.spec.model,
            state=states.get(job.state, "waiting"),
            fraction=job.fraction,
            needed_bytes=job.lease.working if job.lease is not None else None,
            needed_s=job.seconds() if known else None,
        )


def _configure(device: torch.device, budget: int) -> None:
    """Let the allocator keep the budget, and leave products of matrices reproducible."""
    if device.type != "cuda":
        return
    # Read when the device is first used: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    total = torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction(min(budget / total, 1.0), device)
