"""A plan run in this process without rows: what `orfeas generate` does."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orfeas.config import Config
from orfeas.domain.stages import Queue
from orfeas.errors import AssetGoneError, OrfeasError
from orfeas.jobs.child import STAGES
from orfeas.jobs.gpu_child import DEVICE_MODULE
from orfeas.jobs.plan import Node, Plan
from orfeas.stages.device import DeviceSettings, Order, Progress
from orfeas.stages.runner import Runner
from orfeas.stages.task import Done, Task, TaskInput
from orfeas.storage.blobs import Storage


@dataclass(frozen=True, slots=True)
class InlineProgress:
    """`percent` of the whole, and the stage at work."""

    percent: float
    stage: str


@dataclass(frozen=True, slots=True)
class InlineResult:
    """The plan's files by name, and each stage's report by its name."""

    files: list[tuple[str, bytes]]
    reports: dict[str, dict[str, Any]]


class InlineRunner:
    """Runs the stages of a plan one after the other; those of a model on a device of this process, if there is one."""

    def __init__(
        self,
        blobs: Storage,
        *,
        modules: tuple[str, ...] = STAGES,
        config: Config | None = None,
        device: DeviceSettings | None = None,
    ) -> None:
        self._blobs, self._modules, self._config, self._device = blobs, modules, config, device

    def run(
        self, plan: Plan, *, sources: Mapping[str, bytes], on_progress: Callable[[InlineProgress], None]
    ) -> InlineResult:
        """Run everything; raises what a stage raises. `sources` are the bytes of the plan's blobs by hash."""
        for module in self._modules:
            importlib.import_module(module)
        for data in sources.values():
            self._blobs.put(data)
        runner, made = Runner(self._blobs, config=self._config), dict[str, Done]()
        nodes = plan.nodes()
        total = sum(node.spec.weight for node in nodes)
        before = 0
        with _Device(self._device, self._blobs) as device:
            for node in nodes:
                run = device.run if (node.queue or node.spec.queue) is Queue.GPU else runner.run
                made[node.fingerprint] = run(_task(node, made), _share(node, before, total, on_progress))
                before += node.spec.weight
        return InlineResult(
            files=[(out.filename, self._blobs.read(made[out.node.fingerprint].blob or "")) for out in plan.outputs],
            reports=_reports(nodes, made),
        )


class _Device:
    """The device, opened when it is first needed."""

    def __init__(self, settings: DeviceSettings | None, blobs: Storage) -> None:
        self._settings, self._blobs = settings, blobs
        self._opened: Any = None

    def __enter__(self) -> _Device:
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def run(self, task: Task, on_progress: Callable[[float], None]) -> Done:
        """Run one stage to its end; raises what it ended with."""
        if self._opened is None:
            self._opened = importlib.import_module(DEVICE_MODULE).Device(self._settings, self._blobs)
        self._opened.submit(1, task, Order())
        while True:
            for event in self._opened.step():
                if isinstance(event, Progress):
                    on_progress(event.fraction)
                elif isinstance(event.outcome, Done):
                    return event.outcome
                elif isinstance(event.outcome, OrfeasError):
                    raise event.outcome
                else:
                    raise AssetGoneError("A file of this run is gone.")


def _share(
    node: Node, before: int, total: int, on_progress: Callable[[InlineProgress], None]
) -> Callable[[float], None]:
    def report(fraction: float) -> None:
        on_progress(InlineProgress(100.0 * (before + node.spec.weight * fraction) / total, node.spec.name))

    report(0.0)
    return report


def _reports(nodes: Sequence[Node], made: Mapping[str, Done]) -> dict[str, dict[str, Any]]:
    """By stage name, with the seconds; a stage that runs again is `mesh.analyze#2`, as in the results of jobs."""
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        done, name = made[node.fingerprint], node.spec.name
        before = sum(key.partition("#")[0] == name for key in found)
        found[f"{name}#{before + 1}" if before else name] = {**done.report, "seconds": done.seconds}
    return found


def _task(node: Node, made: Mapping[str, Done]) -> Task:
    return Task(
        fingerprint=node.fingerprint,
        name=node.spec.name,
        parameters=node.parameters,
        inputs=tuple(
            TaskInput(part.fingerprint, made[part.fingerprint].blob, part.spec.name, made[part.fingerprint].report)
            if isinstance(part, Node)
            else TaskInput(part.fingerprint, part.blob, None, None)
            for part in node.inputs
        ),
        durable=False,
    )
