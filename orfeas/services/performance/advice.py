"""What the measurements suggest to change. Every sentence rests on a figure that is given with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orfeas.services.performance.timings import Recent

SEVERITIES = ((60.0, "critical"), (40.0, "high"), (20.0, "medium"))
SLOW_MEAN_S = 100.0
UNEVEN = 2.0
ENOUGH_LOOKUPS = 50
LOW_HIT_RATE = 0.1
LOADS_PER_RUN = 0.5
FULL_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence, the figures behind it, and the setting that it is about."""

    code: str
    message: str
    evidence: dict[str, Any]
    setting: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What advice is made from. `queued` runs wait for `cpu_workers`; `loads` of weights over `executions`."""

    recent: Recent
    hits: int = 0
    misses: int = 0
    queued: int = 0
    cpu_workers: int = 0
    profile: str = "standard"
    devices: tuple[dict[str, Any], ...] = field(default=())


def bottlenecks(recent: Recent) -> list[dict[str, Any]]:
    """Stages that take a fifth or more of the time of all, the largest share first."""
    if not recent.monitored_s:
        return []
    shares = {name: 100.0 * stage.total_s / recent.monitored_s for name, stage in recent.stages.items()}
    return [
        {
            "stage": name,
            "avg_percent": round(share, 2),
            "avg_duration_seconds": round(recent.stages[name].average_s, 4),
            "severity": next(word for least, word in SEVERITIES if share >= least),
        }
        for name, share in sorted(shares.items(), key=lambda entry: -entry[1])
        if share >= SEVERITIES[-1][0]
    ]


def advice(seen: Observed) -> list[Advice]:
    """Everything that the figures give reason to say."""
    return [*_durations(seen), *_stages(seen), *_cache(seen), *_queue(seen), *_memory(seen)]


def _durations(seen: Observed) -> Iterator[Advice]:
    durations = seen.recent.durations_s
    if not durations:
        return
    mean, most, least = sum(durations) / len(durations), max(durations), min(durations)
    if mean > SLOW_MEAN_S:
        text = f"Runs take {mean:.0f} s on average: enable a faster profile or ask for a lower quality."
        yield Advice("slow_runs", text, {"avg_duration": round(mean, 3)}, "ORFEAS_PROFILE")
    if len(durations) > 1 and most > UNEVEN * least:
        text = f"The slowest run took {most:.1f} s, the fastest {least:.1f} s: qualities differ, or runs share workers."
        evidence = {"max_duration": round(most, 3), "min_duration": round(least, 3)}
        yield Advice("uneven_runs", text, evidence, "quality")


def _stages(seen: Observed) -> Iterator[Advice]:
    for found in bottlenecks(seen.recent):
        if found["severity"] == "critical":
            text = f"{found['stage']} takes {found['avg_percent']:.0f} % of the time of all stages. {_remedy(found)}"
            yield Advice("bottleneck", text, found, _setting(found["stage"]))


def _remedy(found: dict[str, Any]) -> str:
    if found["stage"] == "shape.sample":
        return "Fewer steps, a turbo model or the profile ultra shorten it."
    if found["stage"] == "shape.decode":
        return "A smaller octree_resolution or the profile enhanced shortens it."
    return "A lower quality shortens it."


def _setting(stage: str) -> str:
    return {"shape.sample": "steps", "shape.decode": "octree_resolution"}.get(stage, "quality")


def _cache(seen: Observed) -> Iterator[Advice]:
    asked = seen.hits + seen.misses
    if asked >= ENOUGH_LOOKUPS and seen.hits < LOW_HIT_RATE * asked:
        rate = seen.hits / asked
        text = f"{100.0 * rate:.0f} % of the stages were found in the cache: keep more of them, or for longer."
        evidence = {"hits": seen.hits, "misses": seen.misses, "hit_rate": round(rate, 4)}
        yield Advice("cache_misses", text, evidence, "ORFEAS_CACHE_MAX_MB")


def _queue(seen: Observed) -> Iterator[Advice]:
    if seen.queued > 2 * max(seen.cpu_workers, 1):
        text = f"{seen.queued} runs wait for {seen.cpu_workers} cpu workers: start more with 'orfeas worker'."
        evidence = {"queued": seen.queued, "cpu_workers": seen.cpu_workers}
        yield Advice("long_queue", text, evidence, "ORFEAS_CPU_WORKERS")


def _memory(seen: Observed) -> Iterator[Advice]:
    for device in seen.devices:
        yield from _weights(device)
        retries = device.get("oom_retries") or 0
        if retries:
            text = f"{device['device']} ran short of memory {retries} times: lower the largest batch or the resolution."
            yield Advice("memory_short", text, {"oom_retries": retries}, "ORFEAS_GPU_BATCH_MAX")
        used, budget = device.get("memory_used") or 0, device.get("memory_budget") or 0
        if budget and used > FULL_SHARE * budget:
            text = f"{device['device']} uses {100.0 * used / budget:.0f} % of its memory budget."
            evidence = {"memory_used": used, "memory_budget": budget}
            yield Advice("memory_full", text, evidence, "ORFEAS_GPU_MEMORY_SHARE")


def _weights(device: dict[str, Any]) -> Iterator[Advice]:
    loads, evictions = device.get("loads") or 0, device.get("evictions") or 0
    if evictions > 2 and evictions > LOADS_PER_RUN * loads:
        text = f"{device['device']} drops weights and loads them again: use one model, or keep weights for longer."
        yield Advice("weights_reloaded", text, {"loads": loads, "evictions": evictions}, "ORFEAS_MODEL_IDLE_S")
