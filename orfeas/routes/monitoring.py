"""Health, readiness, metrics and what pages report. These answer from kept state, so they stay fast under load."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, current_app, jsonify, request
from flask_smorest import Blueprint

from orfeas.errors import BadRequestError, TooLargeError
from orfeas.routes.context import services
from orfeas.routes.examples import example
from orfeas.routes.headers import cap_body
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import rfc3339
from orfeas.routes.schemas.monitoring import (
    ClientErrorSchema,
    GpuStatsSchema,
    GpuStatusSchema,
    HealthSchema,
    LoggedErrorSchema,
    ModelsInfoSchema,
    PlainHealthSchema,
    ReadinessSchema,
    RouteTableSchema,
    SmokeSchema,
)
from orfeas.services.measurements import MEDIA_TYPE
from orfeas.version import __version__

REPORT_BYTES = 32_768

REPORT = {
    "application/json": {"schema": ClientErrorSchema},
    # What navigator.sendBeacon sends.
    "text/plain": {"schema": {"type": "string", "description": "The same JSON.", "example": '{"message": "x"}'}},
}
blp = Blueprint("monitoring", __name__, description="Health and load.")

MEGABYTES = {"allocated_mb": 0.0, "reserved_mb": 0.0, "total_mb": 0.0, "free_mb": 0.0}
PROCESSOR = {
    "status": "ready", "device": "cpu", "model_type": "embedded", "capabilities": ["image_to_3d"],
    "formats": ["stl", "obj", "glb"], "has_text2image": True,
}  # fmt: skip
CHECKS = {
    "application": True, "database": True, "disk": True, "worker": True, "gpu": False, "models": False,
    "gpu_name": None, "gpu_memory_total": 0,
}  # fmt: skip
GPU = {
    "available": True, "name": "NVIDIA GeForce RTX 4090", "total_vram_gb": 25.431, "allocated_gb": 7.813,
    "reserved_gb": 8.837, "available_gb": 16.24, "usage_percent": 30.72, "precision_mode": "float16",
    "mixed_precision_enabled": False, "gradient_checkpointing": False, "quantization_enabled": False,
}  # fmt: skip


@blp.get("/api/health")
@blp.response(200, HealthSchema)
@example(
    response={
        "status": "healthy", "timestamp": "2026-05-04T09:30:00.000Z", "server": "orfeas", "version": "0.1.0",
        "mode": "safe_fallback",
        "gpu_info": {"allocated": 0, "reserved": 0, "total": 0, "free": 0, **MEGABYTES},
        "active_jobs": 1, "queued_jobs": 0, "models_status": "ready", "processor": PROCESSOR,
        "capabilities": ["image_to_3d"], "uptime_seconds": 12.5,
    }
)  # fmt: skip
def health_with_state() -> Response:
    """Liveness with state"""
    found = services().monitoring.health()
    return jsonify({**found, "timestamp": rfc3339(found["timestamp"])})


@blp.get("/health")
@blp.response(200, PlainHealthSchema)
@example(response={"status": "healthy", "service": "orfeas-backend", "version": "0.1.0"})
def health() -> Response:
    """Plain liveness"""
    return jsonify(status="healthy", service="orfeas-backend", version=__version__)


@blp.get("/ready")
@blp.response(200, ReadinessSchema)
@blp.alt_response(503, schema=ReadinessSchema, description="Something that work needs is missing.")
@example(response={"status": "ready", "checks": CHECKS})
def ready() -> tuple[Response, int]:
    """Readiness: 503 while work would not be done"""
    is_ready, answer = services().monitoring.readiness()
    return jsonify(answer), 200 if is_ready else 503


@blp.get("/api/models-info")
@blp.response(200, ModelsInfoSchema)
@example(
    response={
        "mode": "safe_fallback", "device": "cpu", "gpu_stats": MEGABYTES, "processor": PROCESSOR, "models_loaded": [],
        "shapegen_ready": True, "texgen_ready": True, "text_to_image_ready": True,
        "engines": {"embedded": {"available": True, "reason": None}},
    }
)  # fmt: skip
def models_info() -> Response:
    """What is loaded where"""
    return jsonify(services().monitoring.models_info())


@blp.get("/api/gpu/status")
@blp.response(200, GpuStatusSchema)
@example(
    response={
        "memory": {
            "total_mb": 25430.786, "used_mb": 7812.5, "free_mb": 16240.0, "cached_mb": 1024.0,
            "utilization_percent": 30.72,
        },
        "trends": {
            "trend": "stable", "avg_utilization": 30.1, "peak_utilization": 34.2, "min_utilization": 28.4,
            "variance": 1.21, "stable": True,
        },
        "recommendations": [], "timestamp": "2026-05-04T09:30:00.000Z",
    }
)  # fmt: skip
def gpu_status() -> Response:
    """Memory of the device and how its use went in ten minutes"""
    found = services().monitoring.gpu_status()
    return jsonify({**found, "timestamp": rfc3339(found["timestamp"])})


@blp.get("/api/v1/gpu/stats")
@blp.response(200, GpuStatsSchema)
@example(
    response={
        "timestamp": "2026-05-04T09:30:00.000Z", "gpu": GPU, "queue_depth": 2, "recommended_precision": "float16",
        "optimal_batch_size": 8, "status": "operational",
        "devices": [{"device": "cuda:0", "state": "busy", **GPU}],
    }
)  # fmt: skip
def gpu_stats() -> Response:
    """Figures of the devices, and the batch that is fastest for an item"""
    found = services().monitoring.gpu_stats()
    return jsonify({**found, "timestamp": rfc3339(found["timestamp"])})


@blp.get("/metrics")
@blp.response(200, {"type": "string"}, content_type="text/plain", description="Prometheus text format 0.0.4.")
@example()
def metrics() -> Response:
    """Prometheus metrics"""
    return Response(services().monitoring.metrics(), content_type=MEDIA_TYPE)


@blp.post("/api/log-error")
@blp.doc(requestBody={"content": REPORT, "required": True})
@blp.response(201, LoggedErrorSchema)
@problems(blp, "invalid_request", "bad_request", "too_large", "rate_limited")
@example(
    request={"message": "x is undefined", "url": "https://pages.example/", "stack": "at main.js:1"},
    response={"success": True, "error_id": "8f14e45fceea167a", "truncated": False},
)
def log_error() -> tuple[Response, int]:
    """Log an error that a page met."""
    text = f"A report may have {REPORT_BYTES // 1000} kB; send less."
    cap_body(REPORT_BYTES, lambda: TooLargeError(text, limit=REPORT_BYTES))
    address = request.remote_addr or ""
    services().client_errors.admit(address)
    logged = services().client_errors.report(_report(request.get_data(cache=False)), address)
    return jsonify(success=True, error_id=logged.error_id, truncated=logged.truncated), 201


def _report(data: bytes) -> Any:
    """Any JSON: what a log must not hold is taken out later."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The body is not JSON that can be read: {str(error)[:200]}.") from error


