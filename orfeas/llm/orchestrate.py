"""Split a task, let models work on its pieces, merge what they wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from orfeas.errors import OrfeasError, UpstreamFailedError
from orfeas.llm import prompts
from orfeas.llm.client import LanguageModel
from orfeas.llm.prompts import Subtask

PLAN_ATTEMPTS = 2
PARALLEL = 4


def orchestrate(
    model: LanguageModel,
    task: str,
    *,
    max_subtasks: int = 4,
    models: Sequence[str] = (),
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Plan, run independent steps side by side, merge.

    A plan that cannot be read is asked for once more; then the whole task is one step. A step that fails stands in the
    breakdown with its error, and those that need it go on without its result. Models are taken in turn.

    Returns
    -------
    dict
        `final_result`, `execution_breakdown` (`step`, `task`, `model`, `seconds`, `output`, `error`),
        `llm_assignments` (model by step), `total_execution_time` in seconds and `warnings`.

    Raises
    ------
    UpstreamFailedError
        Every step failed.
    """
    started = time.perf_counter()
    names = [*models] or [model.default()]
    steps = _planned(model, names[0], task, max_subtasks)
    on_progress(0.2)
    assigned = {step.step: names[index % len(names)] for index, step in enumerate(steps)}
    ran = _run(model, task, steps, assigned, lambda share: on_progress(0.2 + 0.6 * share))
    breakdown = [ran[step.step] for step in steps]
    if all(entry["error"] for entry in breakdown):
        raise UpstreamFailedError(f"Every sub-task failed: {breakdown[0]['error']}", breakdown=breakdown)
    merged, warnings = _merged(model, names[0], task, breakdown)
    return {
        "final_result": merged,
        "execution_breakdown": breakdown,
        "llm_assignments": {str(step): name for step, name in assigned.items()},
        "total_execution_time": round(time.perf_counter() - started, 3),
        "warnings": warnings,
    }


def _planned(model: LanguageModel, name: str, task: str, largest: int) -> list[Subtask]:
    if largest == 1:
        return [Subtask(1, task)]
    for _ in range(PLAN_ATTEMPTS):
        asked = prompts.conversation(prompts.PLAN.format(count=largest), task)
        try:
            return prompts.plan_of(model.chat(asked, model=name).text, largest)
        except (ValueError, RecursionError):
            continue
    return [Subtask(1, task)]


def _run(
    model: LanguageModel,
    task: str,
    steps: list[Subtask],
    assigned: dict[int, str],
    on_progress: Callable[[float], None],
) -> dict[int, dict[str, Any]]:
    ran: dict[int, dict[str, Any]] = {}
    waiting = [*steps]
    working: dict[Future[dict[str, Any]], int] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        while waiting or working:
            for step in [step for step in waiting if set(step.needs) <= ran.keys()]:
                waiting.remove(step)
                working[pool.submit(_step, model, task, step, ran, assigned[step.step])] = step.step
            for done in wait(working, timeout=0.5, return_when=FIRST_COMPLETED).done:
                ran[working.pop(done)] = done.result()
            on_progress(len(ran) / len(steps))
    return ran


def _step(model: LanguageModel, task: str, step: Subtask, ran: dict[int, dict[str, Any]], name: str) -> dict[str, Any]:
    earlier = [ran[need]["output"] for need in step.needs if ran[need]["output"]]
    asked = "\n\n".join(
        [f"The larger task: {task}", *(f"A result of an earlier step: {text}" for text in earlier), f"Do: {step.task}"]
    )
    started = time.perf_counter()
    output, error = None, None
    try:
        output = model.chat(prompts.conversation(prompts.SUBTASK, asked), model=name).text
    except OrfeasError as failure:
        error = failure.detail
    seconds = round(time.perf_counter() - started, 3)
    return {
        "step": step.step, "task": step.task, "model": name, "seconds": seconds, "output": output, "error": error,
    }  # fmt: skip


def _merged(model: LanguageModel, name: str, task: str, breakdown: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """One result: the only one there is, or the model's; if it cannot, the results one after the other."""
    results = [entry["output"] for entry in breakdown if entry["output"] is not None]
    if len(breakdown) == 1:
        return str(results[0]), []
    asked = "\n\n".join([f"The task: {task}", *(f"Result: {text}" for text in results)])
    try:
        return model.chat(prompts.conversation(prompts.MERGE, asked), model=name).text, []
    except OrfeasError as error:
        return "\n\n".join(results), [f"The results stand one after the other, as merging failed: {error.detail}"]
