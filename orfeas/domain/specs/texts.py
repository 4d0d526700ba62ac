"""The stages that read and write texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Keep, Produces, Queue, StageSpec


@dataclass(frozen=True, slots=True)
class AnalyzeCode(StageSpec):
    """Look at source code without running it; what is found is the report."""

    name: ClassVar[str] = "code.analyze"
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 10.0
    code: str = ""
    language: str = "python"


@dataclass(frozen=True, slots=True)
class CallLlm(StageSpec):
    """Let language models work on a task in several steps; what they wrote is the report.

    The nonce keeps a task from being taken for an earlier one: models answer differently each time.
    """

    name: ClassVar[str] = "llm.call"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 1800.0
    needs_config: ClassVar[bool] = True
    task: str = ""
    max_subtasks: int = 4
    models: tuple[str, ...] = ()
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class WriteMaterial(StageSpec):
    """A text that describes a material, as a file."""

    name: ClassVar[str] = "material.write"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    text: str = ""
