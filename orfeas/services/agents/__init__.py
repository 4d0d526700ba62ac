"""Agents: the tasks that they take, and the runs that aim for a goal."""

from orfeas.services.agents.service import AgentService, GoalRequest, Task, TaskDone

__all__ = ["AgentService", "GoalRequest", "Task", "TaskDone"]
