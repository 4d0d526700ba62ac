"""What runs took, and the profile that compatible requests get."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.domain.presets import PROFILES
from orfeas.routes import performance_samples as samples
from orfeas.routes.body import compatible_body, warn
from orfeas.routes.context import caller, services
from orfeas.routes.examples import example
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import dumped
from orfeas.routes.schemas.performance import (
    ConfiguredSchema,
    ConfigureSchema,
    DisableSchema,
    EnableSchema,
    RecommendationsSchema,
    SummarySchema,
    UltraConfigSchema,
    UltraDisabledSchema,
    UltraEnabledSchema,
    UltraStatusSchema,
)
from orfeas.services.performance import ENGINES

ULTRA = "/api/ultra-performance"
NO_TARGETS = {"speed_multiplier": None, "accuracy_multiplier": None, "security_multiplier": None}
DISABLED = "Compatible requests get the profile standard again; running jobs keep theirs."

blp = Blueprint("performance", __name__, description="What runs took, and the profile that compatible requests get.")


@blp.get("/api/performance/summary")
@blp.response(200, SummarySchema)
@example(
    response={
        "total_pipelines": 2, "avg_duration": 0.91, "min_duration": 0.62, "max_duration": 1.2,
        "stage_breakdown": {
            "shape.inflate": {"avg_duration": 0.31, "min_duration": 0.2, "max_duration": 0.42, "count": 2}
        },
        "bottlenecks": [
            {"stage": "shape.inflate", "avg_percent": 42.5, "avg_duration_seconds": 0.31, "severity": "high"}
        ],
        "timestamp": "2026-05-04T09:30:00.000Z",
    }
)  # fmt: skip
def summary() -> Response:
    """Read durations of the last finished runs and of their stages."""
    return jsonify(dumped(SummarySchema, services().performance.summary()))


@blp.get("/api/performance/recommendations")
@blp.response(200, RecommendationsSchema)
@example(
    response={
        "recommendations": ["Runs take 130 s on average: enable a faster profile or ask for a lower quality."],
        "details": [
            {
                "code": "slow_runs",
                "message": "Runs take 130 s on average: enable a faster profile or ask for a lower quality.",
                "evidence": {"avg_duration": 130.2},
                "setting": "ORFEAS_PROFILE",
            }
        ],
    }
)
def recommendations() -> Response:
    """Read advice derived from measured runs, the cache, the queue and the devices."""
    details = services().performance.recommendations(caller())
    answer = {"recommendations": [found["message"] for found in details], "details": details}
    return jsonify(dumped(RecommendationsSchema, answer))


@blp.get(f"{ULTRA}/status")
@blp.response(200, UltraStatusSchema)
@example(response=samples.STATUS)
def status() -> Response:
    """Read the profile in force and what was measured of it."""
    return jsonify(dumped(UltraStatusSchema, services().performance.status(caller())))


@blp.get(f"{ULTRA}/config")
@blp.response(200, UltraConfigSchema)
@example(response=samples.CONFIG)
def config() -> Response:
    """Read the settings of profiles."""
    found = services().performance.configuration(caller())
    answer = {
        "configuration": found,
        "available_profiles": [*PROFILES],
        "optimization_engines": [*ENGINES],
        "current_mode": found["optimization_mode"],
    }
    return jsonify(dumped(UltraConfigSchema, answer))


@blp.post(f"{ULTRA}/config")
@compatible_body(blp, ConfigureSchema)
@blp.response(200, ConfiguredSchema)
@problems(blp, "invalid_request", "forbidden")
@example(
    request={"optimization_profile": "enhanced", "enabled_engines": ["speed", "security"]}, response=samples.CONFIGURED
)
def configure(params: dict[str, Any]) -> Response:
    """Change the settings of profiles; what is left out goes back to its default."""
    changed, warnings = services().performance.configure(
        caller(),
        profile=params["optimization_profile"].lower(),
        engines=[name.lower() for name in params["enabled_engines"]],
        quantum_protocols=params["quantum_protocols"],
        auto_optimization=params["auto_optimization"],
        performance_monitoring=params["performance_monitoring"],
    )
    for warning in warnings:
        warn(warning)
    when = "in force now" if changed.enabled else f"in force once {ULTRA}/enable is called"
    answer = {
        "success": True,
        "updated_configuration": services().performance.configuration(caller()),
        "message": f"The profile {changed.profile} is {when}.",
    }
    return jsonify(dumped(ConfiguredSchema, answer))


@blp.post(f"{ULTRA}/enable")
@compatible_body(blp, EnableSchema)
@blp.response(200, UltraEnabledSchema)
@problems(blp, "invalid_request", "forbidden")
@example(request={"optimization_level": "enhanced"}, response=samples.ENABLED)
def enable(params: dict[str, Any]) -> Response:
    """Give compatible requests a profile."""
    level = services().performance.enable(caller(), params["optimization_level"].lower()).profile
    settings = services().performance.tuning(caller()).document()
    answer = {
        "success": True,
        "optimization_enabled": True,
        "optimization_level": level,
        "result": {
            "enabled": True,
            "optimization_level": level,
            "targets": NO_TARGETS,
            "settings": settings,
            "unavailable": settings["unavailable"],
        },
        "message": f"Compatible requests get the profile {level} from now on.",
    }
    return jsonify(dumped(UltraEnabledSchema, answer))


@blp.post(f"{ULTRA}/disable")
@compatible_body(blp, DisableSchema)
@blp.response(200, UltraDisabledSchema)
@problems(blp, "forbidden")
@example(request={}, response=samples.DISABLED)
def disable(params: dict[str, Any]) -> Response:
    """Go back to the profile standard."""
    services().performance.disable(caller())
    answer = {
        "success": True,
        "optimization_enabled": False,
        "result": {"enabled": False, "optimization_level": "disabled", "message": DISABLED},
        "message": DISABLED,
    }
    return jsonify(dumped(UltraDisabledSchema, answer))
