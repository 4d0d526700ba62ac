"""The worker's parent: claims stages, keeps leases, watches its child's memory and time.

It imports no numpy. The child computes; its death is seen here at once and frees the stage.
"""

from __future__ import annotations

import logging
import os
import select
import time
from dataclasses import dataclass
from typing import Any

from orfeas.config import Config
from orfeas.domain.stages import Queue
from orfeas.errors import OrfeasError, StageMemoryError, StageTimeoutError
from orfeas.jobs.child import IO_STAGES, STAGES, TOO_MUCH_MEMORY, Child, ChildSettings
from orfeas.jobs.claims import Claim
from orfeas.jobs.devices import processor
from orfeas.jobs.gpu_child import GpuSettings
from orfeas.jobs.heartbeat import Heartbeat
from orfeas.jobs.leases import Leases
from orfeas.jobs.patience import PatientLeases
from orfeas.jobs.stop import Stop
from orfeas.jobs.sweep import Sweeper
from orfeas.jobs.wakeups import RECHECK, Inbox, LocalWakeups
from orfeas.stages.device import DeviceSettings
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database, migrate

log = logging.getLogger(__name__)

TICK_S = 0.5
IDLE_S = 1.0
RENEW_S = 4.0
GPU_BEAT_S = 1.0
CANCEL_GRACE_S = 1.0


@dataclass
class _InHand:
    """The stage that the child runs."""

    claim: Claim
    started: float
    renewed: float
    cancelled_at: float | None = None


class CpuWorker:
    """One parent and one child, one stage at a time."""

    def __init__(
        self,
        leases: Leases,
        inbox: Inbox,
        heartbeat: Heartbeat,
        settings: ChildSettings,
        stop: Stop,
        queue: str = "cpu",
    ) -> None:
        self._leases = leases
        self._inbox = inbox
        self._heartbeat = heartbeat
        self._settings = settings
        self._stop = stop
        self._queue = queue
        self._child = Child(settings)

    def run(self) -> None:
        """Work until asked to stop."""
        claim: Claim | None = None
        try:
            while self._stop.asked_at is None or claim is not None:
                claim = claim or self._leases.claim(self._queue)
                if claim is None:
                    self._idle()
                else:
                    claim = self._work(claim)
        finally:
            self._child.kill()
            self._inbox.close()
            self._heartbeat.end()

    def _idle(self) -> None:
        self._heartbeat.beat(None)
        readable, _, _ = select.select([self._inbox.fileno(), *self._stop.watched()], [], [], IDLE_S)
        self._inbox.drain()
        self._stop.check(readable)
        if not readable:
            self._leases.expire()

    def _work(self, claim: Claim) -> Claim | None:
        """See a stage through; the next claim, taken in the transaction that finished this one."""
        now = time.monotonic()
        hand = _InHand(claim, started=now, renewed=now)
        self._heartbeat.beat(claim.stage_id)
        if not self._child.send(claim.task):
            self._replace_child()
            self._child.send(claim.task)
        while True:
            watched = [self._child.connection.fileno(), self._inbox.fileno(), *self._stop.watched()]
            readable, _, _ = select.select(watched, [], [], self._tick(hand))
            self._stop.check(readable)
            if self._child.connection.fileno() in readable:
                ended, following = self._hear(hand)
                if ended:
                    return following
            if self._inbox.fileno() in readable and RECHECK in self._inbox.drain():
                self._cancel_unless(hand, self._leases.is_mine(claim.stage_id))
            if self._watch(hand):
                return None

    def _tick(self, hand: _InHand) -> float:
        return 0.1 if hand.cancelled_at or self._stop.asked_at else TICK_S

    def _hear(self, hand: _InHand) -> tuple[bool, Claim | None]:
        """Take the child's message: (the stage has ended here, the next claim)."""
        stage_id = hand.claim.stage_id
        try:
            kind, body = self._child.connection.recv()
        except (EOFError, OSError):
            self._bury(hand)
            return True, None
        if kind == "progress":
            if hand.cancelled_at is None:
                self._cancel_unless(hand, self._leases.progress(stage_id, body))
            return False, None
        if kind == "done":
            following = None if self._stop.asked_at else self._queue
            return True, self._leases.finish(stage_id, body, claim_next=following)
        self._end_otherwise(stage_id, kind, body)
        return True, None

    def _end_otherwise(self, stage_id: int, kind: str, body: Any) -> None:
        if kind == "gone":
            self._leases.restore_inputs(stage_id)
        elif kind == "error":
            self._leases.fail(stage_id, body)
            if isinstance(body, StageMemoryError):
                self._replace_child()
        elif kind == "unexpected":
            error, traceback = body
            log.error("stage failed unexpectedly\n%s", traceback)
            self._leases.fail(stage_id, error)

    def _watch(self, hand: _InHand) -> bool:
        """Lease, memory, time, cancel and drain; True when the child had to be ended."""
        now, claim = time.monotonic(), hand.claim
        if now - hand.renewed > RENEW_S:
            hand.renewed = now
            self._heartbeat.beat(claim.stage_id, self._child.memory_bytes())
            self._cancel_unless(hand, self._leases.renew(claim.stage_id))
            self._leases.expire()
        if hand.cancelled_at and now - hand.cancelled_at > CANCEL_GRACE_S:
            self._replace_child()
            return True
        if self._stop.overdue:
            self._child.kill()
            self._leases.give_back(claim.stage_id)
            return True
        error = self._over_limit(hand, now)
        if error is not None:
            self._replace_child()
            self._leases.fail(claim.stage_id, error)
        return error is not None

    def _over_limit(self, hand: _InHand, now: float) -> OrfeasError | None:
        limit_s = hand.claim.timeout_s
        if now - hand.started > limit_s:
            return StageTimeoutError(f"The stage {hand.claim.task.name} took more than {limit_s:g} s.", limit=limit_s)
        if self._child.memory_bytes() > 0.9 * self._settings.memory_bytes:
            limit_mb = self._settings.memory_bytes // 2**20
            return StageMemoryError(TOO_MUCH_MEMORY.format(limit_mb=limit_mb), limit=limit_mb)
        return None

    def _cancel_unless(self, hand: _InHand, still_mine: bool) -> None:
        if not still_mine and hand.cancelled_at is None:
            hand.cancelled_at = time.monotonic()
            self._child.send("cancel")

    def _bury(self, hand: _InHand) -> None:
        crashed = self._child.crashed()
        log.warning("child died in %s (exit code %s)", hand.claim.task.name, self._child.process.exitcode)
        self._replace_child()
        if crashed:
            self._leases.crashed(hand.claim.stage_id)
        else:
            self._leases.lost(hand.claim.stage_id)

    def _replace_child(self) -> None:
        self._child.kill()
        self._child = Child(self._settings)


