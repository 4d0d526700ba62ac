"""Stages on a device, each from its inputs to its result, cut into units of work; decoding has a module of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orfeas.domain.specs import DeviceSpec, ModelLoad, ShapeEncode, ShapeSample
from orfeas.errors import GPUMemoryError, InternalError
from orfeas.geometry.subject import Subject
from orfeas.gpu.forecast import Counts, Forecast, Need
from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline
from orfeas.gpu.hunyuan3d.preprocess import Preprocessed
from orfeas.gpu.manager import PARTS, GPUManager, Lease, ModelKey, PartKey, PipelineWeights
from orfeas.gpu.sampling import Item, Wish
from orfeas.gpu.surfaces import Surfaces
from orfeas.gpu.values import ConditionTokens, Latents
from orfeas.stages.device import Active, Order
from orfeas.stages.exchange import Exchange, parameters_of, spec_of
from orfeas.stages.registry import Result
from orfeas.stages.task import Done, Task

Before = Callable[["Unit"], None]
"""Told of every unit of work before it begins; what it raises is raised by the unit."""
SHOWN = {"loading": "running", "ready": "running", "finishing": "finishing"}
OVERFLOW = "The model's numbers overflowed in {precision}. Use another precision: float32 or bfloat16."


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work on the device."""

    kind: str
    """load, encode, evaluation, tokens or chunk."""
    stage_ids: tuple[int, ...]
    size: int = 1
    """Items of an evaluation, points of a chunk."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all jobs of a device share."""

    manager: GPUManager
    forecast: Forecast
    exchange: Exchange
    surfaces: Surfaces
    background: Executor
    before: Before


