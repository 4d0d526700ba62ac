"""The parent of a device's process: claims several stages at once, keeps their leases, watches the child.

It imports neither numpy nor torch. When the child dies with several stages in hand, each is tried alone, and only
deaths while alone count against a stage.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orfeas.errors import StageTimeoutError
from orfeas.jobs.claims import COMMANDS, Claim
from orfeas.jobs.gpu_child import GpuChild, GpuSettings
from orfeas.jobs.heartbeat import Heartbeat
from orfeas.jobs.leases import Leases
from orfeas.jobs.stop import Stop
from orfeas.jobs.wakeups import RECHECK, WAKE, Inbox
from orfeas.stages.device import Order

log = logging.getLogger(__name__)

QUEUE = "gpu"
TICK_S, IDLE_S, RENEW_S = 0.5, 1.0, 4.0
PROGRESS_S, PROGRESS_STEP = 0.25, 0.01
START_S = 300.0
"""How long torch and the driver may take to be there."""
HUNG_S = 600.0
"""A child that says nothing for so long hangs: it reports every second, and between two chunks of work."""
CANCEL_GRACE_S = 60.0
LONGEST_DELAY_S = 60.0
MEMORY_SHARE = 0.8
"""Share of the machine's memory beyond which the child is taken to leak and is replaced once it is idle."""
DEVICE_LEAK_SHARE = 0.1
"""The same for the device: share of the budget that tensors hold beyond what was promised, while nothing is at work."""
SAMPLE_EVERY_S, SAMPLES = 5.0, 120
"""How often and for how long the used share of the device's memory is kept: ten minutes."""
COMMAND_PRIORITY = -1000
"""Ahead of all work, however long that has waited."""


@dataclass(eq=False)
class _InHand:
    """A claimed stage. `submitted_at` is None while it waits for its turn to run alone."""

    claim: Claim
    alone: bool
    submitted_at: float | None = None
    cancelled_at: float | None = None
    told_at: float = 0.0
    told: float = 0.0