def run_worker(
    config: Config,
    queue: Queue,
    worker_id: str,
    life_fd: int | None,
    *,
    modules: tuple[str, ...] | None = None,
    device: str = "cpu",
) -> None:
    """Work on a queue until SIGTERM, or until the supervisor's end of `life_fd` closes.

    `modules` hold the implementations; by default all of this package that the queue needs. `device` is that of a
    gpu worker.
    """
    stop = Stop(life_fd)
    if queue is not Queue.GPU:
        # Inherited by the child: one BLAS thread each, or the workers fight for the cores.
        os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    database = Database(config.database_url)
    migrate(database, config.data_dir)
    blobs = FolderStorage(config.data_dir, config.disk_reserve_mb * 1_000_000)
    wakeups = LocalWakeups(config.data_dir)
    stop.on_signals()
    if queue is Queue.IO:
        from orfeas.jobs.inprocess import IoWorker

        IoWorker(
            database,
            blobs,
            wakeups,
            worker_id,
            stop,
            Sweeper(database, blobs, config),
            modules or IO_STAGES,
            config,
        ).run()
        return
    leases = PatientLeases(database, blobs, wakeups, worker_id, hurry=lambda: stop.overdue)
    inbox = Inbox(wakeups, queue.value, worker_id)
    if queue is Queue.GPU:
        from orfeas.jobs.gpu import GpuWorker

        heartbeat = Heartbeat(database, worker_id, queue.value, device, every_s=GPU_BEAT_S)
        GpuWorker(leases, inbox, heartbeat, _gpu_settings(config, device, *(modules or ())), stop).run()
        return
    settings = ChildSettings(
        config.data_dir, config.disk_reserve_mb * 1_000_000, child_memory_bytes(config.cpu_workers), modules or STAGES,
        config=config.without_secrets(),
    )  # fmt: skip
    CpuWorker(leases, inbox, Heartbeat(database, worker_id, queue.value), settings, stop, queue.value).run()


def device_settings(config: Config, device: str) -> DeviceSettings:
    """What may be used of a device."""
    return DeviceSettings(
        model_dir=config.model_dir,
        device=device,
        memory_share=config.gpu_memory_share,
        memory_bytes=processor().memory_bytes if device == "cpu" else None,
        batch_max=config.gpu_batch_max,
        idle_s=float(config.model_idle_s),
        wait_s=float(config.gpu_wait_s),
        forecast_file=config.data_dir / f"forecast-{device.replace(':', '-')}.json",
    )


def _gpu_settings(config: Config, device: str, *module: str) -> GpuSettings:
    return GpuSettings(config.data_dir, config.disk_reserve_mb * 1_000_000, device_settings(config, device), *module)


def child_memory_bytes(workers: int) -> int:
    """Address space of a compute child: its share of the machine, at least 4 GB, at most 16 GB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(4 * 10**9, min(16 * 10**9, int(0.7 * total / max(1, workers))))
