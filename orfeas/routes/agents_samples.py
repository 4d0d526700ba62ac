"""Example answers of the agents, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from orfeas.domain.agents.roster import AGENTS, CAPABILITIES, MESH, QUALITY, WORKFLOW
from orfeas.routes.examples import ASSET_ID, JOB_ID
from orfeas.routes.generation.samples import JOB

TASK_ID = "0b9f6a34-7c5e-4b8f-a1d6-3e4f5a6b7c8d"
METRICS = {"tasks_completed": 3, "success_rate": 1.0, "average_execution_time": 0.12, "quality_score": None}

STATUS: dict[str, Any] = {
    "available": True,
    "orchestrator_status": {
        "total_agents": len(AGENTS),
        "active_tasks": 0,
        "agent_status": {
            QUALITY: {
                "agent_type": "quality_assessment",
                "capabilities": [*AGENTS[QUALITY].capabilities],
                "status": "idle",
                "performance_metrics": METRICS,
                "last_activity": "2026-05-04T09:30:00.000Z",
            }
        },
        "capability_coverage": dict(CAPABILITIES),
    },
    "communication_status": {
        "initialized": True, "message_bus": True, "service_discovery": True, "load_balancer": True,
        "active_coordinations": 0,
    },
    "agent_communication_ready": True,
}  # fmt: skip

PICTURE = {
    "width": 512, "height": 512, "megapixels": 0.2621, "subject_found": True, "subject_coverage": 0.38393,
    "border_contact": 0.0, "sharpness": 513.551, "contrast": 0.08333, "has_alpha": False, "notes": [],
}  # fmt: skip

TASK_DONE = {
    "success": True,
    "task_id": TASK_ID,
    "result": {"assessed": 1, "asset_id": ASSET_ID, **PICTURE},
    "message": f"{QUALITY} has answered.",
    "agent_id": QUALITY,
}

GOAL = {"watertight": {"wanted": True, "measured": True, "ok": True}}
ATTEMPT = {"attempt": 1, "change": "generate", "parameters": {}, "job_id": JOB_ID, "goal": GOAL, "error": None}
TRACE = [
    {
        "step": 1, "agent_id": QUALITY, "action": "look", "started_at": "2026-05-04T09:30:00.000Z", "seconds": 0.13,
        "inputs": {"asset_id": ASSET_ID}, "measured": PICTURE, "decision": None, "reason": None, "job_id": None,
    },
    {
        "step": 2, "agent_id": MESH, "action": "measure", "started_at": "2026-05-04T09:30:01.000Z", "seconds": 0.1,
        "inputs": {"asset_id": ASSET_ID}, "measured": {"is_watertight": True}, "decision": None, "reason": None,
        "job_id": None,
    },
]  # fmt: skip

GENERATED = {
    "success": True,
    "task_id": TASK_ID,
    "job_id": TASK_ID,
    "generation_result": {
        "status": "completed", "best_job_id": JOB_ID, "format": "stl",
        "files": [
            {
                "filename": "model.stl", "asset_id": ASSET_ID, "size_bytes": 200084,
                "download_url": f"/api/download/{TASK_ID}/model.stl",
            }
        ],
        "attempts": [ATTEMPT],
    },
    "quality_analysis": {"image": PICTURE, "mesh": {"is_watertight": True, "quality_score": 100.0}, "goal": GOAL},
    "optimization_applied": [],
    "performance_metrics": {"stages": {"shape.inflate": 0.2}, "attempts": 1, "total_seconds": 1.4},
    "trace": TRACE,
}  # fmt: skip

COORDINATIONS = {
    "available": True,
    "active_coordinations": {
        TASK_ID: {"goal": {"max_faces": 2000}, "step": "generate", "started_at": "2026-05-04T09:30:00.000Z"}
    },
    "service_discovery": {
        "total_agents": 5, "healthy_agents": 5, "unhealthy_agents": 0,
        "agent_summary": {"mesh_assessment": {"count": 1, "healthy": 1, "agents": [MESH]}},
    },
    "load_balancer": {
        "request_counts": {MESH: 3}, "avg_response_times": {MESH: 0.1}, "available_agents": [MESH],
        "strategies": ["idle_first", "lowest_mean_time"], "default_strategy": "idle_first",
    },
}  # fmt: skip

MESSAGES = {
    "available": True,
    "message_statistics": {
        "stats": {"sent": 12, "received": 12, "failed": 0, "retries": 0},
        "active_subscriptions": 5,
        "pending_messages": 0,
        "agent_id": WORKFLOW,
        "redis_connected": False,
    },
}

RUN = {**JOB, "type": "agent"}
