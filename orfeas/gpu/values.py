"""What the stages of a device hand to each other, as values that can be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Mesh
from orfeas.geometry.subject import Subject
from orfeas.stages.values import value_kind


@dataclass(frozen=True, slots=True, eq=False)
class ConditionTokens:
    """What an image encoder says about a picture.

    Attributes
    ----------
    tokens : (T, D) float32 or float16
        bfloat16 is kept as float32, which loses nothing.
    """

    tokens: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """A sampled shape before it is decoded.

    Attributes
    ----------
    latents : (L, C) float32
    """

    latents: NDArray[np.float32]


value_kind("condition_tokens", ConditionTokens)
value_kind("latents", Latents)
value_kind("mesh", Mesh)
value_kind("subject", Subject)
