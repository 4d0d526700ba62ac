"""Example answers by schema, for operations that bring none of their own."""

from __future__ import annotations

from typing import Any

from orfeas.routes.examples import ASSET_ID, JOB_ID, MODEL_ASSET_ID

FINGERPRINT = "afc2b850f871ebe156382b29602e8a7fc6e445d5de5e240c864342b8e623fdbd"
CREATED, STARTED, FINISHED = "2026-05-04T09:30:00.000Z", "2026-05-04T09:30:00.014Z", "2026-05-04T09:30:00.801Z"
SETTINGS = {"steps": 10, "octree_resolution": 144, "guidance_scale": None, "target_faces": 30000, "seed": 0}
REQUEST = {"image": {"asset_id": ASSET_ID}, "quality": 7, "formats": ["glb"]}
NO_PROGRESS = {"stage": None, "stage_index": None, "stage_count": None, "step": None, "steps": None, "message": None}

QUEUED_JOB: dict[str, Any] = {
    "id": JOB_ID, "type": "generation", "state": "queued", "run": 1,
    "runs": [
        {
            "run": 1, "type": "generation", "state": "queued", "fingerprint": FINGERPRINT, "started_at": None,
            "finished_at": None,
        }
    ],
    "created_at": CREATED, "started_at": None, "finished_at": None, "queue_seconds": None, "run_seconds": None,
    "priority": 5, "project_id": None, "batch_id": None, "tags": [], "request": REQUEST, "fingerprint": FINGERPRINT,
    "cached": False, "joined_to": None, "progress": {**NO_PROGRESS, "percent": 0}, "queue_position": 1,
    "eta_seconds": None, "sequence": 1, "result": None, "error": None, "warnings": [], "retried_from": None,
    "derived_from": None,
    "links": {
        "self": f"/api/v1/jobs/{JOB_ID}", "events": f"/api/v1/jobs/{JOB_ID}/events",
        "cancel": f"/api/v1/jobs/{JOB_ID}/cancel", "result": f"/api/v1/jobs/{JOB_ID}/result",
        "manifest": f"/api/v1/jobs/{JOB_ID}/manifest",
    },
}  # fmt: skip

RESULT: dict[str, Any] = {
    "engine": "embedded", "model": None, "model_revision": None, "method": "silhouette-inflation",
    "profile": "standard", "seed": 0, "settings": SETTINGS,
    "assets": [
        {
            "asset_id": MODEL_ASSET_ID, "role": "model", "format": "glb", "filename": "model.glb",
            "media_type": "model/gltf-binary", "up_axis": "y", "size_bytes": 1245184,
            "url": f"/api/v1/assets/{MODEL_ASSET_ID}/content",
        }
    ],
    "measures": {"glb": {"face_count": 30000, "is_watertight": True, "body_count": 1, "extents_mm": [97.1, 100, 67.5]}},
    "checks": [], "timings": {"image.prepare": 0.048, "shape.inflate": 0.132, "mesh.export": 0.021}, "degraded": [],
    "licence": None,
}  # fmt: skip

FINISHED_JOB: dict[str, Any] = {
    **QUEUED_JOB, "state": "succeeded", "runs": [
        {
            "run": 1, "type": "generation", "state": "succeeded", "fingerprint": FINGERPRINT, "started_at": STARTED,
            "finished_at": FINISHED,
        }
    ],
    "started_at": STARTED, "finished_at": FINISHED, "queue_seconds": 0.014, "run_seconds": 0.787,
    "progress": {**NO_PROGRESS, "percent": 100}, "queue_position": None, "sequence": 23, "result": RESULT,
}  # fmt: skip

MANIFEST: dict[str, Any] = {
    "job_id": JOB_ID, "run": 1, "fingerprint": FINGERPRINT, "created_at": CREATED, "finished_at": FINISHED,
    "software": {"orfeas": "0.1.0", "python": "3.11.7", "packages": {"numpy": "2.4.6"}}, "engine": "embedded",
    "model": None, "method": "silhouette-inflation", "device": "cpu", "batch_size": None, "seed": 0,
    "parameters": SETTINGS, "request": REQUEST,
    "inputs": [{"fingerprint": FINGERPRINT, "sha256": ASSET_ID}], "operations": [], "outputs": [],
}  # fmt: skip

