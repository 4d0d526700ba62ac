"""What a gpu worker's parent, its child and the device in it say to each other; no heavy imports, all picklable."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from orfeas.errors import OrfeasError
from orfeas.stages.task import Done


class DeviceLostError(Exception):
    """The device has failed for good in this process: start another one and give it all stages again."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """One device and what may be used of it."""

    model_dir: Path
    device: str = "cpu"
    """As torch names it: cpu, cuda:0, mps."""
    memory_share: float = 0.8
    """Of the device's memory, or of `memory_bytes`."""
    memory_bytes: int | None = None
    """In place of the device's memory. On the CPU all memory without it."""
    batch_max: int = 16
    idle_s: float = 900.0
    """Weights that were not used for so long are let go; 0 keeps them."""
    wait_s: float = 600.0
    """How long a stage may wait for memory that others use."""
    forecast_file: Path | None = None
    """Where measured needs of memory and time are kept, so that the next process starts with them."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who comes first: the lower priority, lifted by waiting; the tenant that had less; the older wish."""

    priority: int = 5
    tenant: str = "default"
    wanted_at: float = 0.0
    """Seconds since the epoch."""
    batch_limit: int | None = None
    """The most items of an evaluation that it takes part in; None for the device's own limit."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A stage has come so far; `step` of `steps` where it counts in steps."""

    stage_id: int
    fraction: float
    step: int | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class InputGone:
    """The blob of an input was swept."""

    fingerprint: str


Outcome = Done | OrfeasError | InputGone | str


@dataclass(frozen=True, slots=True)
class Ended:
    """A stage is off the device. The outcome `"cancelled"` is the only text."""

    stage_id: int
    outcome: Outcome


Event = Progress | Ended


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model with weights on the device."""

    model: str
    place: str
    precision: str
    parts: dict[str, int]
    """Bytes of each part that is there: encoder, denoiser, vae."""
    used_at: float
    """Seconds since the epoch."""
    in_use: bool

    @property
    def size_bytes(self) -> int:
        """All parts that are there."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Active:
    """A stage on the device."""

    stage_id: int
    name: str
    model: str
    state: str
    """waiting (for its input, memory or turn), running, finishing (off the device, being stored)."""
    fraction: float
    needed_bytes: int | None = None
    """Forecast of its working memory."""
    needed_s: float | None = None
    """Forecast of the device's time for all of it, when alone; None before anything alike was measured."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a device holds and has done since its process started."""

    device: str
    kind: str
    """cpu, cuda or mps."""
    name: str
    memory_total: int
    memory_budget: int
    memory_used: int
    """Promised: weights and working memory of what is admitted."""
    memory_measured: int | None
    """What the device's allocator holds for tensors; None where there is no such figure (the CPU)."""
    memory_peak: int | None
    utilisation: float | None
    """Share of the last moment in which the device was busy, by its driver; None where it does not say."""
    busy_s: float
    models: tuple[ModelUse, ...] = ()
    active: tuple[Active, ...] = ()
    batches: dict[int, int] = field(default_factory=dict)
    """How many evaluations there were with so many items."""
    executions: int = 0
    """Evaluations of a denoiser."""
    inferences: int = 0
    """The items in them: what one at a time would have cost."""
    loads: int = 0
    evictions: int = 0
    oom_retries: int = 0
    ladder: dict[str, int] = field(default_factory=dict)
    """What was done about missing memory, by name: batch, chunk, offload, alone, failed."""
    memory_reserved: int | None = None
    """What the device's allocator has taken, used or not; None where there is no such figure."""
    memory_free: int | None = None
    """What nobody has taken, also no other process; None where the driver does not say."""
    best_batch: int = 1
    """The batch with the least time for an item, of those that were measured and fit in the memory now."""
