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
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial

import torch

from orfeas.domain.specs import (
    GenerateImage,
    ModelClear,
    ModelLoad,
    ModelUnload,
    PrepareImage,
    ShapeDecode,
    ShapeEncode,
    ShapeSample,
)
from orfeas.errors import GPUMemoryError, InternalError, ModelInUseError, OrfeasError
from orfeas.gpu.background import CutOutJob
from orfeas.gpu.decoding import DecodeJob
from orfeas.gpu.desk import Desk
from orfeas.gpu.fairness import Fairness
from orfeas.gpu.forecast import Forecast
from orfeas.gpu.jobs import Before, EncodeJob, Job, LoadJob, SampleJob, Tools, Unit
from orfeas.gpu.ladder import Ladder
from orfeas.gpu.manager import GPUManager
from orfeas.gpu.memory import is_lost, is_shortage, memory_of
from orfeas.gpu.opening import opened
from orfeas.gpu.pictures import PictureJob
from orfeas.gpu.sampling import Sampler
from orfeas.gpu.surfaces import Surfaces
from orfeas.stages.device import (
    DeviceLostError,
    DeviceReport,
    DeviceSettings,
    Event,
    Order,
    Outcome,
)
from orfeas.stages.exchange import Exchange
from orfeas.stages.task import Done, Task
from orfeas.storage.blobs import Storage

log = logging.getLogger(__name__)

