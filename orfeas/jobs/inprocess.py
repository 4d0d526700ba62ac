"""Stages run without a child: the io worker's threads, and everything in one process."""

from __future__ import annotations

import importlib
import logging
import select
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from orfeas.config import Config
from orfeas.errors import InternalError, OrfeasError
from orfeas.jobs.child import IO_STAGES, REPORT_EVERY_S, REPORT_STEP, STAGES, CancelledError
from orfeas.jobs.claims import COMMANDS, Claim
from orfeas.jobs.heartbeat import Heartbeat
from orfeas.jobs.leases import Leases
from orfeas.jobs.patience import PatientLeases
from orfeas.jobs.stop import Stop
from orfeas.jobs.sweep import Sweeper
from orfeas.jobs.wakeups import Inbox, LocalWakeups, Wakeups
from orfeas.stages.task import InputGoneError
from orfeas.storage.blobs import Storage
from orfeas.storage.database import Database

if TYPE_CHECKING:
    from orfeas.stages.runner import Runner

log = logging.getLogger(__name__)

IO_THREADS = 8
IDLE_S = 1.0
SWEEP_EVERY_S = 60.0


class StoppedError(BaseException):
    """This worker has to go: the stage goes back, and goes on elsewhere. No stage takes it for its own failure."""


def work_through(
    leases: Leases,
    runner: Runner,
    claim: Claim,
    *,
    claim_next: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Claim | None:
    """Run one stage here and report what came of it; the next claim, if one is asked for.

    Once `stopping` the stage is given back at its next report.
    """
    reporter = _Reporter(leases, claim.stage_id, stopping)
    try:
        done = runner.run(claim.task, reporter)
    except CancelledError:
        return None
    except StoppedError:
        leases.give_back(claim.stage_id)
    except InputGoneError:
        leases.restore_inputs(claim.stage_id)
    except OrfeasError as error:
        leases.fail(claim.stage_id, error)
    except Exception:
        log.exception("stage %s failed unexpectedly", claim.task.name)
        leases.fail(claim.stage_id, InternalError(f"The stage {claim.task.name} failed unexpectedly."))
    else:
        return leases.finish(claim.stage_id, done, claim_next=claim_next)
    return None


class _Reporter:
    """Progress to the rows now and then; raises when the stage is not wanted any more."""

    def __init__(self, leases: Leases, stage_id: int, stopping: Callable[[], bool]) -> None:
        self._leases = leases
        self._stage_id = stage_id
        self._stopping = stopping
        self._written_at = time.monotonic()
        self._written = 0.0

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if self._stopping():
            raise StoppedError
        if now - self._written_at < REPORT_EVERY_S:
            return
        self._written_at = now
        if fraction - self._written >= REPORT_STEP:
            self._written = fraction
            wanted = self._leases.progress(self._stage_id, min(1.0, fraction))
        else:
            wanted = self._leases.renew(self._stage_id)
        if not wanted:
            raise CancelledError


class LocalWorker:
    """Runs every ready stage in the calling thread, for tests and tools."""

    def __init__(
        self, database: Database, blobs: Storage, wakeups: Wakeups, *, hand_over: bool = True,
        modules: tuple[str, ...] = (*STAGES, *IO_STAGES), queues: tuple[str, ...] = ("cpu", "io"),
        config: Config | None = None,
    ) -> None:  # fmt: skip
        for module in modules:
            importlib.import_module(module)
        self.leases = Leases(database, blobs, wakeups, str(uuid.uuid4()))
        self._runner = _runner(blobs, config, hand_over=hand_over)
        self._queues = queues

    def drain(self) -> int:
        """Work until nothing is ready; how many stages were run."""
        ran = 0
        while any(self.step(queue) for queue in self._queues):
            ran += 1
        return ran

    def step(self, queue: str = "cpu") -> bool:
        """Run the best ready stage of a queue, if any."""
        claim = self.leases.claim(queue)
        if claim is not None:
            work_through(self.leases, self._runner, claim)
        return claim is not None


class IoWorker:
    """One light process with several threads for work that waits; it also sweeps."""

    def __init__(
        self, database: Database, blobs: Storage, wakeups: LocalWakeups, worker_id: str, stop: Stop,
        sweeper: Sweeper, modules: tuple[str, ...], config: Config | None = None,
    ) -> None:  # fmt: skip
        self._config = config
        self._database, self._blobs, self._wakeups = database, blobs, wakeups
        self._stop, self._sweeper = stop, sweeper
        for module in modules:
            importlib.import_module(module)
        # Of the worker's id, so that whoever sees it die can free the stages of all its threads.
        self._ids = [worker_id, *(f"{worker_id}.{number}" for number in range(1, IO_THREADS))]
        self._heartbeat = Heartbeat(database, worker_id, "io")
        self._in_hand: dict[str, int] = {}
        """Stages at work by the id of their thread."""

    def run(self) -> None:
        """Work until asked to stop, then wait for the stages in hand."""
        threads = [threading.Thread(target=self._serve, args=(name,), daemon=True) for name in self._ids]
        for thread in threads:
            thread.start()
        swept_at, leases = float("-inf"), self._leases(self._ids[0])
        while self._stop.asked_at is None:
            self._heartbeat.beat(None)
            leases.expire()
            if time.monotonic() - swept_at > SWEEP_EVERY_S:
                swept_at = time.monotonic()
                self._sweep()
            readable, _, _ = select.select(self._stop.watched(), [], [], IDLE_S)
            self._stop.check(readable)
        for thread in threads:
            while thread.is_alive() and not self._stop.overdue:
                thread.join(timeout=0.1)
        for name, stage_id in list(self._in_hand.items()):
            self._leases(name).give_back(stage_id)
        self._heartbeat.end()

    def _sweep(self) -> None:
        try:
            self._sweeper.sweep(time.time())
        except Exception:
            log.exception("the sweep failed; it is tried again in a minute")

    def _leases(self, owner: str) -> Leases:
        return PatientLeases(self._database, self._blobs, self._wakeups, owner, hurry=lambda: self._stop.overdue)

    def _serve(self, worker_id: str) -> None:
        leases = self._leases(worker_id)
        runner, inbox = None, Inbox(self._wakeups, "io", worker_id)
        while self._stop.asked_at is None:
            claim = leases.claim("io")
            if claim is None:
                inbox.wait(IDLE_S)
            else:
                runner = runner or _runner(self._blobs, self._config)
                self._in_hand[worker_id] = claim.stage_id
                work_through(leases, runner, claim, stopping=self._goes_back(claim))
                del self._in_hand[worker_id]
        inbox.close()

    def _goes_back(self, claim: Claim) -> Callable[[], bool]:
        """When a stage is given back: files of models go on where they were, so nobody waits for their end."""
        if claim.task.name.startswith(COMMANDS):
            return lambda: self._stop.asked_at is not None
        return lambda: self._stop.overdue


def _runner(blobs: Storage, config: Config | None, *, hand_over: bool = True) -> Runner:
    from orfeas.stages.runner import Runner  # noqa: PLC0415 - loads numpy, which an idle io worker does without

    return Runner(blobs, hand_over=hand_over, config=config)
