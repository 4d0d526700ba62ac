"""A stage that does nothing, so that what is left is the engine's own cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Produces, StageSpec
from orfeas.stages.registry import Progress, Result, implements


@dataclass(frozen=True, slots=True)
class Nothing(StageSpec):
    """One link of a chain."""

    name: ClassVar[str] = "benchmark.nothing"
    produces: ClassVar[Produces] = Produces.NOTHING
    number: int = 0


@implements(Nothing)
def nothing(*inputs: object, spec: Nothing, on_progress: Progress) -> Result:
    """Answer at once."""
    return Result(None, {"number": spec.number})
