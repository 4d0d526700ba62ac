"""How the agents stand: their figures, their health, and the runs at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select

from orfeas.domain.agents.roster import AGENTS, CAPABILITIES
from orfeas.domain.caller import Caller
from orfeas.jobs.enlist import UNFINISHED
from orfeas.services.agents.board import Board
from orfeas.services.agents.reading import steps_of
from orfeas.services.agents.runs import JOB_TYPE
from orfeas.storage.database import Database
from orfeas.storage.tables import jobs, runs

STRATEGIES = ("idle_first", "lowest_mean_time")
_RUNS_AT_WORK = (
    select(jobs.c.id, runs.c.request, runs.c.result, runs.c.started_at, runs.c.created_at)
    .join(runs, runs.c.job_id == jobs.c.id)
    .where(jobs.c.type == JOB_TYPE, jobs.c.tenant == bindparam("tenant"), jobs.c.state.in_(UNFINISHED))
    .order_by(jobs.c.created_at)
)


class Standing:
    """Read how the agents stand."""

    def __init__(self, database: Database, board: Board) -> None:
        self._database, self._board = database, board

    def status(self) -> dict[str, Any]:
        """Every agent with its figures."""
        figures = self._board.performance()
        healthy = self._healthy(figures)
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

    def coordination(self, caller: Caller) -> dict[str, Any]:
        """The runs at work, which agents are healthy, and how tasks are spread."""
        with self._database.read():
            figures, at_work = self._board.performance(), self.at_work(caller)
        healthy = self._healthy(figures)
        return {
            "active_coordinations": at_work,
            "service_discovery": {
                "total_agents": len(AGENTS),
                "healthy_agents": sum(healthy.values()),
                "unhealthy_agents": len(AGENTS) - sum(healthy.values()),
                "agent_summary": {
                    agent.agent_type: {"count": 1, "healthy": int(healthy[name]), "agents": [name]}
                    for name, agent in AGENTS.items()
                },
            },
            "load_balancer": {
                "request_counts": {name: found["requests"] for name, found in figures.items()},
                "avg_response_times": {name: found["average_execution_time"] for name, found in figures.items()},
                "available_agents": [name for name in figures if healthy[name]],
                "strategies": [*STRATEGIES],
                "default_strategy": STRATEGIES[0],
            },
        }

    def at_work(self, caller: Caller) -> dict[str, dict[str, Any]]:
        """The runs at work: goal, step and start."""
        with self._database.read() as connection:
            rows = connection.execute(_RUNS_AT_WORK, {"tenant": caller.tenant}).all()
        return {
            row.id: {
                "goal": row.request.get("goal"),
                "step": _step_of(row.result),
                "started_at": row.started_at or row.created_at,
            }
            for row in rows
        }

    def healthy_agents(self) -> int:
        """How many of them are."""
        return sum(self._healthy(self._board.performance()).values())

    def _healthy(self, figures: dict[str, dict[str, Any]]) -> dict[str, bool]:
        return {name: self._board.healthy(found["heartbeat_at"]) for name, found in figures.items()}


def _word(healthy: bool, active: int) -> str:
    if not healthy:
        return "unavailable"
    return "busy" if active else "idle"


def _step_of(result: Mapping[str, Any] | None) -> str | None:
    """What a run at work waits for."""
    steps = steps_of((result or {}).get("reports", {}))
    return steps[-1]["doing"]["phase"] if steps and "doing" in steps[-1] else None
