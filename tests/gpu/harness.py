"""A device on the tiny checkpoints, the stages to send to it, and what the pipeline makes of the same request alone."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial import cKDTree

from orfeas.domain.specs import SPECS
from orfeas.domain.stages import StageSpec
from orfeas.geometry.subject import Subject
from orfeas.gpu.device import Device
from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline
from orfeas.gpu.surfaces import Surfaces
from orfeas.gpu.values import ConditionTokens, Latents
from orfeas.stages.device import DeviceSettings, Ended, Event, Order, Progress
from orfeas.stages.task import Done, Task, TaskInput
from orfeas.stages.values import decode, encode
from orfeas.storage.blobs import FolderStorage
from tests.gpu.hunyuan3d.golden import BASE, INPUTS, MODELS, MULTIVIEW, TURBO, V21

PLACES = {name: "/".join(place) for name, place in {"base": BASE, "turbo": TURBO, "mv": MULTIVIEW, "v21": V21}.items()}
PICTURES = tuple(INPUTS / f"input_{number}.png" for number in range(3))
torch.set_num_threads(1)  # the processors are few and the tensors small
gc.freeze()  # collections need not look at all that was imported
NOW = 1_700_000_000.0


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    variant: str = "base"
    picture: int = 0
    steps: int = 4
    guidance: float | None = 5.0
    seed: int = 0
    octree: int = 16
    method: str = "dense"
    deterministic: bool = False
    level: float = 0.0

    @property
    def views(self) -> dict[str, Path] | None:
        if self.variant != "mv":
            return None
        return {name: PICTURES[(self.picture + i) % 3] for i, name in enumerate(("front", "left", "back"))}


@cache
def pipe_of(variant: str) -> Hunyuan3DPipeline:
    """The pipeline itself."""
    repo, _, subfolder = PLACES[variant].rpartition("/")
    return Hunyuan3DPipeline.from_pretrained(MODELS, repo, subfolder)


@cache
def solo_tokens(request: Request) -> torch.Tensor:
    pipe = pipe_of(request.variant)
    return pipe.encode(pipe.preprocess(request.views or PICTURES[request.picture]))


def solo_latents(request: Request) -> torch.Tensor:
    """Latents of a request that is alone."""
    tokens = solo_tokens(Request(request.variant, request.picture))
    settings = {"num_inference_steps": request.steps, "guidance_scale": request.guidance, "seeds": [request.seed]}
    return pipe_of(request.variant).sample(tokens, **settings)


def solo_mesh(request: Request, latents: torch.Tensor) -> Any:
    """The mesh of a request that is alone; raises its EmptySurfaceError."""
    pipe = pipe_of(request.variant)
    grid = pipe.volume(pipe.decode_latents(latents), request.octree, method=request.method)
    return pipe.extract(grid, request.level)


@dataclass
class Clock:
    """A time that passes only when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Sends stages to a device and collects what it tells."""

    device: Device
    blobs: FolderStorage
    events: list[Event] = field(default_factory=list)
    ended: dict[int, Any] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    last: int = 0

    @classmethod
    def on(
        cls, folder: Path, surfaces: Surfaces | None = None, *, before: Any = None, clock: Any = None, **settings: Any
    ) -> Client:
        """A device with its blobs in a folder."""
        blobs = FolderStorage(folder)
        options = {"surfaces": surfaces, "before": before, "clock": clock or time.time}
        return cls(Device(DeviceSettings(MODELS, **settings), blobs, **options), blobs)

    def submit(self, spec: StageSpec, inputs: Iterable[TaskInput] = (), order: Order | None = None) -> int:
        """Send a stage."""
        self.last += 1
        name = hashlib.sha256(f"{self.last} {spec}".encode()).hexdigest()
        task = Task(name, spec.name, spec.parameters(), tuple(inputs), durable=False)
        self.tasks[self.last] = task
        self.device.submit(self.last, task, order or Order(wanted_at=NOW + self.last))
        return self.last

    def picture(self, path: Path) -> TaskInput:
        """A prepared picture with exactly these pixels."""
        pixels = np.asarray(Image.open(path).convert("RGBA"))
        subject = Subject(pixels[..., :3], pixels[..., 3].astype(np.float32) / np.float32(255), True)
        return self._input("image.prepare", subject)

    def empty_picture(self) -> TaskInput:
        """A prepared picture in which nothing is opaque."""
        nothing = Subject(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), False)
        return self._input("image.prepare", nothing)

    def tokens(self, request: Request) -> TaskInput:
        """The condition tokens of a request, as another process left them."""
        tokens = solo_tokens(Request(request.variant, request.picture))[0].numpy()
        return self._input("shape.encode", ConditionTokens(tokens))

    def latents(self, latents: torch.Tensor) -> TaskInput:
        """Latents, as another process left them."""
        return self._input("shape.sample", Latents(latents[0].numpy()))

    def _input(self, maker: str, value: Any) -> TaskInput:
        blob = self.blobs.put(encode(value))
        return TaskInput(blob, blob, maker, None)

    def encode(self, request: Request, **order: Any) -> int:
        views = request.views or {"": PICTURES[request.picture]}
        names = tuple(views) if request.views else ()
        spec = self.spec("shape.encode", request, views=names)
        return self.submit(spec, [self.picture(path) for path in views.values()], _order(self, order))

    def sample(self, request: Request, source: TaskInput | None = None, **order: Any) -> int:
        spec = self.spec(
            "shape.sample",
            request,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            seed=request.seed,
            deterministic=request.deterministic,
        )
        return self.submit(spec, [source or self.tokens(request)], _order(self, order))

    def decode(self, request: Request, source: TaskInput | None, **order: Any) -> int:
        members = {"octree_resolution": request.octree, "method": request.method, "mc_level": request.level}
        assert source is not None
        return self.submit(self.spec("shape.decode", request, **members), [source], _order(self, order))

    def spec(self, name: str, request: Request, **members: Any) -> StageSpec:
        return SPECS[name](model=request.variant, place=PLACES[request.variant], **members)  # type: ignore[call-arg]

    def step(self) -> list[Event]:
        """One unit of work; its events are kept too."""
        events = self.device.step()
        self.events += events
        self.ended |= {event.stage_id: event.outcome for event in events if isinstance(event, Ended)}
        return events

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Work until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"still not after {seconds} s; on the device: {self.device.report()}"
            self.step()

    def finish(self, *stages: int) -> list[Any]:
        """Work until these stages, or all, have ended; their outcomes."""
        self.until(lambda: all(stage in self.ended for stage in stages) if stages else self.device.idle)
        return [self.ended[stage] for stage in stages]

    def made(self, stage: int) -> TaskInput:
        """What a stage made, as the next one gets it."""
        (done,) = self.finish(stage)
        assert isinstance(done, Done), done
        task = self.tasks[stage]
        return TaskInput(task.fingerprint, done.blob, task.name, None)

    def value(self, stage: int) -> Any:
        """What a stage stored."""
        blob = self.made(stage).blob
        assert blob is not None
        return decode(self.blobs.read(blob))

    def progress(self, stage: int) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress) and event.stage_id == stage]


def _order(client: Client, members: dict[str, Any]) -> Order:
    return replace(Order(wanted_at=NOW + client.last), **members)


def assert_same_mesh(found: Any, expected: Any, octree: int) -> None:
    """The same surface up to rounding: a value next to the level may have another sign."""
    assert len(found.faces) == pytest.approx(len(expected.faces), rel=0.01)
    near = 0.05 * 2.02 / octree
    assert cKDTree(expected.vertices).query(found.vertices)[0].max() < near
    assert cKDTree(found.vertices).query(expected.vertices)[0].max() < near
