"""Runs of agents: started, taken step by step, and told what they have made."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orfeas.domain.agents.goals import DEFAULT_GOAL
from orfeas.domain.caller import Caller
from orfeas.domain.specs import AgentStep
from orfeas.errors import PromptNotUnderstoodError
from orfeas.jobs import outcome
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan, plan_document
from orfeas.jobs.views import JobInput, JobState, JobView, RunRequest, RunView, Surface
from orfeas.services.agents.board import Board
from orfeas.services.agents.course import Course
from orfeas.services.agents.planning import BALANCED, Planning
from orfeas.services.agents.reading import agent_members, steps_of
from orfeas.services.agents.tasks import TaskStep
from orfeas.services.agents.work import Work, options_document
from orfeas.services.assets import Asset, AssetService
from orfeas.services.generation import GenerationService, Options, stored_name
from orfeas.services.llm import LlmService
from orfeas.services.performance import PerformanceService
from orfeas.storage.database import Database

JOB_TYPE = "agent"
SLACK_S = 60.0
"""How long after its budget a run may still say what came of it."""


@dataclass(frozen=True, slots=True)
class GoalRequest:
    """A generation with what its result has to meet.

    `budget_s` bounds the time of all attempts; `speed` is fast, balanced or quality.
    """

    options: Options
    goal: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_GOAL))
    max_attempts: int = 3
    budget_s: float = 600.0
    speed: str = BALANCED


class AgentRuns:
    """Start runs, take their steps and read them."""

    def __init__(
        self, database: Database, engine: Jobs, assets: AssetService, generation: GenerationService,
        llm: LlmService, performance: PerformanceService, work: Work, board: Board,
    ) -> None:  # fmt: skip
        self._database, self._jobs, self._assets = database, engine, assets
        self._generation, self._llm, self._performance = generation, llm, performance
        self._work, self._board = work, board
        self._planning = Planning(generation, llm)

    def run(
        self, caller: Caller, surface: Surface, asked: GoalRequest, images: Mapping[str, Asset], *,
        retried_from: str | None = None,
    ) -> JobView:  # fmt: skip
        """A run that makes, measures and mends until its goal holds or its attempts or budget are used up."""
        self.check(caller, asked.options)
        request = {
            "goal": asked.goal,
            "max_attempts": asked.max_attempts,
            "budget_s": asked.budget_s,
            "speed_preference": asked.speed,
            "prompt": asked.options.prompt,
            "images": {view: {"asset_id": picture.id} for view, picture in images.items()},
            "generation": options_document(asked.options),
        }
        return self.start(
            caller, surface, request, _given(images, asked.options), priority=asked.options.priority,
            timeout_s=asked.budget_s + SLACK_S, tags=asked.options.tags, retried_from=retried_from,
        )  # fmt: skip

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same goal again."""
        images = {
            view: self._assets.content(caller, given["asset_id"]) for view, given in run.request["images"].items()
        }
        given = JobInput(prompt=run.request["prompt"]) if not images else _shown(images)
        tags = tuple(run.request["generation"]["tags"])
        return self.start(
            caller, Surface.V1, run.request, given, priority=run.priority,
            timeout_s=run.request["budget_s"] + SLACK_S, tags=tags, retried_from=retried_from,
        )  # fmt: skip

    def step(self, caller: Caller, job_id: str, number: int) -> dict[str, Any]:
        """Take a step of a job; the report, with the plan of the next step as `next`."""
        job = self._jobs.get(caller, job_id)
        run = job.latest
        assert run is not None
        with self._database.read() as connection:
            rows = outcome.stages_of(connection, run.id)
        before = [row for row in rows if row.name == AgentStep.name and row.state == "done"]
        reports = [row.report for row in before if row.parameters["number"] < number]
        taken = self._taken(caller, job, number, reports)
        if "doing" in taken:
            spec = AgentStep(job_id=job.id, tenant=caller.tenant, number=number + 1)
            taken["next"] = plan_document(Plan((), also=(Node(spec, after_job=taken["doing"]["job_id"]),)))
        return taken

    def made(self, caller: Caller, job: JobView) -> dict[str, Any]:
        """What a run has made and measured so far, for the compatible surface."""
        run = job.latest
        assert run is not None
        result = run.result or {}
        found = agent_members(run, result.get("reports", {}))
        steps = steps_of(result.get("reports", {}))
        children = [self._jobs.get(caller, name) for name in dict.fromkeys(_children(steps))]
        return {
            "generation_result": _generated(job, result, found) if job.state is JobState.SUCCEEDED else None,
            "quality_analysis": {
                "image": next((report["picture"] for report in steps if report.get("picture")), None),
                "mesh": next(iter(result.get("measures", {}).values()), None),
                "goal": found["goal"],
            },
            "optimization_applied": found["optimization_applied"],
            "performance_metrics": _spent(job, children, found["attempts"]),
            "trace": found["trace"],
        }

    def check(self, caller: Caller, options: Options) -> None:
        """Refuse what cannot be made; a language model may still put a sentence into known words."""
        try:
            self._generation.check(caller, options, Surface.V1)
        except PromptNotUnderstoodError:
            if not self._llm.configured:
                raise

    def start(
        self, caller: Caller, surface: Surface, request: dict[str, Any], given: JobInput, *, priority: int,
        timeout_s: float, tags: tuple[str, ...] = (), retried_from: str | None = None, hidden: bool = False,
    ) -> JobView:  # fmt: skip
        """A job whose first step is the next thing that happens."""
        job_id = str(uuid.uuid4())
        plan = Plan((), also=(Node(AgentStep(job_id=job_id, tenant=caller.tenant)),))
        asked = RunRequest(JOB_TYPE, plan, request, priority=priority, timeout_s=timeout_s, monitored=False)
        return self._jobs.create(
            caller, surface, asked, input=given, job_id=job_id, tags=tags, hidden=hidden, retried_from=retried_from
        )

    def _taken(self, caller: Caller, job: JobView, number: int, reports: list[dict[str, Any]]) -> dict[str, Any]:
        assert job.latest is not None
        if "task_type" in job.latest.request:
            return TaskStep(
                caller, job, number, reports, self._work, self._board, self._planning, self._performance
            ).advance()
        return Course(caller, job, number, reports, self._work, self._board, self._planning).advance()


