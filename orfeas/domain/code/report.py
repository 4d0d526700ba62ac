"""What a look at source code finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """`quality_score` is 0 to 100, None for languages that are not scored."""

    quality_score: float | None
    metrics: dict[str, Any]
    suggestions: list[dict[str, Any]] = field(default_factory=list)
    """`line`, `code`, `message`."""
    refactoring_opportunities: list[dict[str, Any]] = field(default_factory=list)
    """`name`, `line`, `reason`, `value`, `limit`."""
    syntax_error: dict[str, Any] | None = None
    """`line`, `column`, `message`."""


def suggestion(line: int, code: str, message: str) -> dict[str, Any]:
    """Advice at a line; `code` names its kind."""
    return {"line": line, "code": code, "message": message}
