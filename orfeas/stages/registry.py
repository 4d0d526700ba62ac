"""Stage implementations by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orfeas.domain.stages import StageSpec

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1; raises to cancel."""

Implementation = Callable[..., Any]
F = TypeVar("F", bound=Implementation)

IMPLEMENTATIONS: dict[str, tuple[type[StageSpec], Implementation]] = {}


@dataclass(frozen=True, slots=True)
class Result:
    """A stage's output with a small JSON report: `warnings`, `method`, `measures`."""

    value: Any
    report: dict[str, Any] = field(default_factory=dict)


def implements(spec: type[StageSpec]) -> Callable[[F], F]:
    """Register `function(*inputs, spec, on_progress)` as the implementation of a stage."""

    def register(function: F) -> F:
        IMPLEMENTATIONS[spec.name] = (spec, function)
        return function

    return register
