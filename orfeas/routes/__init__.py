"""The table of contents of the API: one blueprint per category."""

from __future__ import annotations

from importlib import import_module
from typing import Any

CATEGORIES = ("generation", "batches", "jobs", "assets", "cache", "system", "monitoring", "pages")


def _blueprints() -> list[Any]:
    found = []
    for name in CATEGORIES:
        try:
            found.append(import_module(f"orfeas.routes.{name}").blp)
        except ModuleNotFoundError as error:
            if error.name != f"orfeas.routes.{name}":
                raise
    return found


BLUEPRINTS = _blueprints()
