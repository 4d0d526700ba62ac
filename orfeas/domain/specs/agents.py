"""The stage of agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Produces, Queue, StageSpec


@dataclass(frozen=True, slots=True)
class AgentStep(StageSpec):
    """One step of a run of agents: look at what the last one started, decide, start the next. `number` counts from 0.

    What was decided is the report; a step that runs again finds what it has started before.
    """

    name: ClassVar[str] = "agent.step"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 600.0
    needs_config: ClassVar[bool] = True
    job_id: str = ""
    tenant: str = ""
    number: int = 0
