"""How much is done: a little in `make test`, everything in `make soak` (TEST_SCALE=full)."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

FULL = os.environ.get("TEST_SCALE") == "full"


@dataclass(frozen=True)
class Scale:
    """Counts of one scenario."""

    jobs: int
    kills: int


@pytest.fixture(scope="session")
def scale() -> Scale:
    """40 jobs and 20 kills in full, else 4 and 1."""
    return Scale(40, 20) if FULL else Scale(4, 1)
