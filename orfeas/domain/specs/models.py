"""The stages that bring models to disks and devices, and take them away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.specs.device import DeviceSpec
from orfeas.domain.stages import Produces, Queue, StageSpec


@dataclass(frozen=True, slots=True)
class ModelLoad(DeviceSpec):
    """Bring a model's weights to the device. The nonce keeps a command from being taken for an earlier one.

    `swap` lets the others go first: `idle` once their work has ended, `now` or not at all; empty keeps them.
    """

    name: ClassVar[str] = "model.load"
    produces: ClassVar[Produces] = Produces.NOTHING
    swap: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelUnload(StageSpec):
    """Take a model's weights off the device."""

    name: ClassVar[str] = "model.unload"
    queue: ClassVar[Queue] = Queue.GPU
    produces: ClassVar[Produces] = Produces.NOTHING
    model: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelClear(StageSpec):
    """Take all weights that are not in use off the device, and what the device keeps beside them."""

    name: ClassVar[str] = "model.clear"
    queue: ClassVar[Queue] = Queue.GPU
    produces: ClassVar[Produces] = Produces.NOTHING
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelPull(StageSpec):
    """Bring the files of a model from `source`, a repository of the hub or a local folder, to its `place`.

    The nonce keeps it from being taken for an earlier one: files may be gone since.
    """

    name: ClassVar[str] = "model.pull"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 24 * 3600.0
    needs_config: ClassVar[bool] = True
    place: str = ""
    source: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelVerify(StageSpec):
    """Hash the files of a model and compare them with what was published."""

    name: ClassVar[str] = "model.verify"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 24 * 3600.0
    needs_config: ClassVar[bool] = True
    place: str = ""
    nonce: str = ""
