"""What is done when a device has too little memory: less at once, then less beside it, then nothing beside it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from orfeas.gpu.jobs import Job, Unit
from orfeas.gpu.manager import GPUManager
from orfeas.gpu.memory import Memory
from orfeas.gpu.sampling import Sampler

log = logging.getLogger(__name__)

RETRIES = ("batch", "chunk", "offload", "alone")
"""The rungs after which the same work is tried again."""


class Ladder:
    """Goes one rung further each time that work ran out of memory; the result stays the same on all of them."""

    def __init__(self, manager: GPUManager, memory: Memory) -> None:
        self._manager = manager
        self._memory = memory

    @property
    def retries(self) -> int:
        """How often work was tried again."""
        return sum(self._manager.tally.ladder[rung] for rung in RETRIES)

    def step(self, jobs: Sequence[Job], unit: Unit, sampler: Sampler | None) -> str:
        """Make room for a unit of work and say how: a rung of `RETRIES`, or "failed" at their end."""
        for job in jobs:
            job.shortages += 1
        rung = self._make_room(jobs, sampler)
        self._memory.release()
        self._manager.tally.ladder[rung] += 1
        log.warning("out of memory in %s of stages %s (size %d): %s", unit.kind, unit.stage_ids, unit.size, rung)
        return rung

    def _make_room(self, jobs: Sequence[Job], sampler: Sampler | None) -> str:
        if sampler is not None and sampler.shrink(len(jobs)):
            return "batch"
        job = jobs[0]
        if job.smaller():
            return "chunk"
        if job.progressed:
            # It is another shortage: what helped before may help again.
            job.progressed, job.offloaded = False, False
        elif job.alone:
            return "failed"
        if not job.offloaded:
            job.offloaded = True
            self._manager.offload("encoder")
            return "offload"
        job.alone = True
        self._manager.let_go()
        return "alone"
