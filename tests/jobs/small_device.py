"""A device that counts: a real loop of steps over many stages, with stages that crash it, break it or never end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from orfeas.domain.stages import Produces, Queue, StageSpec
from orfeas.errors import GPUMemoryError
from orfeas.stages.device import Active, DeviceReport, DeviceSettings, Ended, Event, Order, Progress
from orfeas.stages.registry import implements
from orfeas.stages.task import Done, Task
from orfeas.stages.values import decode, encode
from orfeas.storage.blobs import Storage
from tests.jobs.engine_stages import Number

LEAK_BYTES = 300_000_000


@dataclass(frozen=True, slots=True)
class Count(StageSpec):
    """Adds 1 in each of `steps`; `kind` is count, crash, memory or break, which happens halfway, or leak."""

    name: ClassVar[str] = "test.count"
    queue: ClassVar[Queue] = Queue.GPU
    timeout_s: ClassVar[float] = 3.0
    num_inference_steps: int = 4
    step_s: float = 0.01
    kind: str = "count"
    salt: int = 0


@dataclass(frozen=True, slots=True)
class Load(StageSpec):
    """A command to the device."""

    name: ClassVar[str] = "model.load"
    queue: ClassVar[Queue] = Queue.GPU
    produces: ClassVar[Produces] = Produces.NOTHING
    model: str = "small"
    nonce: str = ""


@implements(Count)
def count(*inputs: Any, spec: Count, on_progress: Any) -> Number:
    """Never called: a cpu worker only has to know what kind of output it reads."""
    raise AssertionError("the device does this")


@dataclass
class _Item:
    task: Task
    order: Order
    step: int = 0


class Device:
    """Every step is one step of all items; a `log` in the data folder notes what was run together."""

    def __init__(self, settings: DeviceSettings, blobs: Storage) -> None:
        self._settings, self._blobs = settings, blobs
        self._items: dict[int, _Item] = {}
        self._events: list[Event] = []
        self._leaked: list[bytearray] = []
        self._batches: Counter[int] = Counter()
        self._log = Path(settings.model_dir) / "log"

    @property
    def idle(self) -> bool:
        return not self._items and not self._events

    def submit(self, stage_id: int, task: Task, order: Order) -> None:
        self._items[stage_id] = _Item(task, order)

    def cancel(self, stage_id: int) -> None:
        if self._items.pop(stage_id, None):
            self._events.append(Ended(stage_id, "cancelled"))

    def step(self) -> list[Event]:
        if self._items:
            self._batches[len(self._items)] += 1
            time.sleep(max(item.task.parameters.get("step_s", 0.0) for item in self._items.values()))
        for stage_id, item in list(self._items.items()):
            self._step(stage_id, item)
        events, self._events = self._events, []
        return events

    def _step(self, stage_id: int, item: _Item) -> None:
        parameters = item.task.parameters
        if item.task.name == "model.load":
            self._end(stage_id, Done(None, None, {"loaded": parameters["model"]}, 0.0))
            return
        steps = parameters["num_inference_steps"]
        item.step += 1
        if parameters["kind"] == "leak" and item.step == 1:
            self._leaked.append(bytearray(b"x") * LEAK_BYTES)
        if 2 * item.step >= steps and parameters["kind"] not in ("count", "leak"):
            self._trouble(stage_id, parameters["kind"])
        elif item.step < steps:
            self._events.append(Progress(stage_id, item.step / steps, item.step, steps))
        else:
            self._finish(stage_id, item)

    def _trouble(self, stage_id: int, kind: str) -> None:
        self._note({"died": len(self._items)})
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == "break":
            raise RuntimeError("the driver has gone")
        self._end(stage_id, GPUMemoryError("It would fit with octree_resolution 64."))

    def _finish(self, stage_id: int, item: _Item) -> None:
        total = item.step
        for part in item.task.inputs:
            data = self._blobs.read(part.blob or "")
            total += int(decode(data).digits[0]) if part.maker else len(data)
        data = encode(Number(np.array([total]), "count"))
        blob = self._blobs.put(data, durable=False)
        self._note({"finished": item.task.fingerprint, "salt": item.task.parameters["salt"]})
        self._end(stage_id, Done(blob, len(data), {"method": "counting"}, 0.01))

    def _end(self, stage_id: int, outcome: Any) -> None:
        del self._items[stage_id]
        self._events.append(Ended(stage_id, outcome))

    def _note(self, fact: dict[str, Any]) -> None:
        with self._log.open("a") as log:
            log.write(json.dumps(fact) + "\n")

    def close(self) -> None:
        self._note({"closed": True})

    def report(self) -> DeviceReport:
        active = tuple(Active(number, item.task.name, "small", "running", 0.0) for number, item in self._items.items())
        return DeviceReport(
            "cpu", "cpu", "small device", 1000, 800, 0, None, None, None, 0.0, (), active, dict(self._batches)
        )
