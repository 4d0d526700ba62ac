"""Health, readiness and metrics. These answer from kept state, so they stay fast under load."""

from __future__ import annotations

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.routes.context import services
from orfeas.routes.examples import example
from orfeas.routes.schemas.common import rfc3339
from orfeas.routes.schemas.monitoring import (
    HealthSchema,
    ModelsInfoSchema,
    PlainHealthSchema,
    ReadinessSchema,
    SmokeSchema,
)
from orfeas.services.measurements import MEDIA_TYPE
from orfeas.version import __version__

blp = Blueprint("monitoring", __name__, description="Health and load.")

MEGABYTES = {"allocated_mb": 0.0, "reserved_mb": 0.0, "total_mb": 0.0, "free_mb": 0.0}
PROCESSOR = {
    "status": "ready", "device": "cpu", "model_type": "embedded", "capabilities": ["image_to_3d"],
    "formats": ["stl", "obj", "glb"], "has_text2image": False,
}  # fmt: skip
CHECKS = {
    "application": True, "database": True, "disk": True, "worker": True, "gpu": False, "models": False,
    "gpu_name": None, "gpu_memory_total": 0,
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
        "shapegen_ready": True, "texgen_ready": True, "text_to_image_ready": False,
        "engines": {"embedded": {"available": True, "reason": None}},
    }
)  # fmt: skip
def models_info() -> Response:
    """What is loaded where"""
    return jsonify(services().monitoring.models_info())


@blp.get("/metrics")
@blp.response(200, {"type": "string"}, content_type="text/plain", description="Prometheus text format 0.0.4.")
@example()
def metrics() -> Response:
    """Prometheus metrics"""
    return Response(services().monitoring.metrics(), content_type=MEDIA_TYPE)


@blp.get("/test-simple")
@blp.response(200, SmokeSchema)
@example(response={"test": "works"})
def smoke() -> Response:
    """Smoke answer"""
    return jsonify(test="works")
