"""Example answers of the performance category, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

NO_MODEL = "The embedded engine uses no model."
OFF = [{"setting": "precision", "reason": NO_MODEL}, {"setting": "volume_decoding", "reason": NO_MODEL}]
SETTINGS: dict[str, Any] = {
    "precision": None,
    "compiled_denoiser": False,
    "steps_factor": 1.0,
    "turbo_weights": False,
    "volume_decoding": "hierarchical",
    "embedded_grid_factor": 0.85,
    "largest_batch": 8,
    "result_cache": True,
    "unavailable": OFF,
}
NO_GAINS = {"speed_multiplier": None, "accuracy_improvement": None, "security_enhancement": None}
STATUS = {
    "enabled": True,
    "status": {
        "speed_optimizer_enabled": True,
        "accuracy_enhancer_enabled": False,
        "security_amplifier_enabled": True,
        "quantum_protocols_active": False,
        "optimization_level": "enhanced",
        "active_optimizations": ["embedded_grid_factor", "result_cache"],
        "performance_monitor_active": True,
        "cache_manager_active": True,
    },
    "performance_metrics": {
        **NO_GAINS,
        "processing_time_avg": 0.91,
        "cache_hit_rate": 0.42,
        "optimization_efficiency": None,
        "total_optimizations": 2,
        "success_rate": 1.0,
    },
    "optimization_engines": {"speed_optimizer": True, "accuracy_enhancer": False, "security_amplifier": True},
    "quantum_protocols": {"active": False, "optimization_level": None},
    "performance_gains": NO_GAINS,
    "settings": SETTINGS,
    "unavailable": OFF,
    "timestamp": "2026-05-04T09:30:00.000Z",
}
CONFIGURATION = {
    "optimization_mode": "enhanced",
    "optimization_profile": "enhanced",
    "enabled_engines": ["speed", "security"],
    "quantum_protocols": False,
    "auto_optimization": False,
    "performance_monitoring": True,
    "cache_enabled": True,
    "security_level": "strict",
    "max_processing_time": 1800,
    "speed_target": None,
    "accuracy_target": None,
    "security_target": None,
    "settings": SETTINGS,
}
CONFIG = {
    "configuration": CONFIGURATION,
    "available_profiles": ["standard", "enhanced", "ultra", "quantum"],
    "optimization_engines": ["speed", "accuracy", "security"],
    "current_mode": "enhanced",
}
CONFIGURED = {
    "success": True,
    "updated_configuration": CONFIGURATION,
    "message": "The profile enhanced is in force now.",
}
ENABLED = {
    "success": True,
    "optimization_enabled": True,
    "optimization_level": "enhanced",
    "result": {
        "enabled": True,
        "optimization_level": "enhanced",
        "targets": {"speed_multiplier": None, "accuracy_multiplier": None, "security_multiplier": None},
        "settings": SETTINGS,
        "unavailable": OFF,
    },
    "message": "Compatible requests get the profile enhanced from now on.",
}
_DISABLED = "Compatible requests get the profile standard again; running jobs keep theirs."
DISABLED = {
    "success": True,
    "optimization_enabled": False,
    "result": {"enabled": False, "optimization_level": "disabled", "message": _DISABLED},
    "message": _DISABLED,
}
