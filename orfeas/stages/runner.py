"""Run one stage: inputs from memory or blobs, output to a blob and a report."""

from __future__ import annotations

import time

from orfeas.config import Config
from orfeas.stages.exchange import Exchange, parameters_of
from orfeas.stages.registry import IMPLEMENTATIONS, Progress, Result
from orfeas.stages.task import Done, Task
from orfeas.storage.blobs import Storage


class Runner:
    """Runs stages in this process and keeps their latest values for the next stage.

    Parameters
    ----------
    blobs
        Where outputs go.
    hand_over
        Off: every input is read from its blob, as another worker would.
    config
        For the stages that work on files of this machine.
    """

    def __init__(self, blobs: Storage, *, hand_over: bool = True, config: Config | None = None) -> None:
        self._config = config
        self._exchange = Exchange(blobs, hand_over=hand_over)

    def run(self, task: Task, on_progress: Progress) -> Done:
        """Run a stage; raises what the stage raises, and `InputGoneError`."""
        kind, function = IMPLEMENTATIONS[task.name]
        inputs = [self._exchange.read(part) for part in task.inputs]
        started = time.perf_counter()
        settings = {"config": self._config} if kind.needs_config else {}
        result = function(*inputs, spec=parameters_of(kind, task.parameters), on_progress=on_progress, **settings)
        if not isinstance(result, Result):
            result = Result(result)
        blob, size_bytes = self._exchange.store(task, result)
        return Done(blob, size_bytes, result.report, round(time.perf_counter() - started, 6))