class GpuWorker:
    """One parent and one child, as many stages at a time as a batch has items."""

    def __init__(
        self,
        leases: Leases,
        inbox: Inbox,
        heartbeat: Heartbeat,
        settings: GpuSettings,
        stop: Stop,
        start: Callable[[GpuSettings], GpuChild] = GpuChild,
    ) -> None:
        self._leases, self._inbox, self._heartbeat = leases, inbox, heartbeat
        self._settings, self._stop, self._start = settings, stop, start
        self._child: GpuChild | None = None
        self._ready = False
        self._failures, self._start_at = 0, 0.0
        self._heard_at = self._renewed_at = self._looked_at = 0.0
        self._hands: dict[int, _InHand] = {}
        self._suspects: set[int] = set()
        self._tickets = 0
        self._report: dict[str, Any] | None = None
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._sampled_at = float("-inf")
        self._recycle = False

    def run(self) -> None:
        """Work until asked to stop and the stages in hand have ended."""
        try:
            while self._stop.asked_at is None or (self._hands and not self._stop.overdue):
                self._have_child()
                self._take_work()
                self._listen()
                self._watch()
        finally:
            self._end_child(kindly=not self._hands)
            for hand in self._hands.values():
                if hand.cancelled_at is None:
                    self._leases.give_back(hand.claim.stage_id)
            self._inbox.close()
            self._heartbeat.end()

    # the child

    def _have_child(self) -> None:
        if self._child is None and time.monotonic() >= self._start_at:
            self._child, self._ready = self._start(self._settings), False
            self._heard_at = time.monotonic()

    def _end_child(self, *, kindly: bool = False) -> None:
        if self._child is not None:
            if kindly:
                self._child.stop()
            self._child.kill()
        self._child, self._ready, self._recycle = None, False, False

    def _bury(self, why: str) -> None:
        """The child is gone: what it had in hand is tried again, alone if there were several."""
        assert self._child is not None
        crashed, was_ready = self._child.crashed(), self._ready
        names = ", ".join(hand.claim.task.name for hand in self._running()) or "nothing"
        log.warning("the process of %s ended with %s in hand: %s", self._settings.device.device, names, why)
        self._end_child()
        self._failures = 0 if was_ready else self._failures + 1
        self._start_at = time.monotonic() + (0.0 if was_ready else min(LONGEST_DELAY_S, 2.0**self._failures))
        if not was_ready:
            self._report = {"device": self._settings.device.device, "error": why}
        self._hands = {ticket: hand for ticket, hand in self._hands.items() if hand.cancelled_at is None}
        counted = self._running()
        if len(counted) == 1:
            self._count(counted[0], crashed=crashed)
            return
        for hand in counted:
            hand.submitted_at, hand.alone = None, True

    def _count(self, hand: _InHand, *, crashed: bool) -> None:
        """It was alone, so it counts."""
        stage_id = hand.claim.stage_id
        self._hands = {ticket: other for ticket, other in self._hands.items() if other is not hand}
        self._suspects.add(stage_id)
        if crashed:
            self._leases.crashed(stage_id)
        else:
            self._leases.lost(stage_id)

    # work

    def _running(self) -> list[_InHand]:
        return [hand for hand in self._hands.values() if hand.submitted_at is not None]

    def _take_work(self) -> None:
        running = self._running()
        if not self._ready or any(hand.alone for hand in running):
            return
        waiting = [ticket for ticket, hand in self._hands.items() if hand.submitted_at is None]
        if waiting:
            if not running:
                self._submit(waiting[0])
        elif self._recycle:
            if not running:
                self._end_child(kindly=True)
        elif self._stop.asked_at is None and time.monotonic() - self._looked_at >= TICK_S:
            self._claim()

    def _claim(self) -> None:
        self._looked_at = time.monotonic()
        while True:
            claim = self._leases.claim(QUEUE, commands=True)
            if claim is None and len(self._hands) < self._settings.device.batch_max:
                claim = self._leases.claim(QUEUE)
            if claim is None:
                return
            for ticket, hand in list(self._hands.items()):
                if hand.claim.stage_id == claim.stage_id:
                    self._cancel(ticket, hand)
            self._tickets += 1
            hand = _InHand(claim, alone=claim.crashes > 0 or claim.stage_id in self._suspects)
            self._hands[self._tickets] = hand
            if hand.alone and len(self._hands) > 1:
                return
            self._submit(self._tickets)
            if hand.alone:
                return

    def _submit(self, ticket: int) -> None:
        assert self._child is not None
        hand = self._hands[ticket]
        claim, hand.submitted_at = hand.claim, time.monotonic()
        priority = COMMAND_PRIORITY if claim.task.name.startswith(COMMANDS) else claim.priority
        order = Order(priority, claim.tenant, claim.wanted_at, claim.batch_limit)
        self._child.send(("run", ticket, claim.task, order))

    def _cancel(self, ticket: int, hand: _InHand) -> None:
        if hand.cancelled_at is not None:
            return
        hand.cancelled_at = time.monotonic()
        if hand.submitted_at is None:
            del self._hands[ticket]
        elif self._child is not None:
            self._child.send(("cancel", ticket))

    # what is heard

    def _listen(self) -> None:
        connection = self._child.connection if self._child else None
        watched = [self._inbox.fileno(), *self._stop.watched(), *([connection.fileno()] if connection else [])]
        readable, _, _ = select.select(watched, [], [], self._tick())
        self._stop.check(readable)
        if self._inbox.fileno() in readable:
            messages = self._inbox.drain()
            if WAKE in messages:
                self._looked_at = 0.0
            if RECHECK in messages:
                self._cancel_lost(self._leases.keep(self._stage_ids(), renew=False))
        if connection is not None and connection.fileno() in readable:
            self._hear_all()

    def _tick(self) -> float:
        if self._stop.asked_at is not None:
            return 0.1
        return TICK_S if self._hands or not self._ready else IDLE_S

    def _hear_all(self) -> None:
        try:
            while self._child is not None and self._child.connection.poll():
                self._hear(self._child.connection.recv())
        except (EOFError, OSError):
            assert self._child is not None
            crashed = "it crashed" if self._child.crashed() else "it was ended from outside"
            self._bury(f"{crashed} (exit status {self._child.process.returncode})")

    def _hear(self, message: tuple[Any, ...]) -> None:
        self._heard_at = time.monotonic()
        kind = message[0]
        if kind == "progress":
            self._progress(*message[1:3])
        elif kind == "ended":
            self._ended(*message[1:])
        elif kind == "broken":
            log.error("the device cannot go on: %s\n%s", message[1], message[2])
            self._bury(message[1])
        else:
            if kind == "ready":
                self._ready, self._failures, self._looked_at = True, 0, 0.0
            self._report = self._with_samples(message[1])
            self._beat(now=True)

    def _with_samples(self, report: dict[str, Any]) -> dict[str, Any]:
        """A report with the share of the device's memory that was used at regular times, where that is counted."""
        now, used = time.monotonic(), report.get("memory_measured")
        if used is not None and now - self._sampled_at >= SAMPLE_EVERY_S:
            self._sampled_at = now
            self._samples.append(round(used / max(report["memory_total"], 1), 4))
        return {**report, "samples": [*self._samples]}

    def _progress(self, ticket: int, fraction: float) -> None:
        hand, now = self._hands.get(ticket), time.monotonic()
        if hand is None or hand.cancelled_at or now - hand.told_at < PROGRESS_S:
            return
        if fraction - hand.told >= PROGRESS_STEP:
            hand.told_at, hand.told = now, fraction
            if not self._leases.progress(hand.claim.stage_id, min(1.0, fraction)):
                self._cancel(ticket, hand)

    def _ended(self, ticket: int, kind: str, body: Any) -> None:
        hand = self._hands.pop(ticket, None)
        self._looked_at = 0.0
        if hand is None or hand.cancelled_at is not None:
            return
        stage_id = hand.claim.stage_id
        if kind == "done":
            self._leases.finish(stage_id, body)
        elif kind == "gone":
            self._leases.restore_inputs(stage_id)
        elif kind == "error":
            self._leases.fail(stage_id, body)
        else:
            # The device let it go though nobody asked: somebody else may have better luck.
            self._leases.lost(stage_id)
        self._suspects.discard(stage_id)

    # what is watched

    def _watch(self) -> None:
        now = time.monotonic()
        self._beat()
        if now - self._renewed_at > RENEW_S:
            self._renewed_at = now
            if self._hands:
                self._cancel_lost(self._leases.keep(self._stage_ids()))
            self._leases.expire()
            self._recycle = self._recycle or self._leaks()
        for ticket, hand in list(self._hands.items()):
            self._watch_time(ticket, hand, now)
        if self._child is not None and now - self._heard_at > (HUNG_S if self._ready else START_S):
            self._child.kill()
            self._bury("it said nothing for too long")

    def _watch_time(self, ticket: int, hand: _InHand, now: float) -> None:
        if hand.submitted_at is None:
            return
        limit_s = hand.claim.timeout_s
        if hand.cancelled_at is None and now - hand.submitted_at > limit_s:
            detail = f"The stage {hand.claim.task.name} took more than {limit_s:g} s."
            self._leases.fail(hand.claim.stage_id, StageTimeoutError(detail, limit=limit_s))
            self._cancel(ticket, hand)
        deaf = hand.cancelled_at is not None and now - hand.cancelled_at > CANCEL_GRACE_S
        # A process that serves others is never ended for one.
        if deaf and len(self._hands) == 1:
            self._hands.clear()
            self._end_child()

    def _leaks(self) -> bool:
        if self._child is None:
            return False
        limit = MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        used, device = self._child.memory_bytes(), self._settings.device.device
        if used > limit:
            log.warning("the process of %s uses %.1f GB and is replaced", device, used / 1e9)
        elif self._device_leaks():
            log.warning("the process of %s holds memory of the device that nobody uses, and is replaced", device)
        else:
            return False
        return True

    def _device_leaks(self) -> bool:
        """Whether tensors stay on the device though nothing is at work there."""
        report = self._report or {}
        measured = report.get("memory_measured")
        if measured is None or report["active"] or self._hands or not self._ready:
            return False
        return bool(measured - report["memory_used"] > DEVICE_LEAK_SHARE * report["memory_budget"])

    def _stage_ids(self) -> list[int]:
        return [hand.claim.stage_id for hand in self._hands.values() if hand.cancelled_at is None]

    def _cancel_lost(self, ours: set[int]) -> None:
        for ticket, hand in list(self._hands.items()):
            if hand.claim.stage_id not in ours:
                self._cancel(ticket, hand)

    def _beat(self, *, now: bool = False) -> None:
        at_work = next(iter(self._stage_ids()), None)
        state = None if self._ready else ("failed" if self._failures else "starting")
        memory = self._child.memory_bytes() if self._child else None
        self._heartbeat.beat(at_work, memory, state=state, report=self._report, now=now)
