"""What a profile of `presets.PROFILES` means on a given machine: the switches that a request gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orfeas.domain.limits import OCTREE_RESOLUTION
from orfeas.domain.presets import PROFILES

STANDARD, ULTRA, QUANTUM = "standard", "ultra", "quantum"
FEWEST_STEPS = 3
"""Steps that a factor leaves at least."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Switches:
    """What a profile changes about one request. `largest_batch` never changes the result, so no fingerprint has it."""

    compiled: bool = False
    steps_factor: float = 1.0
    volume_decoding: str = "hierarchical"
    embedded_grid_factor: float = 1.0
    largest_batch: int = 8

    def steps(self, mapped: int) -> int:
        """Denoiser steps in place of those of the quality map: rounded up, at least three."""
        if self.steps_factor == 1.0:
            return mapped
        return max(FEWEST_STEPS, math.ceil(mapped * self.steps_factor - ROUNDING))

    def embedded_grid(self, mapped: int) -> int:
        """The grid of the embedded engine in place of that of the quality map."""
        return max(OCTREE_RESOLUTION[0], round(mapped * self.embedded_grid_factor))

    def document(self) -> dict[str, Any]:
        """As JSON, for rows."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> Switches:
        """What `document` wrote; the standard ones where nothing was recorded."""
        return cls(**document) if document else cls()


STANDARD_SWITCHES = Switches()


def switches_of(name: str, *, compiles: bool) -> Switches:
    """The switches of a profile; `compiles` says whether the device can compile the denoiser."""
    profile = PROFILES[name]
    return Switches(
        compiled=profile.compiled and compiles,
        steps_factor=profile.steps_factor,
        volume_decoding=profile.volume_decoding,
        embedded_grid_factor=profile.embedded_grid_factor,
        largest_batch=profile.largest_batch,
    )


def step_down(name: str) -> str | None:
    """The next profile towards standard; None below it."""
    names = list(PROFILES)
    position = names.index(name)
    return names[position - 1] if position else None
