"""Who asks: the first argument of every service method."""

from __future__ import annotations

from dataclasses import dataclass

SCOPES = frozenset({"read", "generate", "manage", "models", "admin"})


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant and what it may do."""

    tenant: str
    scopes: frozenset[str]


LOCAL = Caller("default", SCOPES)
"""The caller while authentication is off: it may do everything."""
