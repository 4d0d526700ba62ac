"""Single tasks: one agent, one thing to look at or to say."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from orfeas.domain.agents.roster import CLIENT, MESH, OPTIMIZER, PLANNER, QUALITY
from orfeas.domain.caller import Caller
from orfeas.errors import CapabilityMissingError, rebuilt
from orfeas.jobs.views import JobView
from orfeas.services.agents.board import Board
from orfeas.services.agents.course import entry
from orfeas.services.agents.planning import Planning
from orfeas.services.agents.work import Work, child_id, error_of, reports_of, seconds_of
from orfeas.services.generation import Options
from orfeas.services.performance import PerformanceService

TASK = "task"
Report = dict[str, Any]


class TaskStep:
    """A step of a task: start a measure, or tell what was found."""

    def __init__(
        self, caller: Caller, job: JobView, number: int, reports: Sequence[Report], work: Work, board: Board,
        planning: Planning, performance: PerformanceService,
    ) -> None:  # fmt: skip
        assert job.latest is not None
        self.caller, self.job, self.number, self.reports = caller, job, number, reports
        self.work, self.board, self.planning, self.performance = work, board, planning, performance
        self.task: Mapping[str, Any] = job.latest.request
        self.agent = str(self.task["agent_id"])

    def advance(self) -> Report:
        """Everything that this step does; the report that says so."""
        if self.reports:
            return self._measured(self.work.jobs.get(self.caller, self.reports[-1]["doing"]["job_id"]))
        self.board.give(self.caller, self.job.id, TASK, CLIENT, self.agent, TASK)
        if self.agent in (QUALITY, MESH):
            return self._look()
        started = time.perf_counter()
        result = self._planned() if self.agent == PLANNER else self._advice()
        return self._ended(result, time.perf_counter() - started)

    def _look(self) -> Report:
        asset = self.work.assets.content(self.caller, self.task["asset_id"])
        look = self.work.look if self.agent == QUALITY else self.work.analyze
        child = look(self.caller, child_id(self.job.id, self.number), asset)
        said = entry(self.agent, "measure", inputs={"asset_id": asset.id})
        return {"entries": [said], "outcome": None, "doing": {"phase": TASK, "job_id": child.id}}

    def _measured(self, child: JobView) -> Report:
        error = error_of(child)
        if error is not None:
            self._answer(seconds_of(child), ok=False)
            raise rebuilt(error) if error["code"] != "cancelled" else CapabilityMissingError(error["detail"])
        reports = reports_of(child)
        if self.agent == QUALITY:
            found, quality = reports["image.measure"]["picture"], None
        else:
            found = reports["mesh.analyze"]["analysis"]
            quality = found["quality_score"]
        result = {"assessed": 1, "asset_id": self.task["asset_id"], **found}
        return self._ended(result, seconds_of(child), quality)

    def _planned(self) -> Report:
        """What a prompt is understood as, and the options that a goal asks for."""
        prompt, goal = self.task.get("prompt"), self.task.get("goal") or {}
        planned = self.planning.plan(self.caller, Options(formats=("glb",), prompt=prompt), {}, goal)
        parsed = self.planning.understood(planned.options.prompt or "") if prompt else None
        return {
            "prompt": prompt,
            "phrased": planned.options.prompt,
            "understood": parsed is not None,
            "unrecognized_words": list(parsed.unrecognized_words) if parsed else None,
            "parameters": planned.changes,
            "reasons": list(planned.reasons),
        }

    def _advice(self) -> Report:
        assert self.agent == OPTIMIZER
        return {
            "recommendations": self.performance.recommendations(self.caller),
            "measured": self.performance.summary(),
        }

    def _ended(self, result: Report, seconds: float, quality: float | None = None) -> Report:
        self._answer(seconds, ok=True, quality=quality)
        said = entry(self.agent, TASK, seconds=round(seconds, 6), measured=None, decision="answered")
        return {"entries": [said], "outcome": None, "answer": result}

    def _answer(self, seconds: float, *, ok: bool, quality: float | None = None) -> None:
        self.board.answer(
            self.caller, self.job.id, TASK, self.agent, CLIENT, TASK, ok=ok, seconds=round(seconds, 6), quality=quality
        )
