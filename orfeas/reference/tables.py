"""Tables of settings and problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any

from orfeas.config import settings
from orfeas.errors import InternalError, OrfeasError, all_problems


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings_table() -> str:
    """Every setting: default, what is allowed, what it means."""
    rows = [
        (f"`{name}`", _default(field), field.metadata["read"].allowed, field.metadata["meaning"])
        for name, field in settings().items()
    ]
    return table(("name", "default", "allowed", "meaning"), rows)


def _default(field: Field[Any]) -> str:
    if callable(field.default_factory):
        return str(field.default_factory.__doc__)
    if isinstance(field.default, bool):
        return str(int(field.default))
    if field.default in (None, "", Path()):
        return "none"
    return ", ".join(field.default) if isinstance(field.default, tuple) else str(field.default)


def problems_table() -> str:
    """Every problem by its status: code, meaning and way out."""
    known: set[type[OrfeasError]] = {*all_problems().values(), InternalError}
    kinds = sorted(known, key=lambda kind: (int(kind.status), kind.code))
    rows = [
        (
            f'<a id="{kind.code}"></a>`{kind.code}`',
            str(int(kind.status)),
            "yes" if kind.retryable else "no",
            f"{kind.title}. {kind.way_out}",
        )
        for kind in kinds
    ]
    return table(("code", "status", "retry", "meaning, and what to do"), rows)
