"""The base of the stages that run on a device with a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Queue, StageSpec


@dataclass(frozen=True, slots=True)
class DeviceSpec(StageSpec):
    """A stage that runs on a device with a model.

    `model` is the id in the catalogue, `place` its folder below the model folder (`<repo>/<sub-folder>`), `revision`
    what its files are. `precision` is the type of the weights: float32, float16 or bfloat16.
    """

    queue: ClassVar[Queue] = Queue.GPU
    timeout_s: ClassVar[float] = 1800.0
    model: str = ""
    place: str = ""
    revision: str | None = None
    precision: str = "float32"