def _shown(images: Mapping[str, Asset]) -> JobInput:
    first = next(iter(images.values()))
    name = stored_name(str(uuid.uuid4()), first.filename, first.format, time.time())
    views = {view: picture.id for view, picture in images.items()} if len(images) > 1 else None
    return JobInput(first.id, name, first.filename, views=views)


def _given(images: Mapping[str, Asset], options: Options) -> JobInput:
    return _shown(images) if images else JobInput(prompt=options.prompt)


def _children(steps: list[dict[str, Any]]) -> list[str]:
    """The jobs that the steps of a run have started, in order."""
    return [report["doing"]["job_id"] for report in steps if "doing" in report]


def _generated(job: JobView, result: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    files = [asset for asset in result.get("assets", []) if asset["role"] == "model"]
    return {
        "status": "completed",
        "best_job_id": found["best"],
        "format": files[0]["format"] if files else None,
        "files": [
            {
                "filename": asset["filename"],
                "asset_id": asset["asset_id"],
                "size_bytes": asset["size_bytes"],
                "download_url": f"/api/download/{job.id}/{asset['filename']}",
            }
            for asset in files
        ],
        "attempts": found["attempts"],
    }


def _spent(job: JobView, children: list[JobView], attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """Measured seconds: of each stage over all jobs that were started, and of the whole."""
    stages: dict[str, float] = {}
    for child in children:
        timings = (child.latest.result or {}).get("timings", {}) if child.latest else {}
        for name, seconds in timings.items():
            stages[name] = round(stages.get(name, 0.0) + seconds, 6)
    run = job.latest
    ended = run.finished_at if run else None
    return {
        "stages": stages,
        "attempts": max((found["attempt"] for found in attempts), default=0),
        "total_seconds": round(ended - job.created_at, 4) if ended else None,
    }
