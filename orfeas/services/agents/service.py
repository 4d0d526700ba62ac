"""Agents as a category: runs that aim for a goal, single tasks, and how the agents stand."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from orfeas.config import Config
from orfeas.domain.agents.goals import DEFAULT_GOAL
from orfeas.domain.agents.roster import (
    AGENTS,
    CAPABILITIES,
    CLIENT,
    GENERAL,
    LOOKING_AT,
    MESH,
    OPTIMIZER,
    PLANNER,
    QUALITY,
    WORKFLOW,
    Agent,
    offered,
    pick,
    takers,
)
from orfeas.domain.caller import Caller
from orfeas.domain.specs import AgentStep
from orfeas.errors import (
    CapabilityMissingError,
    DeadlineExceededError,
    InvalidRequestError,
    PromptNotUnderstoodError,
    QueueFullError,
    rebuilt,
)
from orfeas.jobs import outcome
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan, plan_document
from orfeas.jobs.views import JobInput, JobState, JobView, RunRequest, RunView, Surface
from orfeas.services.agents.board import Board
from orfeas.services.agents.course import Course
from orfeas.services.agents.planning import BALANCED, Planning
from orfeas.services.agents.reading import agent_members, steps_of
from orfeas.services.agents.tasks import TASK, TaskStep
from orfeas.services.agents.work import Work, options_document
from orfeas.services.assets import Asset, AssetService
from orfeas.services.generation import GenerationService, Options, stored_name
from orfeas.services.llm import LlmService
from orfeas.services.meshes import MeshService
from orfeas.services.performance import PerformanceService
from orfeas.storage.database import Database
from orfeas.storage.tables import jobs, runs

SLACK_S = 60.0
"""How long after its budget a run may still say what came of it."""
STRATEGIES = ("idle_first", "lowest_mean_time")
NOTHING = "There is nothing to work on: name a job_id, an asset_id or a prompt, or make a model first."


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


@dataclass(frozen=True, slots=True)
class Task:
    """A validated task; `timeout_s` is how long its client waits."""

    task_type: str = GENERAL
    data: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 5
    required: tuple[str, ...] = ()
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class TaskDone:
    """What an agent found; `job_id` names the run that it started."""

    task_id: str
    agent_id: str
    result: dict[str, Any]
    message: str
    job_id: str | None = None


class AgentService:
    """Plan runs of agents, take their steps, hand tasks out."""

    JOB_TYPE = "agent"

    def __init__(
        self, config: Config, database: Database, engine: Jobs, assets: AssetService, generation: GenerationService,
        meshes: MeshService, llm: LlmService, performance: PerformanceService,
    ) -> None:  # fmt: skip
        self._database, self._jobs, self._assets = database, engine, assets
        self._generation, self._llm, self._performance = generation, llm, performance
        self._work = Work(config, engine, assets, generation, meshes)
        self._planning = Planning(generation, llm)
        self.board = Board(database)

    # runs

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
        return self._start(
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
        return self._start(
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

    # tasks

    def submit(self, caller: Caller, task: Task, wait: Callable[[JobView, float], JobView]) -> TaskDone:
        """Give a task to the agent that suits it and wait for its answer.

        Raises
        ------
        CapabilityMissingError
            No agent that takes such tasks has all required capabilities.
        DeadlineExceededError
            There was no answer in time; the task is withdrawn.
        """
        found = takers(task.task_type, task.required)
        if not found:
            listed = offered(task.task_type)
            detail = f"No agent takes {task.task_type} with {', '.join(task.required)}; offered: {', '.join(listed)}."
            raise CapabilityMissingError(detail, allowed=listed)
        data = self._looked_up(caller, task)
        agent = pick(_suited(found, data), self.board.standings())
        if agent.agent_id == WORKFLOW and (data.get("kind") == "image" or data.get("prompt")):
            return self._workflow(caller, task, data, wait)
        ready = self._ready(caller, agent, data)
        if ready is None:
            return self._idle(caller, agent)
        return self._handed(caller, agent, task, ready, wait)

    # how they stand

    def status(self) -> dict[str, Any]:
        """Every agent with its figures."""
        figures = self.board.performance()
        healthy = {name: self.board.healthy(found["heartbeat_at"]) for name, found in figures.items()}
        active = sum(found["active"] for found in figures.values())
        measures = ("tasks_completed", "success_rate", "average_execution_time", "quality_score")
        return {
            "total_agents": len(AGENTS),
            "active_tasks": active,
            "agent_status": {
                name: {
                    "agent_type": agent.agent_type,
                    "capabilities": [*agent.capabilities],
                    "status": _word(healthy[name], figures[name]["active"]),
                    "performance_metrics": {member: figures[name][member] for member in measures},
                    "last_activity": figures[name]["last_activity"],
                }
                for name, agent in AGENTS.items()
            },
            "capability_coverage": dict(CAPABILITIES),
            "healthy": all(healthy.values()),
        }

    def coordinations(self, caller: Caller) -> dict[str, dict[str, Any]]:
        """The runs at work: goal, step and start."""
        at_work = (
            select(jobs.c.id, runs.c.request, runs.c.result, runs.c.started_at, runs.c.created_at)
            .join(runs, runs.c.job_id == jobs.c.id)
            .where(
                jobs.c.type == self.JOB_TYPE, jobs.c.tenant == caller.tenant, jobs.c.state.in_(("queued", "running"))
            )
            .order_by(jobs.c.created_at)
        )
        with self._database.read() as connection:
            rows = connection.execute(at_work).all()
        return {
            row.id: {
                "goal": row.request.get("goal"),
                "step": _step_of(row.result),
                "started_at": row.started_at or row.created_at,
            }
            for row in rows
        }

    def discovery(self) -> dict[str, Any]:
        """Which agents are healthy, by type."""
        figures = self.board.performance()
        healthy = {name: self.board.healthy(found["heartbeat_at"]) for name, found in figures.items()}
        return {
            "total_agents": len(AGENTS),
            "healthy_agents": sum(healthy.values()),
            "unhealthy_agents": len(AGENTS) - sum(healthy.values()),
            "agent_summary": {
                agent.agent_type: {"count": 1, "healthy": int(healthy[name]), "agents": [name]}
                for name, agent in AGENTS.items()
            },
        }

    def balance(self) -> dict[str, Any]:
        """How tasks are spread."""
        figures = self.board.performance()
        return {
            "request_counts": {name: found["requests"] for name, found in figures.items()},
            "avg_response_times": {name: found["average_execution_time"] for name, found in figures.items()},
            "available_agents": [name for name, found in figures.items() if self.board.healthy(found["heartbeat_at"])],
            "strategies": [*STRATEGIES],
            "default_strategy": STRATEGIES[0],
        }

    # inside

    def check(self, caller: Caller, options: Options) -> None:
        """Refuse what cannot be made; a language model may still put a sentence into known words."""
        try:
            self._generation.check(caller, options, Surface.V1)
        except PromptNotUnderstoodError:
            if not self._llm.configured:
                raise

    def _start(
        self, caller: Caller, surface: Surface, request: dict[str, Any], given: JobInput, *, priority: int,
        timeout_s: float, tags: tuple[str, ...] = (), retried_from: str | None = None, hidden: bool = False,
    ) -> JobView:  # fmt: skip
        job_id = str(uuid.uuid4())
        plan = Plan((), also=(Node(AgentStep(job_id=job_id, tenant=caller.tenant)),))
        asked = RunRequest(self.JOB_TYPE, plan, request, priority=priority, timeout_s=timeout_s, monitored=False)
        return self._jobs.create(
            caller, surface, asked, input=given, job_id=job_id, tags=tags, hidden=hidden, retried_from=retried_from
        )

    def _taken(self, caller: Caller, job: JobView, number: int, reports: list[dict[str, Any]]) -> dict[str, Any]:
        assert job.latest is not None
        if "task_type" in job.latest.request:
            return TaskStep(
                caller, job, number, reports, self._work, self.board, self._planning, self._performance
            ).advance()
        return Course(caller, job, number, reports, self._work, self.board, self._planning).advance()

    def _looked_up(self, caller: Caller, task: Task) -> dict[str, Any]:
        """What the data of a task name, with the kind of the file."""
        data = {name: task.data[name] for name in ("prompt", "goal") if task.data.get(name)}
        if asset_id := task.data.get("asset_id"):
            asset = self._assets.content(caller, str(asset_id))
            return {**data, "kind": asset.kind, "asset_id": asset.id}
        if job_id := task.data.get("job_id"):
            return {**data, **self._files_of(caller, self._jobs.get(caller, str(job_id)), task.task_type)}
        return data

    def _files_of(self, caller: Caller, job: JobView, task_type: str) -> dict[str, Any]:
        picture = job.input.asset_id
        wants_picture = task_type in ("image_quality", "workflow")
        if not wants_picture and job.state is JobState.SUCCEEDED:
            made = self._work.model_of(caller, job)
            if made.kind == "mesh":
                return {"kind": "mesh", "asset_id": made.id}
        if picture is not None and self._assets.get(caller, picture).kind == "image":
            return {"kind": "image", "asset_id": picture}
        if wants_picture and job.input.prompt:
            return {"prompt": job.input.prompt} if task_type == "workflow" else {}
        return {"asset_id": self._work.model_of(caller, job).id, "kind": "mesh"}

    def _ready(self, caller: Caller, agent: Agent, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The data that an agent needs; without any, those of the newest finished job. None: nothing to work on."""
        if agent.agent_id == OPTIMIZER:
            return dict(data)
        if agent.agent_id == PLANNER:
            return dict(data) if data.get("prompt") or data.get("goal") else None
        if agent.agent_id == WORKFLOW and "asset_id" not in data:
            return None
        if agent.agent_id == WORKFLOW:
            raise _unsuited(data, agent, "image")
        wanted = next(kind for kind, name in LOOKING_AT.items() if name == agent.agent_id)
        if "asset_id" not in data:
            return self._newest(caller, wanted)
        if data["kind"] != wanted:
            raise _unsuited(data, agent, wanted)
        return dict(data)

    def _newest(self, caller: Caller, kind: str) -> dict[str, Any] | None:
        """A picture or a mesh of the newest finished generation."""
        found = self._jobs.list(caller, state="succeeded", type="generation", limit=20).items
        for job in found:
            if kind == "mesh":
                return {"kind": kind, "asset_id": self._work.model_of(caller, job).id}
            if job.input.asset_id is not None:
                return {"kind": kind, "asset_id": job.input.asset_id}
        return None

    def _idle(self, caller: Caller, agent: Agent) -> TaskDone:
        """Nothing to work on: the state of the server, and advice."""
        started, task_id = time.perf_counter(), str(uuid.uuid4())
        self.board.give(caller, task_id, TASK, CLIENT, agent.agent_id, TASK)
        queue = self._jobs.queue_status(caller)
        state = {"queued": queue.depth, "running": queue.running, "workers": len(queue.workers)}
        result = {"assessed": 0, "server": state, "advice": self._performance.recommendations(caller)}
        seconds = round(time.perf_counter() - started, 6)
        self.board.answer(caller, task_id, TASK, agent.agent_id, CLIENT, TASK, ok=True, seconds=seconds)
        return TaskDone(task_id, agent.agent_id, result, NOTHING)

    def _handed(
        self, caller: Caller, agent: Agent, task: Task, data: dict[str, Any], wait: Callable[[JobView, float], JobView]
    ) -> TaskDone:
        request = {"task_type": task.task_type, "agent_id": agent.agent_id, **data}
        job = self._start(
            caller, Surface.COMPATIBLE, request, JobInput(), priority=task.priority, timeout_s=task.timeout_s + SLACK_S,
            hidden=True,
        )  # fmt: skip
        done = self._awaited(caller, job, task, wait)
        assert done.latest is not None
        steps = steps_of((done.latest.result or {}).get("reports", {}))
        return TaskDone(job.id, agent.agent_id, steps[-1]["answer"], f"{agent.agent_id} has answered.")

    def _workflow(
        self, caller: Caller, task: Task, data: Mapping[str, Any], wait: Callable[[JobView, float], JobView]
    ) -> TaskDone:
        images = {"front": self._assets.content(caller, data["asset_id"])} if data.get("kind") == "image" else {}
        options = Options(
            formats=("glb",), prompt=None if images else data["prompt"], preview=False, priority=task.priority
        )
        goal = data.get("goal") or dict(DEFAULT_GOAL)
        asked = GoalRequest(options, goal=goal, budget_s=task.timeout_s)
        done = self._awaited(caller, self.run(caller, Surface.COMPATIBLE, asked, images), task, wait)
        assert done.latest is not None
        result = agent_members(done.latest, (done.latest.result or {}).get("reports", {}))
        return TaskDone(done.id, WORKFLOW, result, "The goal is reached.", job_id=done.id)

    def _awaited(self, caller: Caller, job: JobView, task: Task, wait: Callable[[JobView, float], JobView]) -> JobView:
        """The job at its end; its failure is the answer, and a late one is withdrawn."""
        done = wait(job, task.timeout_s)
        if not done.state.final:
            self._jobs.cancel(caller, job.id)
            raise DeadlineExceededError(
                f"The task was not done within {task.timeout_s:g} s and was withdrawn; give it a longer timeout.",
                limit=task.timeout_s,
            )
        if done.state is JobState.FAILED and done.latest is not None and done.latest.error is not None:
            raise rebuilt({**done.latest.error, "job_id": job.id})
        if done.state is not JobState.SUCCEEDED:
            raise QueueFullError("The task was cancelled; submit it again.", retry_after=5)
        return done