@dataclass
class Job:
    """One stage on the device, or on its way there."""

    tools: Tools
    stage_id: int
    task: Task
    order: Order
    state: str = "new"
    """new, reading, waiting (for memory), loading, ready, parked (until it is alone), finishing."""
    fraction: float = 0.0
    lease: Lease | None = None
    future: Future[Any] | None = None
    waiting_since: float = 0.0
    shortages: int = 0
    offloaded: bool = False
    alone: bool = False
    """It goes on, or waits to go on, while nobody else is on the device."""
    progressed: bool = False
    """A unit of work that is not repeated was done since memory was last missing."""
    crashes: int = 0
    unit_bytes: int = 0
    """Of a unit of work, counted."""
    used_s: float = 0.0
    """Of the device, its share of batches."""
    started: float = field(default_factory=time.perf_counter)

    parts: ClassVar[tuple[str, ...]] = PARTS
    """What it needs of the model."""
    weight: ClassVar[float] = 4.0
    """Against sampling, which gains by waiting: the next items join its batch meanwhile. The others end sooner."""

    def __post_init__(self) -> None:
        self.spec = cast(DeviceSpec, parameters_of(spec_of(self.task.name), self.task.parameters))
        self.key = ModelKey(self.spec.place, self.spec.precision, self._vae(), self._compiled())

    def _vae(self) -> str:
        return ""

    def _compiled(self) -> bool:
        return False

    @property
    def pipe(self) -> Hunyuan3DPipeline:
        """The model."""
        return cast(PipelineWeights, self.tools.manager.model(self.key)).pipe

    @property
    def model(self) -> str:
        """Its name in forecasts."""
        compiled = " compiled" if self.key.compiled else ""
        return f"{self.key.vae or self.key.place} {self.key.precision}{compiled}"

    @property
    def group(self) -> Hashable:
        """Jobs of one group share the device as one."""
        return (self.task.name, self.key)

    @property
    def counts(self) -> Counts:
        """Sizes of its model's tensors."""
        return Counts(self.pipe.settings, self.pipe.dtype.itemsize)

    @property
    def lease_parts(self) -> tuple[PartKey, ...]:
        """The weights that it needs."""
        return tuple(PartKey(self.key, part) for part in self.parts)

    def begin(self) -> None:
        """Open the model and read the inputs, in the background where that takes long."""

    @property
    def holds_device(self) -> bool:
        """Whether its result is still on the device, to be taken off it."""
        return False

    def counted(self) -> Need:
        """Bytes beside the weights by the sizes of tensors."""
        return Need(0, 0)

    def need(self) -> Need:
        """Bytes beside the weights, as far as is known from measuring."""
        counted = self.counted()
        self.unit_bytes = counted.unit
        return self.corrected(counted)

    def corrected(self, counted: Need) -> Need:
        """A count with what was measured of such work."""
        return Need(counted.held, self.tools.forecast.bytes_for(self.task.name, self.model, counted.unit))

    def seconds(self) -> float | None:
        """Time on the device for all of it, forecast."""
        return None

    def learn(self, unit: Unit, seconds: float, needed: int | None) -> None:
        """Note what a unit of work, shared by `unit.size` jobs alike, took."""
        self.tools.forecast.learn_seconds(self.task.name, self.model, unit.size, seconds)
        self.tools.forecast.learn_bytes(self.task.name, self.model, self.unit_bytes * unit.size, needed)

    def unit(self) -> Unit:
        """What comes next."""
        return Unit("load", (self.stage_id,))

    def run(self) -> bool:
        """Do it; True when the device is done with the job."""
        raise NotImplementedError

    def finish(self) -> Done:
        """The result, stored; runs in the background."""
        raise NotImplementedError

    def smaller(self) -> bool:
        """Take less memory for the next unit of work, by a smaller chunk; False at the end of what can be."""
        return False

    def shortage(self, error: GPUMemoryError | None) -> GPUMemoryError:
        """What is said when the memory does not suffice."""
        sentence = error.detail if error is not None else "The device ran out of memory, also with all else put off it."
        members = dict(error.members) if error is not None else {"budget_bytes": self.tools.manager.budget}
        way_out, fits = self.fits()
        return GPUMemoryError(f"{self.task.name}: {sentence} {way_out}", **{**members, "fits": fits})

    def fits(self) -> tuple[str, dict[str, Any]]:
        """What would suffice, in words and as parameters."""
        if self.spec.precision == "float32" and self.pipe.device.type != "cpu":
            return "Half precision (float16) needs half of it.", {"precision": "float16"}
        return "Use a smaller model, or a device with more memory.", {}

    def active(self) -> Active:
        """What a report says of it."""
        known = self.lease is not None and self.state != "finishing"
        return Active(
            stage_id=self.stage_id,
            name=self.task.name,
            model=self.spec.model,
            state=SHOWN.get(self.state, "waiting"),
            fraction=self.fraction,
            needed_bytes=self.lease.working if self.lease is not None else None,
            needed_s=self.seconds() if known else None,
        )

    def drop(self) -> None:
        """Let go of everything on the device."""
        if self.lease is not None:
            self.lease.give_back()
            self.lease = None

    def stored(self, result: Result) -> Done:
        """Put the result away."""
        seconds = round(time.perf_counter() - self.started, 6)
        blob, size_bytes = self.tools.exchange.store(self.task, result)
        return Done(blob, size_bytes, result.report, seconds)

    def report(self) -> dict[str, Any]:
        """What every result says of how it was made."""
        found: dict[str, Any] = {"device": str(self.pipe.device), "device_s": round(self.used_s, 6)}
        return found | ({"memory_retries": self.shortages} if self.shortages else {})


class LoadJob(Job):
    """Bring all weights of a model to the device."""

    spec: ModelLoad

    def begin(self) -> None:
        self.tools.manager.model(self.key)

    def finish(self) -> Done:
        sizes = {part.part: self.tools.manager.model(self.key).part_bytes(part.part) for part in self.lease_parts}
        return self.stored(Result(None, {"model": self.spec.model, "parts": sizes, "bytes": sum(sizes.values())}))


