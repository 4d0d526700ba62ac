"""Agents: the tasks that they take, and the runs that aim for a goal."""

from orfeas.services.agents.desk import Task, TaskDone
from orfeas.services.agents.runs import GoalRequest
from orfeas.services.agents.service import AgentService

__all__ = ["AgentService", "GoalRequest", "Task", "TaskDone"]
