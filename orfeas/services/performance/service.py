"""Profiles in force, and what finished runs took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.presets import PROFILES
from orfeas.domain.profiles import QUANTUM, STANDARD, ULTRA, Switches
from orfeas.errors import ForbiddenError, InvalidRequestError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.views import JobState, RunView, Surface
from orfeas.services.engines import Choice, EngineService
from orfeas.services.performance import settings as rows
from orfeas.services.performance import timings
from orfeas.services.performance.advice import Observed, advice, bottlenecks
from orfeas.services.performance.settings import ENGINES, SECURITY, PerformanceSettings
from orfeas.services.performance.timings import Recent, Speedup
from orfeas.services.performance.tuning import NO_MODEL, Tuning, Wish, tuning_of
from orfeas.storage.database import Database

ALL = "all"
OFF = "No profile is enabled: POST /api/ultra-performance/enable turns one on."
ALWAYS_ON = "The engine security stays on: strict checks of inputs cannot be turned off."
NO_RUNS = "no finished runs yet"


class PerformanceService:
    """Keep the settings, tune requests by them, and tell what runs took."""

    def __init__(
        self,
        config: Config,
        database: Database,
        jobs: Jobs,
        engines: EngineService,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._database, self._jobs, self._engines, self._now = config, database, jobs, engines, now

    # requests

    def wish(self, surface: Surface, profile: str | None, *, allow_degrade: bool | None) -> Wish:
        """What a request wants; what it leaves open is taken from the settings on the compatible surface alone."""
        kept = self.settings()
        compatible = surface is Surface.COMPATIBLE
        chosen = profile or (kept.in_force if compatible else STANDARD)
        automatic = compatible and kept.enabled and kept.auto_optimization and allow_degrade is not False
        return Wish(
            profile=chosen,
            turbo=chosen == QUANTUM or (compatible and kept.speeds and kept.quantum_protocols),
            allow_degrade=automatic if allow_degrade is None else allow_degrade,
            steps_down=automatic and chosen != STANDARD,
            repair=compatible and kept.mends,
            monitored=kept.performance_monitoring,
        )

    def tuned(self, caller: Caller, wish: Wish, choice: Choice, *, named: bool) -> tuple[Choice, Tuning]:
        """The engine with turbo weights where they are wanted, and the switches; a model that was `named` stays."""
        if choice.model is None:
            return choice, tuning_of(wish, self._config, None, NO_MODEL, turbo=NO_MODEL)
        device, reason = self._engines.device()
        missing = None
        if wish.turbo and not choice.model.distilled:
            turbo, missing = self._engines.turbo_of(caller, choice.model)
            if named:
                missing = f"The request names {choice.model.id}."
            elif turbo is not None:
                choice = replace(choice, model=turbo)
        distilled = choice.model is not None and choice.model.distilled
        return choice, tuning_of(wish, self._config, device, reason, turbo=missing, distilled=distilled)

    # settings

    def settings(self) -> PerformanceSettings:
        """Those in force."""
        with self._database.read() as connection:
            return rows.read(connection, self._config)

    def configure(
        self,
        caller: Caller,
        *,
        profile: str,
        engines: list[str],
        quantum_protocols: bool,
        auto_optimization: bool,
        performance_monitoring: bool,
    ) -> tuple[PerformanceSettings, list[str]]:
        """Replace the settings; whether a profile is enabled stays. Running jobs keep theirs."""
        _require_profile(profile, "/optimization_profile")
        chosen = _engines(engines)
        changed = self._change(
            caller,
            lambda kept: PerformanceSettings(
                enabled=kept.enabled,
                profile=profile,
                engines=chosen,
                quantum_protocols=quantum_protocols or profile == QUANTUM,
                auto_optimization=auto_optimization,
                performance_monitoring=performance_monitoring,
            ),
        )
        return changed, [] if SECURITY in engines or ALL in engines else [ALWAYS_ON]

    def enable(self, caller: Caller, level: str) -> PerformanceSettings:
        """Give compatible requests a profile; with no engine chosen before, all engines."""
        _require_profile(level, "/optimization_level")
        return self._change(
            caller,
            lambda kept: replace(
                kept,
                enabled=True,
                profile=level,
                engines=kept.engines if len(kept.engines) > 1 else ENGINES,
                quantum_protocols=kept.quantum_protocols or level == QUANTUM,
            ),
        )

    def disable(self, caller: Caller) -> PerformanceSettings:
        """Back to standard."""
        return self._change(caller, lambda kept: replace(kept, enabled=False, profile=STANDARD))

    def tuning(self, caller: Caller) -> Tuning:
        """What a compatible request would get now that names no engine and no model."""
        wish = self.wish(Surface.COMPATIBLE, None, allow_degrade=None)
        return self.tuned(caller, wish, self._engines.preferred(caller), named=False)[1]

    def status(self, caller: Caller) -> dict[str, Any]:
        """The profile in force with what it was worth."""
        kept, tuning = self.settings(), self.tuning(caller)
        with self._database.read() as connection:
            gained = timings.speedup(connection, kept.in_force)
            hits, misses = timings.cache_counts(connection)
            latest = timings.recent(connection).durations_s
            succeeded, optimized = timings.success_rate(connection), timings.optimized_runs(connection)
        asked = hits + misses
        metrics = {
            **_gains(gained),
            "processing_time_avg": _mean(latest),
            "cache_hit_rate": round(hits / asked, 4) if asked else None,
            "optimization_efficiency": gained.efficiency,
            "total_optimizations": optimized,
            "success_rate": succeeded,
        }
        active = kept.speeds and kept.quantum_protocols
        document = tuning.document()
        return {
            "enabled": kept.enabled,
            "status": {
                "speed_optimizer_enabled": kept.speeds,
                "accuracy_enhancer_enabled": kept.mends,
                "security_amplifier_enabled": True,
                "quantum_protocols_active": active,
                "optimization_level": kept.profile if kept.enabled else "disabled",
                "active_optimizations": _active(document) if kept.enabled else [],
                "performance_monitor_active": kept.performance_monitoring,
                "cache_manager_active": self._config.cache,
            },
            "performance_metrics": metrics,
            "optimization_engines": self.engines(kept),
            "quantum_protocols": {"active": active, "optimization_level": kept.profile if active else None},
            "performance_gains": _gains(gained),
            "settings": document,
            "unavailable": document["unavailable"],
            "timestamp": self._now(),
            **({} if kept.enabled else {"reason": OFF}),
        }

    def configuration(self, caller: Caller) -> dict[str, Any]:
        """The settings as clients read them."""
        kept, tuning = self.settings(), self.tuning(caller)
        return {
            "optimization_mode": kept.profile if kept.enabled else "disabled",
            "optimization_profile": kept.profile,
            "enabled_engines": [*kept.engines],
            "quantum_protocols": kept.quantum_protocols,
            "auto_optimization": kept.auto_optimization,
            "performance_monitoring": kept.performance_monitoring,
            "cache_enabled": self._config.cache,
            "security_level": "strict",
            "max_processing_time": self._config.job_timeout_s,
            "speed_target": None,
            "accuracy_target": None,
            "security_target": None,
            "settings": tuning.document(),
        }

    @staticmethod
    def engines(kept: PerformanceSettings) -> dict[str, bool]:
        """Which engines are at work."""
        return {"speed_optimizer": kept.speeds, "accuracy_enhancer": kept.mends, "security_amplifier": True}

    # measurements

    def speedup(self, run: RunView) -> Speedup:
        """How much faster the profile of a run was, for its model and quality."""
        with self._database.read() as connection:
            return timings.speedup(
                connection, run.profile or STANDARD, engine=run.engine, model=run.model, quality=run.quality
            )

    def default_profile(self) -> str:
        """What /api/ultra-generate-3d takes where none is named."""
        kept = self.settings()
        return kept.profile if kept.enabled else ULTRA

    def asked(self, run: RunView) -> dict[str, Any]:
        """The profile of a run as its start is answered."""
        gained = self.speedup(run)
        return {
            "enabled": True,
            "profile": run.profile,
            "settings": _shown(run, self._config),
            "measured_speedup": gained.ratio,
            "basis": {"runs": gained.runs, "reference_runs": gained.reference_runs},
            "expected_improvements": {"speed": gained.ratio, "accuracy": None, "security": None},
        }

    def made(self, run: RunView) -> dict[str, Any] | None:
        """The profile of a finished run; None where it was made without one."""
        if "switches" not in run.settings or run.state is not JobState.SUCCEEDED:
            return None
        seconds = (run.finished_at or 0.0) - (run.started_at or run.finished_at or 0.0)
        return {
            "profile": run.profile,
            "processing_time": round(seconds, 3),
            "algorithms_used": algorithms(run),
            "measured_speedup": self.speedup(run).ratio,
        }

    def summary(self) -> dict[str, Any]:
        """Durations and stages of the last fifty finished runs."""
        with self._database.read() as connection:
            found = timings.recent(connection)
        return {**_durations(found), "timestamp": self._now()}

    def recommendations(self, caller: Caller) -> list[dict[str, Any]]:
        """What the figures of runs, cache, queue and devices suggest."""
        with self._database.read() as connection:
            latest, (hits, misses) = timings.recent(connection), timings.cache_counts(connection)
            devices = timings.device_reports(connection, self._now())
            queue = self._jobs.queue_status(caller)
        seen = Observed(
            recent=latest,
            hits=hits,
            misses=misses,
            queued=queue.depth,
            cpu_workers=sum(worker["queue"] == "cpu" for worker in queue.workers),
            devices=tuple(devices),
        )
        return [asdict(found) for found in advice(seen)]

    def _change(
        self, caller: Caller, change: Callable[[PerformanceSettings], PerformanceSettings]
    ) -> PerformanceSettings:
        if "admin" not in caller.scopes:
            raise ForbiddenError("Changing the profile in force needs the scope admin.")
        with self._database.transaction() as connection:
            changed = change(rows.read(connection, self._config))
            rows.write(connection, changed)
        return changed


def _require_profile(name: str, pointer: str) -> None:
    if name not in PROFILES:
        raise _unknown(name, "profile", pointer, list(PROFILES))


def _engines(names: list[str]) -> tuple[str, ...]:
    """Those that are on; security always is."""
    for index, name in enumerate(names):
        if name not in (*ENGINES, ALL):
            raise _unknown(name, "engine", f"/enabled_engines/{index}", [*ENGINES, ALL])
    return tuple(name for name in ENGINES if name == SECURITY or name in names or ALL in names)


def _unknown(name: str, kind: str, pointer: str, allowed: list[str]) -> InvalidRequestError:
    detail = f"There is no {kind} {name[:64]!r}; there are {', '.join(allowed)}."
    return InvalidRequestError.at(pointer, detail, allowed=allowed)


def _gains(gained: Speedup) -> dict[str, Any]:
    return {"speed_multiplier": gained.ratio, "accuracy_improvement": None, "security_enhancement": None}


def _active(document: dict[str, Any]) -> list[str]:
    """The switches of a tuning that differ from the plain way."""
    plain = {"steps_factor": 1.0, "volume_decoding": "hierarchical", "embedded_grid_factor": 1.0}
    off = {entry["setting"] for entry in document["unavailable"]}
    changed = [name for name, value in plain.items() if document[name] != value and name not in off]
    flags = [name for name in ("compiled_denoiser", "turbo_weights", "result_cache") if document[name]]
    return [*changed, *flags]


def algorithms(run: RunView) -> list[str]:
    """What a run was made with that its profile stands for."""
    switches = run.settings.get("switches") or {}
    neural = run.settings.get("model") is not None
    used = []
    if neural:
        used.append(f"{switches.get('volume_decoding', 'hierarchical')} decoding")
        used += ["compiled denoiser"] if switches.get("compiled") else []
        used += [f"steps x {switches['steps_factor']:g}"] if switches.get("steps_factor", 1.0) != 1.0 else []
        used += ["turbo weights"] if run.settings["model"].get("distilled") else []
    elif switches.get("embedded_grid_factor", 1.0) != 1.0:
        used.append(f"grid x {switches['embedded_grid_factor']:g}")
    return [*used, *(["mesh repair"] if run.settings.get("repair") else [])]


def _shown(run: RunView, config: Config) -> dict[str, Any]:
    """The switches of a run as clients see those in force."""
    model = run.settings.get("model") or {}
    return Tuning(
        switches=Switches.read(run.settings.get("switches")),
        precision=model.get("precision"),
        turbo_weights=run.profile == QUANTUM and bool(model.get("distilled")),
        result_cache=config.cache,
        unavailable=tuple(run.settings.get("unavailable", ())),
    ).document()


def _mean(values: tuple[float, ...]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _durations(found: Recent) -> dict[str, Any]:
    durations = found.durations_s
    return {
        "total_pipelines": len(durations),
        "avg_duration": _mean(durations) or 0.0,
        "min_duration": round(min(durations, default=0.0), 4),
        "max_duration": round(max(durations, default=0.0), 4),
        "stage_breakdown": {
            name: {
                "avg_duration": round(stage.average_s, 6),
                "min_duration": round(stage.least_s, 6),
                "max_duration": round(stage.most_s, 6),
                "count": stage.count,
            }
            for name, stage in sorted(found.stages.items())
        },
        "bottlenecks": bottlenecks(found),
        **({} if durations else {"error": NO_RUNS}),
    }
