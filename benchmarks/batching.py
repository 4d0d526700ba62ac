"""Many clients of one device: continuous batching against one request at a time and against fixed batches.

Each client sends a picture, waits for its mesh and sends the next, at once or (`spaced`) after a random time. All three
ways run on the same device object with the same weights in one process; only the moment differs at which a request is
let onto the device. Weights are random; volumes are decoded at the network's cost with its answers replaced by a torus.
The default is a size at which calls cost more than arithmetic, so that a processor says something about batches; on a
GPU: `--device cuda:0 --size mini-turbo --precision bfloat16 --steps 5 --octree 256 --threads 8`.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from benchmarks import checkpoints
from benchmarks.fields import logits, torus
from benchmarks.report import RESULTS, Goal, Ratio, document, machine, median, percentile, write
from orfeas.domain.specs import DeviceSpec, ModelLoad, ShapeDecode, ShapeEncode, ShapeSample
from orfeas.domain.stages import StageSpec
from orfeas.geometry.subject import Subject
from orfeas.gpu.device import Device
from orfeas.gpu.hunyuan3d import pipeline, volume
from orfeas.stages.device import DeviceSettings, Ended, Order
from orfeas.stages.task import Done, Task, TaskInput
from orfeas.stages.values import encode
from orfeas.storage.blobs import FolderStorage

CLIENTS = (1, 2, 4, 8, 16)
FIXED_BATCH = 8
WAYS = ("one_at_a_time", "fixed", "continuous")
SPACED_CLIENTS, SPACE = 4, 3.0
"""Clients that think for so many times what a request takes alone: the device is about busy with one at a time."""
TARGET_CLIENTS, TARGET_SPEEDUP, TARGET_BUSY, TARGET_PEAK_MB = 8, 1.8, 0.75, 8000.0
"""On a GPU, for the small turbo model."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What every request asks for; step counts take turns."""

    place: str
    precision: str
    steps: tuple[int, ...]
    octree: int
    rounds: int


@dataclass(slots=True)
class Request:
    """One mesh for one client."""

    client: int
    steps: int
    seed: int
    sent: float
    done: int = 0
    """Stages that have ended."""


