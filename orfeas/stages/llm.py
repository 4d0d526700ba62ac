"""Tasks for language models that take several calls."""

from __future__ import annotations

from orfeas.config import Config
from orfeas.domain.specs import CallLlm
from orfeas.llm import LanguageModel, Settings
from orfeas.llm.orchestrate import orchestrate
from orfeas.stages.registry import Progress, Result, implements


@implements(CallLlm)
def call(spec: CallLlm, on_progress: Progress, config: Config) -> Result:
    """Plan, run the steps, merge."""
    model = LanguageModel(Settings.of(config))
    done = orchestrate(model, spec.task, max_subtasks=spec.max_subtasks, models=spec.models, on_progress=on_progress)
    return Result(None, {"warnings": done.pop("warnings"), "orchestration": done})
