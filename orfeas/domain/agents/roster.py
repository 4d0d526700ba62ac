"""The five agents, and the tasks that each takes."""

from __future__ import annotations

from dataclasses import dataclass

PLANNER, QUALITY, MESH = "planner_agent_001", "quality_agent_001", "mesh_agent_001"
OPTIMIZER, WORKFLOW = "optimizer_agent_001", "workflow_agent_001"
CLIENT = "client"
"""Who sends a task from outside."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: its tasks are those of `submit-task`; `queues` are the workers that it needs."""

    agent_id: str
    agent_type: str
    capabilities: tuple[str, ...]
    tasks: tuple[str, ...]
    queues: tuple[str, ...] = ("io",)


AGENTS: dict[str, Agent] = {
    agent.agent_id: agent
    for agent in (
        Agent(
            PLANNER, "prompt_planning", ("autonomous_task_planning", "parameter_optimization"), ("prompt_plan",)
        ),
        Agent(
            QUALITY, "quality_assessment", ("image_analysis", "complexity_assessment", "quality_prediction"),
            ("image_quality", "quality_assessment"), ("io", "cpu"),
        ),
        Agent(
            MESH, "mesh_assessment", ("data_analysis", "quality_prediction"), ("mesh_quality", "quality_assessment"),
            ("io", "cpu"),
        ),
        Agent(
            OPTIMIZER, "performance_optimization",
            ("performance_tuning", "resource_optimization", "model_selection", "pipeline_selection"),
            ("performance_advice", "performance_tuning", "workflow_optimization"),
        ),
        Agent(
            WORKFLOW, "workflow_orchestration", ("error_recovery", "system_monitoring", "advanced_tool_use"),
            ("workflow",),
        ),
    )
}  # fmt: skip
"""By id."""

CAPABILITIES: dict[str, int] = {
    name: sum(name in agent.capabilities for agent in AGENTS.values())
    for name in dict.fromkeys(name for agent in AGENTS.values() for name in agent.capabilities)
}
"""How many agents have each capability."""

GENERAL = "general"
TASK_TYPES = (
    "image_quality", "mesh_quality", "quality_assessment", "prompt_plan", "workflow", "workflow_optimization",
    "performance_advice", "performance_tuning", GENERAL,
)  # fmt: skip
PRIORITIES = {"critical": 1, "high": 3, "medium": 5, "normal": 5, "low": 7}
LOOKING_AT = {"image": QUALITY, "mesh": MESH}
"""Who measures which kind of file."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an agent stands: tasks in hand, and the mean seconds of those it finished (None before the first)."""

    active: int = 0
    mean_s: float | None = None


def takers(task_type: str, required: tuple[str, ...]) -> list[Agent]:
    """The agents that take a task and have all required capabilities; any may take a general one."""
    return [
        agent
        for agent in AGENTS.values()
        if (task_type == GENERAL or task_type in agent.tasks) and set(required) <= set(agent.capabilities)
    ]


def offered(task_type: str) -> list[str]:
    """The capabilities of the agents that take a task."""
    return list(dict.fromkeys(name for agent in takers(task_type, ()) for name in agent.capabilities))


def pick(found: list[Agent], standing: dict[str, Standing]) -> Agent:
    """The idle one with the lowest mean time; one that has done nothing yet counts as quick."""

    def order(agent: Agent) -> tuple[int, float]:
        known = standing.get(agent.agent_id, Standing())
        return known.active, known.mean_s or 0.0

    return min(found, key=order)