def _suited(found: list[Agent], data: Mapping[str, Any]) -> list[Agent]:
    """Those among the agents whom the data are for; all where there are none."""
    by_kind = {"image": {QUALITY, WORKFLOW}, "mesh": {MESH}}
    if data.get("kind") in by_kind:
        wanted = by_kind[data["kind"]] if "goal" in data else by_kind[data["kind"]] - {WORKFLOW}
    elif "prompt" in data:
        wanted = {WORKFLOW} if "goal" in data else {PLANNER}
    elif "goal" in data:
        wanted = {OPTIMIZER}
    else:
        wanted = {MESH}
    return [agent for agent in found if agent.agent_id in wanted] or found


def _unsuited(data: Mapping[str, Any], agent: Agent, wanted: str) -> InvalidRequestError:
    detail = f"The file is {data['kind']}, and {agent.agent_type} starts from an {wanted} file."
    return InvalidRequestError(detail, errors=[{"pointer": "/task_data", "detail": detail, "code": "invalid"}])


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


def _word(healthy: bool, active: int) -> str:
    if not healthy:
        return "unavailable"
    return "busy" if active else "idle"


def _step_of(result: Mapping[str, Any] | None) -> str | None:
    """What a run at work waits for."""
    steps = steps_of((result or {}).get("reports", {}))
    return steps[-1]["doing"]["phase"] if steps and "doing" in steps[-1] else None