class EncodeJob(Job):
    """A picture, or views of one object, to condition tokens."""

    spec: ShapeEncode
    parts: ClassVar[tuple[str, ...]] = ("encoder",)
    _tokens: Tensor | None = None

    def begin(self) -> None:
        pipe = self.pipe
        self.future = self.tools.background.submit(lambda: self._read(pipe))

    def _read(self, pipe: Hunyuan3DPipeline) -> Preprocessed:
        pictures = [_picture(self.tools.exchange.read(part)) for part in self.task.inputs]
        if self.spec.views:
            return pipe.preprocess(dict(zip(self.spec.views, pictures, strict=True)))
        return pipe.preprocess(pictures[0])

    def counted(self) -> Need:
        return self.counts.encode(len(self.task.inputs))

    def seconds(self) -> float | None:
        return self.tools.forecast.seconds_for(self.task.name, self.model, 1)

    def unit(self) -> Unit:
        return Unit("encode", (self.stage_id,))

    def run(self) -> bool:
        assert self.future is not None
        self._tokens = self.pipe.encode(self.future.result())
        return True

    @property
    def holds_device(self) -> bool:
        return self._tokens is not None

    def finish(self) -> Done:
        assert self._tokens is not None
        tokens = self._tokens[0].cpu()
        self._tokens = None
        require_finite(tokens, self.spec.precision)
        kept = tokens.float() if tokens.dtype == torch.bfloat16 else tokens
        return self.stored(Result(ConditionTokens(kept.numpy()), self.report()))

    def drop(self) -> None:
        self._tokens = None
        super().drop()


class SampleJob(Job):
    """Condition tokens to latents. Its evaluations are those of the sampler that it joins."""

    spec: ShapeSample
    parts: ClassVar[tuple[str, ...]] = ("denoiser",)
    weight: ClassVar[float] = 1.0
    _item: Item | None = None
    _count = 0

    def _compiled(self) -> bool:
        return self.spec.compiled

    @property
    def group(self) -> Hashable:
        alone = self.stage_id if self.spec.deterministic else None
        return (self.task.name, self.key, self._count, alone)

    @property
    def item(self) -> Item:
        """Where it stands."""
        assert self._item is not None
        return self._item

    def begin(self) -> None:
        value: ConditionTokens = self.tools.exchange.read(self.task.inputs[0])
        spec = self.spec
        wish = Wish(spec.num_inference_steps, spec.guidance_scale, spec.seed, spec.deterministic)
        # A copy: torch warns about arrays that cannot be written to.
        tokens = torch.from_numpy(np.array(value.tokens))[None]
        self._count = tokens.shape[1]
        self._item = Item(self.pipe, tokens, wish)

    def unit(self) -> Unit:
        return Unit("evaluation", (self.stage_id,))

    def counted(self) -> Need:
        return self.counts.sample(self._count, self.spec.num_inference_steps)

    def seconds(self) -> float | None:
        return self.tools.forecast.seconds_for(self.task.name, self.model, self.item.plan.num_evaluations)

    @property
    def holds_device(self) -> bool:
        return self._item is not None and self._item.running

    def finish(self) -> Done:
        latents = self.item.latents[0].cpu()
        self.item.forget()
        require_finite(latents, self.spec.precision)
        report = self.report() | {"evaluations": self.item.evaluations, "largest_batch": self.item.largest_batch}
        return self.stored(Result(Latents(latents.numpy()), report))

    def drop(self) -> None:
        if self._item is not None:
            self._item.forget()
        super().drop()


def _picture(found: Subject) -> Image.Image:
    alpha = np.rint(found.alpha * 255).astype(np.uint8)
    return Image.fromarray(np.dstack([found.rgb, alpha]))


def require_finite(values: Tensor, precision: str) -> None:
    """Refuse a result with numbers that are none."""
    if not bool(torch.isfinite(values).all()):
        raise InternalError(OVERFLOW.format(precision=precision))
