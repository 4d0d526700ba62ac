"""Forecasts from measured runs; what was not measured is null."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.views import RunRequest
from orfeas.services.plans import Pictures, ShapeRequest, generation_plan


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request would take. The embedded engine uses no device memory; `basis` is `measured` or `none`."""

    engine: str
    model: str | None
    vram_mb: int | None
    settings: dict[str, Any]
    seconds: float | None
    queue_wait_seconds: float | None
    basis: str
    cached: bool
    alternatives: list[dict[str, Any]]
    fits: bool = True
    disk_bytes: int | None = None


def estimate(jobs: Jobs, caller: Caller, asked: RunRequest, request: ShapeRequest, pictures: Pictures) -> Estimate:
    """The forecast of a run, of the wait before it, and of the same at other qualities."""
    cached = jobs.cached(caller, asked.plan)
    seconds = 0.0 if cached else run_seconds(jobs, asked)
    others = [quality for quality in (request.quality - 2, request.quality - 4) if quality in request.rows]
    return Estimate(
        engine=request.engine,
        model=request.model_id,
        vram_mb=_device_memory_mb(request),
        settings=request.settings,
        seconds=seconds,
        queue_wait_seconds=queue_wait(jobs, caller),
        basis="none" if seconds is None else "measured",
        cached=cached,
        alternatives=[_alternative(jobs, asked, replace(request, quality=quality), pictures) for quality in others],
    )


def run_seconds(jobs: Jobs, asked: RunRequest) -> float | None:
    """The sum of the measured medians of all stages, or None before enough runs of this kind have finished."""
    measured = jobs.measured_seconds(asked)
    names = [node.spec.name for node in asked.plan.nodes()]
    if measured is None or any(name not in measured for name in names):
        return None
    return round(sum(measured[name] for name in names), 3)


def queue_wait(jobs: Jobs, caller: Caller) -> float | None:
    """Zero while a worker is free and nothing waits; the time of a queue is not known without its plans."""
    status = jobs.queue_status(caller)
    if status.depth:
        return None
    free = any(worker["queue"] == "cpu" and worker["state"] == "idle" for worker in status.workers)
    return 0.0 if free or status.running == 0 else None


def _alternative(jobs: Jobs, asked: RunRequest, request: ShapeRequest, pictures: Pictures) -> dict[str, Any]:
    lighter = replace(asked, plan=generation_plan(request, pictures), quality=request.quality)
    return {
        "change": {"quality": request.quality},
        "seconds": run_seconds(jobs, lighter),
        "vram_mb": _device_memory_mb(request),
        "fits": True,
    }


def _device_memory_mb(request: ShapeRequest) -> int | None:
    """None for a model: what it takes is measured by the device alone."""
    return 0 if request.model_id is None else None
