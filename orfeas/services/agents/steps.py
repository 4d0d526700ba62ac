"""The stage of agents. It lies here and not with the other stages: it starts jobs, which only services can."""

from __future__ import annotations

from orfeas.config import Config
from orfeas.domain.caller import SCOPES, Caller
from orfeas.domain.specs import AgentStep
from orfeas.services import build_services
from orfeas.stages.registry import Progress, Result, implements


@implements(AgentStep)
def step(spec: AgentStep, on_progress: Progress, config: Config) -> Result:
    """Look at what the last step started, decide, start the next."""
    services = build_services(config)
    try:
        return Result(None, services.agents.runs.step(Caller(spec.tenant, SCOPES), spec.job_id, spec.number))
    finally:
        services.notifier.stop()
        services.database.dispose()
