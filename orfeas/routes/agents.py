"""Agents: tasks, runs that aim for a goal, and how the agents stand."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.domain.agents.goals import DEFAULT_GOAL
from orfeas.domain.agents.roster import PRIORITIES, WORKFLOW
from orfeas.errors import QueueFullError, rebuilt
from orfeas.jobs.events import wait_final
from orfeas.jobs.views import JobState, JobView, Surface
from orfeas.routes import agents_samples as samples
from orfeas.routes.body import compatible_body, v1_body
from orfeas.routes.context import caller, services
from orfeas.routes.examples import ASSET_ID, PHOTO, example
from orfeas.routes.generation.v1 import PROBLEMS, images_of
from orfeas.routes.generation.views import UPLOAD_PROBLEMS, require_file
from orfeas.routes.idempotency import idempotent
from orfeas.routes.jobs import created
from orfeas.routes.problems import problems
from orfeas.routes.schemas.agents import (
    AgentRunSchema,
    AgentsStatusSchema,
    CoordinationsSchema,
    IntelligentGenerationSchema,
    IntelligentlyGeneratedSchema,
    MessageStatsSchema,
    SubmitTaskSchema,
    TaskDoneSchema,
)
from orfeas.routes.schemas.common import rfc3339
from orfeas.routes.schemas.generation import v1_options
from orfeas.routes.schemas.jobs import JobSchema
from orfeas.routes.waiting import finish, wait_seconds, waits
from orfeas.services.agents import GoalRequest, Task
from orfeas.services.generation import Options

WAIT_S = 120.0
ACCURATE_GOAL = {"watertight": True, "min_quality_score": 90.0, "min_silhouette_iou": 0.85}
TASK_PROBLEMS = (
    "invalid_request", "bad_request", "job_not_found", "file_not_found", "result_not_ready", "result_failed",
    "asset_gone", "capability_missing", "deadline_exceeded", "postcondition_failed", "empty_surface",
    "prompt_not_understood", "queue_full", "disk_full", "stage_crashed", "worker_lost",
)  # fmt: skip

blp = Blueprint("agents", __name__, description="Agents: tasks, runs that aim for a goal, and how the agents stand.")


@blp.get("/api/agents/status")
@blp.response(200, AgentsStatusSchema)
@example(response=samples.STATUS)
def status() -> Response:
    """Tell how the agents stand."""
    found = services().agents.standing.status()
    ready = found.pop("healthy")
    shown = {
        name: {**agent, "last_activity": rfc3339(agent["last_activity"])}
        for name, agent in found["agent_status"].items()
    }
    return jsonify(
        available=True,
        orchestrator_status={**found, "agent_status": shown},
        communication_status={
            "initialized": True,
            "message_bus": True,
            "service_discovery": True,
            "load_balancer": True,
            "active_coordinations": len(services().agents.standing.at_work(caller())),
        },
        agent_communication_ready=ready,
    )


@blp.post("/api/agents/submit-task")
@compatible_body(blp, SubmitTaskSchema)
@blp.response(200, TaskDoneSchema)
@problems(blp, *TASK_PROBLEMS)
@example(request={"task_type": "image_quality", "task_data": {"asset_id": ASSET_ID}}, response=samples.TASK_DONE)
def submit_task(params: dict[str, Any]) -> Response:
    """Give an agent a task and wait for its answer."""
    task = Task(
        task_type=params["task_type"],
        data=params.get("input_data") or params["task_data"],
        priority=PRIORITIES[params["priority"]],
        required=tuple(dict.fromkeys(params["required_capabilities"])),
        timeout_s=params["timeout"],
    )
    with services().holders.hold() as granted:
        if not granted:
            raise QueueFullError("Too many requests wait for an answer; try again in a moment.", retry_after=5)
        done = services().agents.desk.submit(caller(), task, _wait)
    further = {"job_id": done.job_id} if done.job_id else {}
    return jsonify(
        success=True, task_id=done.task_id, result=done.result, message=done.message, agent_id=done.agent_id, **further
    )


@blp.post("/api/agents/intelligent-generation")
@waits(WAIT_S)
@compatible_body(blp, IntelligentGenerationSchema, files=("image",), json_too=False)
@blp.response(200, IntelligentlyGeneratedSchema)
@blp.alt_response(202, schema=IntelligentlyGeneratedSchema, success=True, description="It is still at work.")
@problems(blp, *UPLOAD_PROBLEMS, *TASK_PROBLEMS, "format_unavailable", "model_unavailable")
@example(files={"image": PHOTO}, request={"quality": 2, "format": "stl"}, response=samples.GENERATED)
def intelligent_generation(params: dict[str, Any]) -> tuple[Response, int]:
    """Make a model of a picture, measure it, and mend or make it anew until it is good."""
    part = require_file(params.get("image"))
    asset = services().assets.store_image(caller(), part.stream, part.filename or "")
    job = services().agents.runs.run(caller(), Surface.COMPATIBLE, _goal_request(params), {"front": asset})
    job = finish(caller(), job, wait_seconds(WAIT_S if params["wait"] else 0.0))
    if job.state is JobState.FAILED and job.latest is not None and job.latest.error is not None:
        raise rebuilt({**job.latest.error, "job_id": job.id})
    done = job.state is JobState.SUCCEEDED
    state = {} if done else {"status": "cancelled" if job.state is JobState.CANCELLED else "processing"}
    found = services().agents.runs.made(caller(), job)
    return jsonify(success=True, task_id=job.id, job_id=job.id, **state, **found), 200 if done else 202


@blp.get("/api/agents/coordination/status")
@blp.response(200, CoordinationsSchema)
@example(response=samples.COORDINATIONS)
def coordination_status() -> Response:
    """Tell which runs are at work, and how tasks are spread."""
    found = services().agents.standing.coordination(caller())
    for run in found["active_coordinations"].values():
        run["started_at"] = rfc3339(run["started_at"])
    return jsonify(available=True, **found)


@blp.get("/api/agents/communication/message-stats")
@blp.response(200, MessageStatsSchema)
@example(response=samples.MESSAGES)
def message_stats() -> Response:
    """Count what the agents told each other."""
    found = services().agents
    counted = found.board.statistics()
    pending = counted.pop("pending")
    return jsonify(
        available=True,
        message_statistics={
            "stats": counted,
            "active_subscriptions": found.standing.healthy_agents(),
            "pending_messages": pending,
            "agent_id": WORKFLOW,
            "redis_connected": False,
        },
    )


@blp.post("/api/v1/agents/runs")
@idempotent
@waits()
@v1_body(blp, AgentRunSchema, files=("image",))
@blp.response(202, JobSchema)
@blp.alt_response(200, schema=JobSchema, description="It ended while the client waited.")
@problems(blp, *PROBLEMS, "idempotency_mismatch", "idempotency_in_flight")
@example(
    request={"image": {"asset_id": ASSET_ID}, "quality": 2, "formats": ["stl"], "goal": {"max_faces": 2000}},
    response=samples.RUN,
)
def run(params: dict[str, Any]) -> Response:
    """Make a model, measure it, and mend or make it anew until a goal holds."""
    asked = GoalRequest(
        v1_options(params),
        goal=params.get("goal") or dict(DEFAULT_GOAL),
        max_attempts=params["max_attempts"],
        budget_s=params["budget_s"],
    )
    services().agents.runs.check(caller(), asked.options)
    return created(services().agents.runs.run(caller(), Surface.V1, asked, images_of(params, params["files"])))


def _goal_request(params: dict[str, Any]) -> GoalRequest:
    options = Options(
        formats=(params["format"],), quality=params["quality"], preview=False, priority=PRIORITIES[params["priority"]]
    )
    optimized = params["optimization"] == "auto"
    goal = dict(ACCURATE_GOAL if params["accuracy_priority"] else DEFAULT_GOAL)
    return GoalRequest(
        options,
        goal=goal if optimized else {},
        max_attempts=params["max_attempts"] if optimized else 1,
        speed=params["speed_preference"],
    )


def _wait(job: JobView, wait_s: float) -> JobView:
    """The job at its end or when time is up; the request has its place among the long holders already."""
    found = services()
    return wait_final(found.jobs_engine.get, found.notifier, caller(), job.id, wait_s)
