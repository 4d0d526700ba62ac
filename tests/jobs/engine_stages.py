"""Stages that only tests run: they add, refuse, crash, hang and eat memory. Plans of them are built by `node`."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from orfeas.domain.stages import Keep, Produces, Queue, StageSpec
from orfeas.errors import OpenMeshError, ResultInvalidError
from orfeas.jobs.plan import Node, Output, Plan, Source
from orfeas.stages.registry import Progress, Result, implements
from orfeas.stages.values import value_kind


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A value to hand over."""

    digits: np.ndarray[Any, Any]
    label: str = ""


value_kind("number", Number)


@dataclass(frozen=True, slots=True)
class Add(StageSpec):
    """Adds `amount` to its inputs."""

    name: ClassVar[str] = "test.add"
    amount: int = 1


@dataclass(frozen=True, slots=True)
class AddIo(StageSpec):
    """The same on the queue for work that waits."""

    name: ClassVar[str] = "test.add_io"
    queue: ClassVar[Queue] = Queue.IO
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Write(StageSpec):
    """Writes a number to a file."""

    name: ClassVar[str] = "test.write"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Check(StageSpec):
    """Measures a file; refuses one that holds `bad`."""

    name: ClassVar[str] = "test.check"
    produces: ClassVar[Produces] = Produces.NOTHING
    bad: str = "bad"


@dataclass(frozen=True, slots=True)
class Trouble(StageSpec):
    """Ends as `kind` says."""

    name: ClassVar[str] = "test.trouble"
    timeout_s: ClassVar[float] = 2.0
    kind: str = "refuse"
    salt: int = 0


@dataclass(frozen=True, slots=True)
class Slow(StageSpec):
    """Takes `seconds` and reports progress, or does not listen at all."""

    name: ClassVar[str] = "test.slow"
    seconds: float = 1.0
    deaf: bool = False
    salt: int = 0


def _sum(inputs: tuple[Any, ...]) -> int:
    return sum(int(part.digits[0]) if isinstance(part, Number) else len(part) for part in inputs)


@implements(Add)
def add(*inputs: Any, spec: Add, on_progress: Progress) -> Number:
    """The sum; an upload counts by its length."""
    return Number(np.array([_sum(inputs) + spec.amount]), "sum")


@implements(AddIo)
def add_io(*inputs: Any, spec: AddIo, on_progress: Progress) -> Number:
    """As `add`."""
    return Number(np.array([_sum(inputs) + spec.amount]), "sum")


@implements(Write)
def write(number: Number, spec: Write, on_progress: Progress) -> Result:
    """The number in decimal."""
    return Result(f"{spec.prefix}{int(number.digits[0])}".encode(), {"warnings": ["written by a test"]})


@implements(Check)
def check(data: bytes, spec: Check, on_progress: Progress) -> Result:
    """Its length as `face_count`."""
    if data.startswith(spec.bad.encode()):
        raise ResultInvalidError("The file is bad.")
    return Result(None, {"measures": {"face_count": len(data), "is_watertight": True, "size_bytes": len(data)}})


@implements(Trouble)
def trouble(*inputs: Any, spec: Trouble, on_progress: Progress) -> Number:
    """Refuse, crash, hang, or eat memory."""
    if spec.kind == "refuse":
        raise OpenMeshError("The mesh is open.")
    if spec.kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.kind == "unexpected":
        raise ZeroDivisionError("surprise")
    if spec.kind == "memory":
        return Number(np.ones(10**12))
    while spec.kind == "hang":
        time.sleep(0.05)
    return Number(np.zeros(1, dtype=np.int64))


@implements(Slow)
def slow(*inputs: Any, spec: Slow, on_progress: Progress) -> Number:
    """Sleep in small steps."""
    started = time.monotonic()
    while (passed := time.monotonic() - started) < spec.seconds:
        time.sleep(0.02)
        if not spec.deaf:
            on_progress(passed / spec.seconds)
    return Number(np.array([_sum(inputs)]))


def plan(*nodes: Node, prefix: str = "", format: str = "txt", **more: Any) -> Plan:
    """Write each node's number to a file of its own and check it."""
    outputs = []
    for number, node in enumerate(nodes):
        written = Node(Write(prefix), (node,))
        name = f"n{number}.{format}" if number else f"n.{format}"
        outputs.append(Output(written, "model", format, name, "text/plain", "y", Node(Check(), (written,))))
    return Plan(tuple(outputs), **more)


def chain(source: Source, *amounts: int) -> Node:
    """Additions one after the other."""
    node = Node(Add(amounts[0]), (source,))
    for amount in amounts[1:]:
        node = Node(Add(amount), (node,))
    return node
