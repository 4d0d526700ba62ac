"""Weights and working memory of one device: promised before work starts, never more than the budget."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from orfeas.errors import GPUMemoryError, ModelInUseError
from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder
from orfeas.gpu.hunyuan3d.dit import Hunyuan3DDiT
from orfeas.gpu.hunyuan3d.dit_plain import HunYuanDiTPlain
from orfeas.gpu.hunyuan3d.settings import DiTSettings
from orfeas.gpu.hunyuan3d.vae import ShapeVAE
from orfeas.stages.device import ModelUse

log = logging.getLogger(__name__)

PARTS = ("encoder", "denoiser", "vae")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class ModelKey(NamedTuple):
    """Weights in a precision. `vae` is the folder of another decoder than the checkpoint's own.

    With `compiled` the denoiser runs through torch.compile. `kind` is shape, or for a folder of another make picture or
    background; `revision` says which files of such a folder.
    """

    place: str
    precision: str
    vae: str = ""
    compiled: bool = False
    kind: str = "shape"
    revision: str = ""


class PartKey(NamedTuple):
    """One part of a model."""

    model: ModelKey
    part: str


class Weights(Protocol):
    """A model whose parts come and go one by one."""

    def part_bytes(self, part: str) -> int:
        """Bytes of a part on the device, known without loading it."""

    def load(self, part: str) -> Callable[[], None]:
        """Bring a part to the device; the answer lets it go again."""


class PipelineWeights:
    """A checkpoint; each part is on the device while somebody uses it, and the manager is one who does."""

    def __init__(self, model_dir: Path, key: ModelKey, device: torch.device) -> None:
        repo, _, subfolder = key.place.rpartition("/")
        vae_repo, _, vae_subfolder = key.vae.rpartition("/")
        self.pipe = Hunyuan3DPipeline.from_pretrained(
            model_dir, repo, subfolder,
            device=device, dtype=DTYPES[key.precision], offload=True,
            vae_repo=vae_repo or None, vae_subfolder=vae_subfolder or None, compile_denoiser=key.compiled,
        )  # fmt: skip
        self._bytes = _part_bytes(self.pipe)

    def part_bytes(self, part: str) -> int:
        return self._bytes[part]

    def load(self, part: str) -> Callable[[], None]:
        stack = ExitStack()
        stack.enter_context(getattr(self.pipe, part).use())
        return stack.close


def _part_bytes(pipe: Hunyuan3DPipeline) -> dict[str, int]:
    settings = pipe.settings
    with torch.device("meta"):
        model = settings.denoiser
        modules = {
            "encoder": ImageEncoder(settings.encoder),
            "denoiser": Hunyuan3DDiT(model) if isinstance(model, DiTSettings) else HunYuanDiTPlain(model),
            "vae": ShapeVAE(settings.vae),
        }
    return {
        name: sum(tensor.numel() for tensor in module.state_dict().values()) * pipe.dtype.itemsize
        for name, module in modules.items()
    }


@dataclass
class _Resident:
    """A part that is on the device or about to be: its bytes count from the promise on."""

    size_bytes: int
    let_go: Callable[[], None] | None = None
    users: int = 0
    used_at: float = 0.0


@dataclass
class Lease:
    """Parts that stay and working memory that is kept free, until it is given back."""

    parts: tuple[PartKey, ...]
    working: int
    manager: GPUManager
    returned: bool = False

    @property
    def missing(self) -> list[PartKey]:
        """Parts that still have to be loaded."""
        return [part for part in self.parts if not self.manager.is_loaded(part)]

    def give_back(self) -> None:
        """Once; later calls do nothing."""
        if not self.returned:
            self.returned = True
            self.manager.give_back(self)


@dataclass
class Tally:
    """Counts since the process started."""

    loads: int = 0
    evictions: int = 0
    ladder: Counter[str] = field(default_factory=Counter)


class GPUManager:
    """Loads, keeps and lets go of weights within a budget. A part in use is never dropped.

    Parameters
    ----------
    make
        Opens a model by its key without loading a part.
    budget
        Bytes for weights and working memory together.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self, make: Callable[[ModelKey], Weights], budget: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._make = make
        self.budget = budget
        self._clock = clock
        self._models: dict[ModelKey, Weights] = {}
        self._residents: dict[PartKey, _Resident] = {}
        self._working = 0
        self.ids: dict[str, str] = {}
        """Ids of the catalogue by place."""
        self.lean: set[str] = set()
        """Names of parts that are let go as soon as nobody uses them."""
        self.tally = Tally()

    # memory

    @property
    def used(self) -> int:
        """Bytes of weights and of promised working memory."""
        return self._working + sum(resident.size_bytes for resident in self._residents.values())

    def acquire(self, parts: tuple[PartKey, ...], working: int) -> Lease | None:
        """Promise parts and working memory; idle weights make room, the least recently used first.

        Returns
        -------
        Lease or None
            None: there would be room if others were done.

        Raises
        ------
        GPUMemoryError
            Even alone it does not fit the budget.
        CheckpointError
            The model cannot be read.
        """
        sizes = {part: self.model(part.model).part_bytes(part.part) for part in parts}
        alone = sum(sizes.values()) + working
        if alone > self.budget:
            raise GPUMemoryError(
                f"{alone / 1e9:.2f} GB are needed and {self.budget / 1e9:.2f} GB may be used on this device.",
                needed_bytes=alone,
                budget_bytes=self.budget,
            )
        new = sum(size for part, size in sizes.items() if part not in self._residents) + working
        if not self._make_room(new, keep=parts):
            return None
        for part, size in sizes.items():
            resident = self._residents.setdefault(part, _Resident(size))
            resident.users += 1
            resident.used_at = self._clock()
        self._working += working
        return Lease(parts, working, self)

    def give_back(self, lease: Lease) -> None:
        """What `Lease.give_back` calls."""
        self._working -= lease.working
        for part in lease.parts:
            resident = self._residents[part]
            resident.users -= 1
            resident.used_at = self._clock()
            if resident.users == 0 and (part.part in self.lean or resident.let_go is None):
                self._drop(part)

    def _make_room(self, new: int, keep: tuple[PartKey, ...]) -> bool:
        idle = [part for part in self._idle() if part not in keep]
        if self.used + new - sum(self._residents[part].size_bytes for part in idle) > self.budget:
            return False
        for part in idle:
            if self.used + new <= self.budget:
                break
            self._evict(part)
        return True

    # weights

    def model(self, key: ModelKey) -> Weights:
        """A model, opened at its first use."""
        found = self._models.get(key)
        if found is None:
            found = self._models[key] = self._make(key)
        return found

    def is_loaded(self, part: PartKey) -> bool:
        """Whether a part can be used now."""
        resident = self._residents.get(part)
        return resident is not None and resident.let_go is not None

    def load(self, part: PartKey) -> None:
        """Bring a part that a lease names to the device."""
        resident = self._residents[part]
        if resident.let_go is None:
            resident.let_go = self.model(part.model).load(part.part)
            self.tally.loads += 1

    def idle_since(self, before: float) -> bool:
        """Whether there are parts that nobody has used since a time."""
        return any(self._residents[part].used_at <= before for part in self._idle())

    def let_go(self, *, place: str | None = None, before: float | None = None) -> int:
        """Drop unused parts: of a model, of those last used before a time, or all. The bytes that are free then."""
        chosen = [
            part
            for part in self._idle()
            if (place is None or part.model.place == place)
            and (before is None or self._residents[part].used_at <= before)
        ]
        freed = sum(self._residents[part].size_bytes for part in chosen)
        for part in chosen:
            self._evict(part)
        return freed

    def in_use(self, place: str) -> bool:
        """Whether a stage on the device has parts of a model."""
        return any(part.model.place == place and resident.users for part, resident in self._residents.items())

    def unload(self, place: str) -> int:
        """Drop a model; the bytes that are free then.

        Raises
        ------
        ModelInUseError
            A stage on the device uses it.
        """
        if self.in_use(place):
            name = self.ids.get(place, place)
            raise ModelInUseError(f"{name} is at work. Wait for its jobs to end or cancel them, then unload it.")
        freed = self.let_go(place=place)
        self._models = {key: model for key, model in self._models.items() if key.place != place}
        return freed

    def offload(self, part: str) -> int:
        """From now on keep the parts of this name only while they work; the bytes that are free by it."""
        self.lean.add(part)
        idle = [key for key in self._idle() if key.part == part]
        freed = sum(self._residents[key].size_bytes for key in idle)
        for key in idle:
            self._evict(key)
        return freed

    def uses(self) -> tuple[ModelUse, ...]:
        """The models with weights on the device."""
        grouped: dict[tuple[str, str], list[PartKey]] = {}
        for part, resident in self._residents.items():
            if resident.let_go is not None:
                grouped.setdefault((part.model.place, part.model.precision), []).append(part)
        return tuple(self._use(place, precision, parts) for (place, precision), parts in grouped.items())

    def _use(self, place: str, precision: str, parts: list[PartKey]) -> ModelUse:
        residents = {part: self._residents[part] for part in parts}
        return ModelUse(
            model=self.ids.get(place, place),
            place=place,
            precision=precision,
            parts={part.part: resident.size_bytes for part, resident in residents.items()},
            used_at=max(resident.used_at for resident in residents.values()),
            in_use=any(resident.users for resident in residents.values()),
        )

    def _idle(self) -> list[PartKey]:
        """Unused parts, the least recently used first."""
        idle = [part for part, resident in self._residents.items() if resident.users == 0]
        return sorted(idle, key=lambda part: self._residents[part].used_at)

    def _evict(self, part: PartKey) -> None:
        log.info("letting go of %s of %s", part.part, part.model.place)
        self.tally.evictions += 1
        self._drop(part)

    def _drop(self, part: PartKey) -> None:
        resident = self._residents.pop(part)
        if resident.let_go is not None:
            resident.let_go()
