"""Agents as a category: runs that aim for a goal, single tasks, and how the agents stand."""

from __future__ import annotations

from orfeas.config import Config
from orfeas.jobs.jobs import Jobs
from orfeas.services.agents.board import Board
from orfeas.services.agents.desk import TaskDesk
from orfeas.services.agents.runs import JOB_TYPE, AgentRuns
from orfeas.services.agents.standing import Standing
from orfeas.services.agents.work import Work
from orfeas.services.assets import AssetService
from orfeas.services.generation import GenerationService
from orfeas.services.llm import LlmService
from orfeas.services.meshes import MeshService
from orfeas.services.performance import PerformanceService
from orfeas.storage.database import Database


class AgentService:
    """The parts of the category, wired."""

    JOB_TYPE = JOB_TYPE

    def __init__(
        self, config: Config, database: Database, engine: Jobs, assets: AssetService, generation: GenerationService,
        meshes: MeshService, llm: LlmService, performance: PerformanceService,
    ) -> None:  # fmt: skip
        work = Work(config, engine, assets, generation, meshes)
        self.board = Board(database)
        self.runs = AgentRuns(database, engine, assets, generation, llm, performance, work, self.board)
        self.desk = TaskDesk(engine, assets, performance, work, self.board, self.runs)
        self.standing = Standing(database, self.board)