PAUSE_S = 0.02
"""How long a step waits for work that happens beside the device, when the device has none."""
MAX_CRASHES = 2
BACKGROUND_THREADS = 4
SAVE_EVERY_S = 30.0
REPEATED = ("chunk", "step")
"""Units of work that are done again after a shortage: that one of them was done shows no progress."""
KINDS: dict[str, type[Job]] = {
    PrepareImage.name: CutOutJob,
    GenerateImage.name: PictureJob,
    ShapeEncode.name: EncodeJob,
    ShapeSample.name: SampleJob,
    ShapeDecode.name: DecodeJob,
    ModelLoad.name: LoadJob,
}


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
        self.manager = GPUManager(partial(opened, settings.model_dir, device=device), budget, clock=clock)
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
        self._desk = Desk(self._tools, settings.batch_max, clock)
        self._batches: Counter[int] = Counter()
        self._saved_at = clock()
        self._item_bytes = 0
        """Working memory of the item that was evaluated last."""

    # what the process around it calls

    def submit(self, stage_id: int, task: Task, order: Order) -> None:
        """Take a stage on; its end follows as an event."""
        if task.name in (ModelUnload.name, ModelClear.name):
            self._command(stage_id, task)
            return
        if task.name not in KINDS:
            self._desk.end(stage_id, InternalError(f"No device runs the stage {task.name}."))
            return
        job = self._desk.jobs[stage_id] = KINDS[task.name](self._tools, stage_id, task, order)
        self._desk.guarded(job, partial(self._desk.begin, job))

    def cancel(self, stage_id: int) -> None:
        """Take a stage off the device now, with all it held there."""
        job = self._desk.jobs.get(stage_id)
        if job is not None:
            self._desk.drop(job)
            self._desk.end(stage_id, "cancelled")

    def step(self) -> list[Event]:
        """One unit of work, or a short wait for what happens beside the device; what there is to tell.

        Raises
        ------
        DeviceLostError
            The device takes no more work in this process.
        """
        self._desk.collect()
        self._fairness.present(self._desk.jobs.values())
        self._admit()
        if not self._work() and not self._desk.events:
            self._rest()
        events, self._desk.events = self._desk.events, []
        return events

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done: no stage, no event, no weights that were unused for long."""
        return not self._desk.jobs and not self._desk.events and not self._overdue

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
            active=tuple(job.active() for job in self._desk.jobs.values()),
            batches=dict(self._batches),
            executions=sum(self._batches.values()),
            inferences=sum(size * count for size, count in self._batches.items()),
            loads=manager.tally.loads,
            evictions=manager.tally.evictions,
            oom_retries=self._ladder.retries,
            ladder=dict(manager.tally.ladder),
            memory_reserved=memory.reserved,
            memory_free=memory.free,
            best_batch=self._best_batch(),
        )

    def _best_batch(self) -> int:
        """What was measured, within what may be and within the memory that is left beside one item."""
        best = min(self.forecast.best_batch(ShapeSample.name), self.settings.batch_max)
        if self._item_bytes:
            left = self.manager.budget - self.manager.used
            best = min(best, 1 + left // self._item_bytes)
        return max(best, 1)

    def close(self) -> None:
        """Drop everything; the events of what was on the device are lost."""
        for job in list(self._desk.jobs.values()):
            self._desk.drop(job)
        self._background.shutdown(wait=True, cancel_futures=True)
        if self._own_surfaces is not None:
            self._own_surfaces.close()
        self.manager.let_go()
        self.forecast.save()

    # who may come

    def _admit(self) -> None:
        """Promise memory to who waits, in their order: nobody overtakes one that needs much."""
        waiting = [job for job in self._desk.jobs.values() if job.state == "waiting"]
        if not waiting or any(job.alone for job in self._desk.jobs.values()):
            return
        for job in self._fairness.ranked(waiting):
            self._desk.guarded(job, partial(self._admit_one, job))
            if job.state == "waiting" and job.stage_id in self._desk.jobs:
                return

    def _admit_one(self, job: Job) -> None:
        """Promise memory to a job, with smaller chunks if it needs more than there is."""
        if isinstance(job, LoadJob) and job.spec.swap and not self._let_others_go(job, job.spec.swap):
            return
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
        self._desk.ready(job)

    def _let_others_go(self, job: Job, when: str) -> bool:
        """Unload all models but the one of a job; False while some are at work and it may wait for them.

        Who waits for memory is behind this job, so what is at work comes to an end.
        """
        others = {use.place for use in self.manager.uses()} - {job.key.place}
        busy = sorted(place for place in others if self.manager.in_use(place))
        if busy:
            names = ", ".join(self.manager.ids.get(place, place) for place in busy)
            waited = self._clock() - job.waiting_since
            if when == "now" or waited > self.settings.wait_s:
                raise ModelInUseError(f"{names}: at work. Wait for its jobs to end or cancel them, then swap.")
            return False
        for place in others:
            self.manager.unload(place)
        self._memory.release()
        return True

    # the device's work

    def _work(self) -> bool:
        """One unit for the group whose turn it is; False when there is none."""
        groups: dict[Hashable, list[Job]] = {}
        for job in self._desk.jobs.values():
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
        parked = [job for job in self._desk.jobs.values() if job.state == "parked"]
        if not parked or any(job.state == "finishing" and job.holds_device for job in self._desk.jobs.values()):
            return False
        job = self._fairness.ranked(parked)[0]
        job.state = "loading" if job.lease and job.lease.missing else "ready"
        return self._work()

    def _load(self, job: Job) -> None:
        assert job.lease is not None
        self.manager.load(job.lease.missing[0])
        for other in self._desk.jobs.values():
            if other.state == "loading" and other.lease is not None and not other.lease.missing:
                other.state = "ready"
                self._desk.ready(other)

    def _run(self, job: Job) -> None:
        if job.run():
            self._desk.leave(job)
        else:
            self._desk.tell(job)

    def _sample(self, group: Hashable, ranked: Sequence[Job]) -> None:
        sampler = self._desk.samplers[group]
        self._evaluate(sampler, group, _together(ranked, sampler.limit))

    def _evaluate(self, sampler: Sampler, group: Hashable, jobs: Sequence[Job]) -> None:
        numbers = tuple(job.stage_id for job in jobs)

        def run() -> None:
            sampler.evaluate(numbers)
            self._batches[len(jobs)] += 1
            for job in jobs:
                item = sampler.items[job.stage_id]
                job.fraction = item.step / item.steps
                self._desk.tell(job, item.step, item.steps)
                if item.done:
                    self._desk.leave(job)

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
                job.progressed |= unit.kind not in REPEATED
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
            self._desk.fail(jobs[0], failure, trace)

    def _short_of_memory(self, jobs: Sequence[Job], unit: Unit, sampler: Sampler | None) -> None:
        rung = self._ladder.step(jobs, unit, sampler)
        if rung == "alone":
            jobs[0].state = "parked"
        elif rung == "failed":
            self._desk.fail(jobs[0], jobs[0].shortage(None), "")

    def _measured(self, jobs: Sequence[Job], group: Hashable, unit: Unit, seconds: float, needed: int | None) -> None:
        self._fairness.charge(group, jobs, seconds, weight=jobs[0].weight)
        for job in jobs:
            job.used_s += seconds / len(jobs)
        if unit.kind != "load":
            jobs[0].learn(unit, seconds, needed)
        if unit.kind == "evaluation":
            self.forecast.learn_batch(ShapeSample.name, jobs[0].model, unit.size, seconds)
            self._item_bytes = jobs[0].lease.working if jobs[0].lease is not None else self._item_bytes

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
        self._desk.end(stage_id, outcome)

    def _unload(self, model: str) -> int:
        places = [place for place, known in self.manager.ids.items() if known == model]
        if any(job.key.place in places for job in self._desk.jobs.values()):
            raise ModelInUseError(f"{model} is at work. Wait for its jobs to end or cancel them, then unload it.")
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
        jobs = self._desk.jobs.values()
        pending = [job.future for job in jobs if job.future is not None and job.state in ("reading", "finishing")]
        if pending:
            wait(pending, PAUSE_S, FIRST_COMPLETED)
        elif jobs:
            time.sleep(PAUSE_S)

    @property
    def _overdue(self) -> bool:
        return self.settings.idle_s > 0 and self.manager.idle_since(self._clock() - self.settings.idle_s)


def _together(ranked: Sequence[Job], limit: int) -> list[Job]:
    """The first jobs of a rank that one evaluation may hold: no more than any of them allows."""
    chosen: list[Job] = []
    for job in ranked:
        allowed = min(limit, job.order.batch_limit or limit)
        if len(chosen) < allowed:
            chosen.append(job)
            limit = allowed
    return chosen


def _configure(device: torch.device, budget: int) -> None:
    """Let the allocator keep the budget, and leave products of matrices reproducible."""
    if device.type != "cuda":
        return
    # Read when the device is first used: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.cuda.set_device(device)
    total = torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction(min(budget / total, 1.0), device)
