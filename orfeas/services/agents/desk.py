"""Single tasks: which agent gets one, what it works on, and the answer that is waited for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orfeas.domain.agents.goals import DEFAULT_GOAL
from orfeas.domain.agents.roster import (
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
from orfeas.errors import (
    CapabilityMissingError,
    DeadlineExceededError,
    InvalidRequestError,
    QueueFullError,
    rebuilt,
)
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.views import JobInput, JobState, JobView, Surface
from orfeas.services.agents.board import Board
from orfeas.services.agents.reading import agent_members, steps_of
from orfeas.services.agents.runs import SLACK_S, AgentRuns, GoalRequest
from orfeas.services.agents.tasks import TASK
from orfeas.services.agents.work import Work
from orfeas.services.assets import AssetService
from orfeas.services.generation import Options
from orfeas.services.performance import PerformanceService

NOTHING = "There is nothing to work on: name a job_id, an asset_id or a prompt, or make a model first."
Wait = Callable[[JobView, float], JobView]
"""Waits for a job as many seconds, and returns it as it then is."""


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


class TaskDesk:
    """Hand tasks to agents."""

    def __init__(
        self, engine: Jobs, assets: AssetService, performance: PerformanceService, work: Work, board: Board,
        runs: AgentRuns,
    ) -> None:  # fmt: skip
        self._jobs, self._assets, self._performance = engine, assets, performance
        self._work, self._board, self._runs = work, board, runs

    def submit(self, caller: Caller, task: Task, wait: Wait) -> TaskDone:
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
        agent = pick(_suited(found, data), self._board.standings())
        if agent.agent_id == WORKFLOW and (data.get("kind") == "image" or data.get("prompt")):
            return self._workflow(caller, task, data, wait)
        ready = self._ready(caller, agent, data)
        if ready is None:
            return self._idle(caller, agent)
        return self._handed(caller, agent, task, ready, wait)

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
        self._board.give(caller, task_id, TASK, CLIENT, agent.agent_id, TASK)
        queue = self._jobs.queue_status(caller)
        state = {"queued": queue.depth, "running": queue.running, "workers": len(queue.workers)}
        result = {"assessed": 0, "server": state, "advice": self._performance.recommendations(caller)}
        seconds = round(time.perf_counter() - started, 6)
        self._board.answer(caller, task_id, TASK, agent.agent_id, CLIENT, TASK, ok=True, seconds=seconds)
        return TaskDone(task_id, agent.agent_id, result, NOTHING)

    def _handed(self, caller: Caller, agent: Agent, task: Task, data: dict[str, Any], wait: Wait) -> TaskDone:
        request = {"task_type": task.task_type, "agent_id": agent.agent_id, **data}
        job = self._runs.start(
            caller, Surface.COMPATIBLE, request, JobInput(), priority=task.priority, timeout_s=task.timeout_s + SLACK_S,
            hidden=True,
        )  # fmt: skip
        done = self._awaited(caller, job, task, wait)
        assert done.latest is not None
        steps = steps_of((done.latest.result or {}).get("reports", {}))
        return TaskDone(job.id, agent.agent_id, steps[-1]["answer"], f"{agent.agent_id} has answered.")

    def _workflow(self, caller: Caller, task: Task, data: Mapping[str, Any], wait: Wait) -> TaskDone:
        images = {"front": self._assets.content(caller, data["asset_id"])} if data.get("kind") == "image" else {}
        options = Options(
            formats=("glb",), prompt=None if images else data["prompt"], preview=False, priority=task.priority
        )
        goal = data.get("goal") or dict(DEFAULT_GOAL)
        asked = GoalRequest(options, goal=goal, budget_s=task.timeout_s)
        done = self._awaited(caller, self._runs.run(caller, Surface.COMPATIBLE, asked, images), task, wait)
        assert done.latest is not None
        result = agent_members(done.latest, (done.latest.result or {}).get("reports", {}))
        return TaskDone(done.id, WORKFLOW, result, "The goal is reached.", job_id=done.id)

    def _awaited(self, caller: Caller, job: JobView, task: Task, wait: Wait) -> JobView:
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
    detail = f"{agent.agent_type} needs a file of the kind {wanted}; this one is of the kind {data['kind']}."
    return InvalidRequestError.at("/task_data", detail)