@blp.get("/debug/flask-blueprints")
@blp.response(200, RouteTableSchema)
@problems(blp, "forbidden")
@example(
    response={
        "blueprints": {
            "llm": {"name": "llm", "import_name": "orfeas.routes.llm", "url_prefix": None, "has_static_folder": False}
        },
        "llm_url_rules": [{"endpoint": "llm.status", "methods": ["GET"], "rule": "/api/llm/status"}],
        "total_rules": 120,
    }
)
def flask_blueprints() -> Response:
    """Route table, for administrators"""
    rules = [*current_app.url_map.iter_rules()]
    return jsonify(
        blueprints={
            name: {
                "name": found.name,
                "import_name": found.import_name,
                "url_prefix": found.url_prefix,
                "has_static_folder": found.has_static_folder,
            }
            for name, found in current_app.blueprints.items()
        },
        llm_url_rules=[
            {
                "endpoint": rule.endpoint,
                "methods": sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}),
                "rule": rule.rule,
            }
            for rule in rules
            if rule.endpoint.startswith("llm.")
        ],
        total_rules=len(rules),
    )


@blp.get("/test-simple")
@blp.response(200, SmokeSchema)
@example(response={"test": "works"})
def smoke() -> Response:
    """Smoke answer"""
    return jsonify(test="works")
