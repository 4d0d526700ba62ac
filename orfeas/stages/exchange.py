"""Values from inputs and to outputs: kept in memory for the next stage, else through their blobs."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any

from orfeas.domain.specs import SPECS
from orfeas.domain.stages import Produces, StageSpec
from orfeas.errors import AssetGoneError
from orfeas.stages.registry import IMPLEMENTATIONS, Result
from orfeas.stages.task import InputGoneError, Task, TaskInput
from orfeas.stages.values import decode, encode, freeze
from orfeas.storage.blobs import Storage

KEPT_VALUES = 12


def spec_of(name: str) -> type[StageSpec]:
    """The spec of a stage, which another kind of worker may implement."""
    return IMPLEMENTATIONS[name][0] if name in IMPLEMENTATIONS else SPECS[name]


def parameters_of(kind: type[StageSpec], parameters: dict[str, Any]) -> StageSpec:
    """The typed parameters of a stage."""
    members = {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
    return kind(**members)


class Exchange:
    """Reads the inputs of stages and stores their outputs, and keeps the latest values; threads may share it.

    Parameters
    ----------
    blobs
        Where outputs go.
    hand_over
        Off: every input is read from its blob, as another worker would.
    """

    def __init__(self, blobs: Storage, *, hand_over: bool = True) -> None:
        self._blobs = blobs
        self._hand_over = hand_over
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def read(self, part: TaskInput) -> Any:
        """The value of an input; `InputGoneError` when its blob was swept."""
        if part.blob is None:
            return part.report
        with self._lock:
            blob, value = self._kept.get(part.fingerprint, (None, None))
        if blob == part.blob:
            return value
        try:
            data = self._blobs.read(part.blob)
        except AssetGoneError as error:
            raise InputGoneError(part.fingerprint) from error
        if part.maker is None or spec_of(part.maker).produces is Produces.FILE:
            return data
        value = decode(data)
        self._keep(part.fingerprint, part.blob, value)
        return value

    def store(self, task: Task, result: Result) -> tuple[str | None, int | None]:
        """Put an output where the next stage finds it; its blob and size in bytes."""
        # A report that no row can hold fails this stage, not the parent that writes it.
        json.dumps(result.report, allow_nan=False)
        if spec_of(task.name).produces is Produces.NOTHING:
            return None, None
        data = encode(result.value)
        blob = self._blobs.put(data, durable=task.durable)
        self._keep(task.fingerprint, blob, freeze(result.value))
        return blob, len(data)

    def _keep(self, fingerprint: str, blob: str, value: Any) -> None:
        if not self._hand_over:
            return
        with self._lock:
            self._kept[fingerprint] = (blob, value)
            self._kept.move_to_end(fingerprint)
            while len(self._kept) > KEPT_VALUES:
                self._kept.popitem(last=False)