ASSET: dict[str, Any] = {
    "id": ASSET_ID, "kind": "image", "format": "png", "media_type": "image/png", "size_bytes": 48213,
    "filename": "mug.png", "original_sha256": ASSET_ID,
    "image": {"width": 512, "height": 512, "mode": "RGBA", "has_transparency": True}, "mesh": None, "up_axis": None,
    "licence": None, "created_at": CREATED, "expires_at": None, "references": [{"type": "job", "id": JOB_ID}],
    "links": {
        "self": f"/api/v1/assets/{ASSET_ID}", "content": f"/api/v1/assets/{ASSET_ID}/content",
        "preview": f"/api/v1/assets/{ASSET_ID}/preview",
    },
}  # fmt: skip

MODEL: dict[str, Any] = {
    "id": "hunyuan3d-dit-v2-mini", "revision": "5d1a6d9f0b0c4e7c8b8a2f0d3e6c7b1a9f4e2d80", "family": "hunyuan3d",
    "task": "shape", "repo": "tencent/Hunyuan3D-2mini", "subfolder": "hunyuan3d-dit-v2-mini", "variant": "mini",
    "state": "installed", "size_bytes": 3819960151,
    "files": [
        {"path": "config.yaml", "size_bytes": 1917, "sha256": FINGERPRINT, "present": True},
        {"path": "model.fp16.safetensors", "size_bytes": 3819958234, "sha256": FINGERPRINT, "present": True},
    ],
    "vram_mb": {"value": None, "basis": None},
    "capabilities": {
        "component": "pipeline", "views": ["front"], "guidance_embedding": False, "distilled": False, "steps": 40,
    },
    "licence": {
        "name": "Tencent Hunyuan 3D 2.0 Community License",
        "url": "https://huggingface.co/tencent/Hunyuan3D-2mini/blob/main/LICENSE", "commercial": True,
        "user_cap": 1000000, "excluded_territories": ["DE", "FR", "GB", "KR"],
        "acknowledged": {"by": "Ada Example", "purpose": "Figures for a tabletop game", "at": CREATED},
    },
    "loras": [], "warnings": [],
}  # fmt: skip


def _tier(**members: Any) -> dict[str, Any]:
    usual = {
        "enabled": True, "items": 0, "max_items": None, "bytes": 0, "max_bytes": None, "ttl_s": None, "hits": 0,
        "misses": 0, "hit_rate": None, "evictions": 0, "joined": 0,
    }  # fmt: skip
    return {**usual, **members}


CACHE: dict[str, Any] = {
    "tiers": {
        "info": _tier(items=3, max_items=128, bytes=None, hits=41, misses=3, hit_rate=0.932, evictions=None),
        "stages": _tier(
            items=120, max_items=1000, bytes=90112000, max_bytes=512000000, ttl_s=86400.0, hits=64, misses=120
        ),
        "latents": _tier(items=12, bytes=17387520, max_bytes=2048000000, hits=8, misses=12),
        "redis": _tier(enabled=False),
    },
    "storage": {"file_bytes": 52428800, "max_bytes": None, "disk_free_bytes": 84243279872},
}

ENTRY: dict[str, Any] = {
    "fingerprint": FINGERPRINT, "tier": "latents", "stage": "shape.inflate", "version": 1, "size_bytes": 1449944,
    "created_at": CREATED, "last_used_at": CREATED,
}  # fmt: skip

ANSWERS: dict[str, Any] = {
    "Job": FINISHED_JOB,
    "JobPage": {"items": [FINISHED_JOB], "next_cursor": None},
    "Manifest": MANIFEST,
    "Queue": {
        "depth": 1, "running": 1, "oldest_seconds": 0.412, "by_type": {"generation": 2},
        "workers": [
            {
                "id": "0c7f1a52-6d0e-4f3b-9a57-1f2e3d4c5b6a", "queue": "cpu", "device": "cpu", "state": "busy",
                "job_id": JOB_ID, "heartbeat_at": CREATED,
            }
        ],
    },
    "Asset": ASSET,
    "AssetPage": {"items": [ASSET], "next_cursor": None},
    "Cache": CACHE,
    "EntryPage": {"items": [ENTRY], "next_cursor": None},
    "Model": MODEL,
    "ModelList": {"items": [MODEL]},
    "Cleared": {"cleared": 12, "freed_bytes": 4096000},
}  # fmt: skip