@dataclass
class Found:
    """What one way found for one number of clients."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    busy_s: float = 0.0
    executions: int = 0
    inferences: int = 0
    most_on_device: int = 0

    def add(self, other: Found) -> None:
        """Count another run in."""
        self.latencies += other.latencies
        self.seconds += other.seconds
        self.busy_s += other.busy_s
        self.executions += other.executions
        self.inferences += other.inferences
        self.most_on_device = max(self.most_on_device, other.most_on_device)

    @property
    def per_minute(self) -> float:
        """Meshes."""
        return 60 * len(self.latencies) / self.seconds


class Server:
    """A device and the requests on it, each stage sent when the one before it has ended."""

    def __init__(self, device: Device, blobs: FolderStorage, settings: Settings) -> None:
        self.device = device
        self.settings = settings
        self._picture = blobs.put(encode(picture()))
        self._numbers = count(1)
        self.on_device: dict[int, Request] = {}

    def start(self, request: Request) -> None:
        """Let a request onto the device."""
        self._send(request, ShapeEncode, TaskInput(self._picture, self._picture, "image.prepare", None))

    def step(self) -> list[Request]:
        """One unit of work; the requests that are done with it."""
        finished = []
        for event in self.device.step():
            if isinstance(event, Ended):
                request = self.on_device.pop(event.stage_id)
                if not isinstance(event.outcome, Done):
                    raise RuntimeError(f"a stage ended with {event.outcome!r}")
                finished += [request] if self._next(request, event.outcome) else []
        return finished

    def _next(self, request: Request, done: Done) -> bool:
        request.done += 1
        if request.done == 3:
            return True
        made = TaskInput(str(done.blob), done.blob, ("shape.encode", "shape.sample")[request.done - 1], None)
        self._send(request, (ShapeSample, ShapeDecode)[request.done - 1], made)
        return False

    def _send(self, request: Request, kind: type[DeviceSpec], source: TaskInput) -> None:
        number, settings = next(self._numbers), self.settings
        members: dict[str, Any] = {"model": "bench", "place": settings.place, "precision": settings.precision}
        if kind is ShapeSample:
            members |= {"num_inference_steps": request.steps, "seed": request.seed}
        if kind is ShapeDecode:
            members |= {"octree_resolution": settings.octree}
        self.on_device[number] = request
        self.device.submit(number, task(kind(**members), source, number), Order(wanted_at=request.sent))

    def load(self) -> None:
        """Bring the weights there, and run one request so that nothing is done for the first time."""
        spec = ModelLoad(model="bench", place=self.settings.place, precision=self.settings.precision)
        self.device.submit(0, task(spec, None, 0), Order())
        while not self.device.idle:
            self.device.step()
        self.start(Request(0, 2, 0, time.time()))
        while self.on_device:
            self.step()


def task(spec: StageSpec, source: TaskInput | None, number: int) -> Task:
    """A stage that no other equals."""
    name = hashlib.sha256(f"{number} {time.time_ns()}".encode()).hexdigest()
    return Task(name, spec.name, spec.parameters(), (source,) if source else (), durable=False)


def picture() -> Subject:
    """A disc on a transparent ground."""
    rows, columns = np.mgrid[:512, :512]
    disc = (np.hypot(rows - 256, columns - 256) < 200).astype(np.float32)
    rgb = np.stack([rows // 2, columns // 2, 255 - rows // 2], axis=-1).astype(np.uint8)
    return Subject(rgb, disc, True)


class Clients:
    """Each sends a request, waits for its mesh, thinks and sends the next one."""

    def __init__(self, number: int, settings: Settings, think_s: float) -> None:
        self._steps, self._seeds, self._random = cycle(settings.steps), count(), Random(0)
        self._think_s = think_s
        self._left = [settings.rounds] * number
        self._thinking: list[tuple[float, int]] = []
        self.waiting: deque[Request] = deque()
        for client in range(number):
            self.think(client)

    def think(self, client: int) -> None:
        """Send the next request, if one is left, after a random time."""
        if self._left[client]:
            self._left[client] -= 1
            pause = self._random.expovariate(1 / self._think_s) if self._think_s else 0.0
            heappush(self._thinking, (time.time() + pause, client))

    def send(self) -> None:
        """Whoever has thought enough sends."""
        while self._thinking and self._thinking[0][0] <= time.time():
            at, client = heappop(self._thinking)
            self.waiting.append(Request(client, next(self._steps), next(self._seeds), at))

    @property
    def done(self) -> bool:
        """Whether nothing is left to send or to let onto the device."""
        return not self._thinking and not self.waiting


def run(server: Server, way: str, number: int, think_s: float = 0.0) -> Found:
    """All requests of some clients."""
    clients, found, before = Clients(number, server.settings, think_s), Found(), server.device.report()
    patience_s = think_s or float("inf")
    started = time.perf_counter()
    while not clients.done or server.on_device:
        clients.send()
        for request in let_on(way, clients.waiting, number, patience_s, busy=bool(server.on_device)):
            server.start(request)
        found.most_on_device = max(found.most_on_device, len(server.on_device))
        if not server.on_device:
            time.sleep(0.0005)
            continue
        for request in server.step():
            found.latencies.append(time.time() - request.sent)
            clients.think(request.client)
    found.seconds = time.perf_counter() - started
    after = server.device.report()
    found.busy_s = after.busy_s - before.busy_s
    found.executions = after.executions - before.executions
    found.inferences = after.inferences - before.inferences
    return found


def let_on(way: str, waiting: deque[Request], clients: int, patience_s: float, *, busy: bool) -> Iterator[Request]:
    """The requests that may go onto the device now; a fixed batch waits until it is full or its oldest is impatient."""
    number = len(waiting)
    if way == "one_at_a_time":
        number = min(1, number)
    elif way == "fixed":
        full = number >= min(FIXED_BATCH, clients)
        impatient = number > 0 and time.time() - waiting[0].sent > patience_s
        # Without pauses everybody who can come is there when the last batch has ended.
        number = min(FIXED_BATCH, number) if full or impatient or patience_s == float("inf") else 0
    if busy and way != "continuous":
        number = 0
    for _ in range(number):
        yield waiting.popleft()


def note(figures: dict[str, Goal], ratios: dict[str, Ratio], clients: int, found: dict[str, Found], gpu: bool) -> None:
    """Absolute figures of all ways and what continuous batching is worth against the others."""
    for way, each in found.items():
        name = f"{way}_{clients}"
        busy = each.busy_s / each.seconds
        target = gpu and (way, clients) == ("continuous", TARGET_CLIENTS)
        figures[f"{name}_throughput"] = Goal(each.per_minute, "1/min")
        figures[f"{name}_p50"] = Goal(median(each.latencies), "s")
        figures[f"{name}_p95"] = Goal(percentile(each.latencies, 0.95), "s")
        figures[f"{name}_busy"] = Goal(busy, "share", TARGET_BUSY if target else None, at_least=True)
        figures[f"{name}_batch"] = Goal(each.inferences / each.executions, "items")
        figures[f"{name}_most"] = Goal(each.most_on_device, "items", 6 if target else None, at_least=True)
        print(f"  {name:<24} {each.per_minute:8.1f}/min  busy {busy:.2f}", flush=True)
    ours = found["continuous"]
    for way in ("one_at_a_time", "fixed"):
        other = found[way]
        ratios[f"throughput_{clients}_over_{way}"] = Ratio(ours.per_minute / other.per_minute, "higher")
        late, theirs = (percentile(each.latencies, 0.95) for each in (ours, other))
        ratios[f"p95_{clients}_over_{way}"] = Ratio(late / theirs, "lower")
    if gpu and clients == TARGET_CLIENTS:
        speedup = ours.per_minute / found["one_at_a_time"].per_minute
        figures["speedup_8_clients"] = Goal(speedup, "times", TARGET_SPEEDUP, at_least=True)


def spaced(figures: dict[str, Goal], ratios: dict[str, Ratio], number: int, found: dict[str, Found]) -> None:
    """What requests wait that come one by one."""
    late = {way: percentile(each.latencies, 0.95) for way, each in found.items()}
    for way, each in found.items():
        figures[f"{way}_{number}_spaced_p50"] = Goal(median(each.latencies), "s")
        figures[f"{way}_{number}_spaced_p95"] = Goal(late[way], "s")
        figures[f"{way}_{number}_spaced_throughput"] = Goal(each.per_minute, "1/min")
    for way in ("one_at_a_time", "fixed"):
        ratios[f"spaced_p95_{number}_over_{way}"] = Ratio(late["continuous"] / late[way], "lower")


def all_ways(server: Server, number: int, think_s: float = 0.0) -> dict[str, Found]:
    """There and back, so that a machine that slows down does so for all."""
    found = {way: Found() for way in WAYS}
    for way in (*WAYS, *reversed(WAYS)):
        found[way].add(run(server, way, number, think_s))
    return found


def measure(server: Server, clients: tuple[int, ...]) -> tuple[dict[str, Goal], dict[str, Ratio]]:
    """All ways for all numbers of clients."""
    figures: dict[str, Goal] = {}
    ratios: dict[str, Ratio] = {}
    gpu = server.device.report().kind != "cpu"
    server.load()
    alone_s = median(run(server, "one_at_a_time", 1).latencies)
    for number in clients:
        note(figures, ratios, number, all_ways(server, number), gpu)
    spaced(figures, ratios, SPACED_CLIENTS, all_ways(server, SPACED_CLIENTS, SPACE * alone_s))
    report = server.device.report()
    if report.memory_peak is not None:
        figures["memory_peak"] = Goal(report.memory_peak / 1e6, "MB", TARGET_PEAK_MB)
    figures["oom_retries"] = Goal(report.oom_retries, "times", 0)
    return figures, ratios


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS / "batching.json")
    parser.add_argument("--size", default="tiny", help="a variant of benchmarks/variants.py")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--steps", default="10,20,30", help="step counts that take turns, such as 5 or 4,8,16")
    parser.add_argument("--octree", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=4, help="requests of each client")
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)))
    parser.add_argument("--memory", type=int, help="bytes of the device to use in place of all")
    parser.add_argument("--models", type=Path, help="where checkpoints are made and kept; a temporary folder without")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    facts = machine() | {"torch": torch.__version__, "threads": torch.get_num_threads()} | {
        name: getattr(arguments, name) for name in ("size", "device", "precision", "steps", "octree", "rounds")
    }  # fmt: skip
    # The weights are random: their field has no surface worth the name.
    pipeline.decode_volume = partial(volume.decode_volume, replace=logits(torus))  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.models or Path(folder)
        checkpoints.write(root, arguments.size, seed=0)
        steps = tuple(int(each) for each in arguments.steps.split(","))
        place = "/".join(checkpoints.place(arguments.size))
        settings = Settings(place, arguments.precision, steps, arguments.octree, arguments.rounds)
        blobs = FolderStorage(Path(folder) / "data")
        device = Device(DeviceSettings(root, arguments.device, memory_bytes=arguments.memory), blobs)
        facts["device_name"] = device.report().name
        server = Server(device, blobs, settings)
        figures, ratios = measure(server, tuple(int(each) for each in arguments.clients.split(",")))
        device.close()
    write(arguments.output, document("batching", figures, ratios, facts))


if __name__ == "__main__":
    main()
