"""What a worker's parent and its child say to each other; no heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class InputGoneError(Exception):
    """The blob of an input was swept between planning and now."""


@dataclass(frozen=True, slots=True)
class TaskInput:
    """`maker` is the name of the stage that made it, None for an upload."""

    fingerprint: str
    blob: str | None
    maker: str | None
    report: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Task:
    """One stage to run."""

    fingerprint: str
    name: str
    parameters: dict[str, Any]
    inputs: tuple[TaskInput, ...]
    durable: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: a blob, or only a report. `seconds` is the time of the stage alone."""

    blob: str | None
    size_bytes: int | None
    report: dict[str, Any]
    seconds: float
