"""Run one stage: inputs from memory or blobs, output to a blob and a report."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from typing import Any

from orfeas.domain.specs import SPECS
from orfeas.domain.stages import Produces, StageSpec
from orfeas.errors import AssetGoneError
from orfeas.stages.registry import IMPLEMENTATIONS, Progress, Result
from orfeas.stages.task import Done, InputGoneError, Task, TaskInput
from orfeas.stages.values import decode, encode, freeze
from orfeas.storage.blobs import Storage

KEPT_VALUES = 12


class Runner:
    """Runs stages in this process and keeps their latest values for the next stage.

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
        self._kept: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def run(self, task: Task, on_progress: Progress) -> Done:
        """Run a stage; raises what the stage raises, and `InputGoneError`."""
        kind, function = IMPLEMENTATIONS[task.name]
        inputs = [self._input(part) for part in task.inputs]
        started = time.perf_counter()
        result = function(*inputs, spec=_spec(kind, task.parameters), on_progress=on_progress)
        if not isinstance(result, Result):
            result = Result(result)
        # A report that no row can hold fails this stage, not the parent that writes it.
        json.dumps(result.report, allow_nan=False)
        if kind.produces is Produces.NOTHING:
            return Done(None, None, result.report, _since(started))
        data = encode(result.value)
        blob = self._blobs.put(data, durable=task.durable)
        self._keep(task.fingerprint, blob, freeze(result.value))
        return Done(blob, len(data), result.report, _since(started))

    def _input(self, part: TaskInput) -> Any:
        if part.blob is None:
            return part.report
        blob, value = self._kept.get(part.fingerprint, (None, None))
        if blob == part.blob:
            return value
        try:
            data = self._blobs.read(part.blob)
        except AssetGoneError as error:
            raise InputGoneError(part.fingerprint) from error
        if part.maker is None or _made_by(part.maker).produces is Produces.FILE:
            return data
        value = decode(data)
        self._keep(part.fingerprint, part.blob, value)
        return value

    def _keep(self, fingerprint: str, blob: str, value: Any) -> None:
        if self._hand_over:
            self._kept[fingerprint] = (blob, value)
            self._kept.move_to_end(fingerprint)
            while len(self._kept) > KEPT_VALUES:
                self._kept.popitem(last=False)


def _made_by(name: str) -> type[StageSpec]:
    """The spec of an input's maker, which another kind of worker may implement."""
    return IMPLEMENTATIONS[name][0] if name in IMPLEMENTATIONS else SPECS[name]


def _spec(kind: type[StageSpec], parameters: dict[str, Any]) -> StageSpec:
    members = {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
    return kind(**members)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 6)
