"""What a view reaches for: the services of its app and who asks."""

from __future__ import annotations

from typing import cast

from flask import current_app

from orfeas.domain.caller import LOCAL, Caller
from orfeas.services import Services

EXTENSION = "orfeas"


def services() -> Services:
    """The services of the current app."""
    return cast(Services, current_app.extensions[EXTENSION])


def caller() -> Caller:
    """Who asks. While authentication is off everybody is the local administrator."""
    return LOCAL


def is_v1(path: str) -> bool:
    """Whether a path belongs to the resource API rather than to the compatible surface."""
    return path.startswith("/api/v1/") and not path.startswith("/api/v1/gpu")
