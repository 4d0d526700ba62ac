"""Continuous batching: the batch is formed anew for every evaluation of the denoiser.

Each item keeps its own schedule, step, guidance and noise, so it joins, leaves and ends on its own, and gets what it
would get alone. The idea is that of iteration-level scheduling for language models: G.-I. Yu et al., "Orca", OSDI 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline
from orfeas.gpu.hunyuan3d.denoiser import Denoiser, Times
from orfeas.gpu.hunyuan3d.guidance import Prepared, guided_velocity, prepare_guidance
from orfeas.gpu.hunyuan3d.sampling import Modulations
from orfeas.gpu.hunyuan3d.schedulers import Schedule, schedule


@dataclass(frozen=True, slots=True)
class Wish:
    """What one request asks of the denoiser."""

    num_inference_steps: int
    guidance_scale: float | None
    seed: int
    deterministic: bool = False


@dataclass(slots=True)
class _Running:
    """What an item has on the device."""

    prepared: Prepared
    modulations: Modulations
    latents: Tensor


class Item:
    """One request on its way from noise to latents.

    Parameters
    ----------
    pipe
        The model; its denoiser has to be loaded whenever the item is evaluated.
    tokens : (1, T, D)
        The condition, on any device.
    wish
        Steps, guidance and seed.
    """

    def __init__(self, pipe: Hunyuan3DPipeline, tokens: Tensor, wish: Wish) -> None:
        self.pipe = pipe
        self.wish = wish
        self.plan: Schedule = schedule(pipe.settings.scheduler, wish.num_inference_steps)
        self.step = 0
        """Steps that are done, those of width zero included."""
        self.evaluations = 0
        self.largest_batch = 0
        self._tokens: Tensor | None = tokens
        self._running: _Running | None = None
        self._skip_zero_steps()

    @property
    def steps(self) -> int:
        """All steps of the schedule."""
        return self.plan.num_inference_steps

    @property
    def done(self) -> bool:
        """Whether the latents are final."""
        return self.step >= self.steps and self._running is not None

    @property
    def running(self) -> bool:
        """Whether it has something on the device."""
        return self._running is not None

    @property
    def latents(self) -> Tensor:
        """Latents [1, L, C] after the steps so far."""
        assert self._running is not None
        return self._running.latents

    def start(self, denoiser: Denoiser, shared: SharedModulations) -> _Running:
        """What all evaluations need, made at the first one."""
        if self._running is None:
            assert self._tokens is not None
            savings, device = self.pipe.savings, self.pipe.device
            prepared = prepare_guidance(denoiser, self._tokens.to(device), savings)
            modulations = shared.of(denoiser, self.pipe, self.plan, self.wish.guidance_scale)
            self._running = _Running(prepared, modulations, self.pipe.noise([self.wish.seed]))
            self._tokens = None
        return self._running

    def advance(self, velocity: Tensor, batch: int) -> None:
        """Take the step that the velocity [1, L, C] was evaluated for."""
        assert self._running is not None
        self._running.latents = self.plan.step(self._running.latents, velocity, self.step)
        self.step += 1
        self.evaluations += 1
        self.largest_batch = max(self.largest_batch, batch)
        self._skip_zero_steps()

    def forget(self) -> None:
        """Let go of everything on the device."""
        self._running = self._tokens = None

    def _skip_zero_steps(self) -> None:
        if not self.pipe.savings.skip_zero_steps:
            return
        while self.step < self.steps and self.plan.widths[self.step] == 0:
            self.step += 1


class SharedModulations:
    """Modulations of whole schedules, one for all items that go through the same times with the same scale."""

    def __init__(self) -> None:
        self._made: WeakValueDictionary[tuple[int, float | None], Modulations] = WeakValueDictionary()

    def of(self, denoiser: Denoiser, pipe: Hunyuan3DPipeline, plan: Schedule, scale: float | None) -> Modulations:
        """The modulations of one item."""
        key = (plan.num_inference_steps, scale if denoiser.guidance_embed else None)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Modulations(denoiser, plan, [scale], pipe.device, pipe.savings)
        return found


class Sampler:
    """Evaluates batches of items that share a model and their numbers of tokens; `limit` is its largest batch."""

    def __init__(self, pipe: Hunyuan3DPipeline, limit: int) -> None:
        self.pipe = pipe
        self.most = limit
        self.limit = limit
        self.items: dict[int, Item] = {}
        self._shared = SharedModulations()
        self._joined: tuple[tuple[int, ...], Prepared] | None = None
        self._calm = 0

    def add(self, number: int, item: Item) -> None:
        """Let an item join at the next evaluation."""
        self.items[number] = item

    def remove(self, number: int) -> Item | None:
        """Take an item out, with all that the device holds of it."""
        item = self.items.pop(number, None)
        if self._joined is not None and number in self._joined[0]:
            self._joined = None
        if not self.items:
            self.limit = self.most
        return item

    def shrink(self, batch: int) -> bool:
        """After a batch was too large: smaller ones from now on. False when it was one item."""
        if batch <= 1:
            return False
        self.limit, self._calm, self._joined = max(batch // 2, 1), 0, None
        return True

    @torch.inference_mode()
    def evaluate(self, numbers: Sequence[int]) -> None:
        """One step of each of these items, in one evaluation. Nothing has changed when it raises."""
        items = [self.items[number] for number in numbers]
        with self.pipe.denoiser.use() as denoiser:
            running = [item.start(denoiser, self._shared) for item in items]
            prepared = self._join(numbers, running)
            times = Times.cat([part.modulations.at(item.step) for part, item in zip(running, items, strict=True)])
            latents = torch.cat([part.latents for part in running]) if len(items) > 1 else running[0].latents
            scales = [item.wish.guidance_scale for item in items]
            with _reproducible(items[0].wish.deterministic):
                velocity = guided_velocity(denoiser, latents, prepared, times, scales, self.pipe.savings)
        for item, row in zip(items, torch.split(velocity, 1), strict=True):
            item.advance(row, len(items))
        self._recover(len(items))

    def _join(self, numbers: Sequence[int], running: Sequence[_Running]) -> Prepared:
        """The conditions as one batch; the copy is kept as long as the same items go on."""
        if len(numbers) == 1:
            self._joined = None
            return running[0].prepared
        key = tuple(numbers)
        if self._joined is None or self._joined[0] != key:
            self._joined = None  # before the next one is made: never two copies
            self._joined = (key, Prepared.cat([part.prepared for part in running]))
        return self._joined[1]

    def _recover(self, batch: int) -> None:
        """Try larger batches again after a while: memory that others had may be free."""
        if self.limit < self.most and batch == self.limit:
            self._calm += 1
            if self._calm >= CALM_EVALUATIONS:
                self.limit, self._calm = self.limit + 1, 0


CALM_EVALUATIONS = 64


class _reproducible:  # noqa: N801 - used like a function
    """Algorithms that add in the same order every time, where torch has them."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._before = False

    def __enter__(self) -> None:
        if self._wanted:
            self._before = torch.are_deterministic_algorithms_enabled()
            torch.use_deterministic_algorithms(True, warn_only=True)

    def __exit__(self, *_: object) -> None:
        if self._wanted:
            torch.use_deterministic_algorithms(self._before)
