"""What jobs of agents show: the trace, the attempts, the goal. All of it is what the reports of their steps say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orfeas.domain.agents.loop import trace
from orfeas.domain.agents.rules import GENERATE
from orfeas.domain.specs import AgentStep
from orfeas.jobs.views import RunView

Report = dict[str, Any]


def steps_of(reports: Mapping[str, Report]) -> list[Report]:
    """The reports of the steps among those of a run, in order."""
    return [report for name, report in reports.items() if name.partition("#")[0] == AgentStep.name]


def agent_members(run: RunView, reports: Mapping[str, Report]) -> Report:
    """What a job of type agent adds to its result."""
    steps = steps_of(reports)
    last = steps[-1] if steps else {}
    return {
        "trace": trace(steps),
        "attempts": attempts(steps),
        "goal": last.get("goal", {}),
        "best": last.get("best"),
        "optimization_applied": applied(steps),
        **({"answer": last["answer"]} if "answer" in last else {}),
    }


def attempts(steps: list[Report]) -> list[Report]:
    """Each model that was made or reworked, with what it reached."""
    return [
        {
            "attempt": found["attempt"],
            "change": found["change"]["kind"],
            "parameters": found["change"]["parameters"],
            "job_id": found["job_id"],
            "goal": found["verdicts"],
            "error": found["error"],
        }
        for found in (report["tried"] for report in steps if "tried" in report)
    ]


def applied(steps: list[Report]) -> list[Report]:
    """What was done differently than the plain map would."""
    planned = [
        {"by": "plan", "change": GENERATE, "parameters": {name: value}}
        for report in steps
        for name, value in report.get("planned", {}).items()
    ]
    made = [
        {"by": "loop", "change": found["change"], "parameters": found["parameters"]}
        for found in attempts(steps)
        if found["change"] != GENERATE or found["parameters"]
    ]
    return [*planned, *made]
