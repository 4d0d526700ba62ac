"""Example answers of the generation category, for the OpenAPI document."""

from __future__ import annotations

from orfeas.routes.examples import (
    ASSET_ID,
    COMPATIBLE_BATCH_ID,
    COMPATIBLE_JOB_ID,
    JOB_ID,
    PREVIEW_FILENAME,
    UPLOADED_JOB_ID,
)

SETTINGS = {"steps": 10, "octree_resolution": 144, "guidance_scale": None, "target_faces": 30000, "seed": 0}
PREVIEW_URL = f"/api/preview/{PREVIEW_FILENAME}"
FILE = f"model_{COMPATIBLE_JOB_ID}.stl"
DOWNLOAD_URL = f"/api/download/{COMPATIBLE_JOB_ID}/{FILE}"

UPLOADED = {
    "job_id": UPLOADED_JOB_ID,
    "filename": PREVIEW_FILENAME,
    "original_filename": "mug.png",
    "preview_url": PREVIEW_URL,
    "image_url": PREVIEW_URL,
    "status": "uploaded",
    "asset_id": ASSET_ID,
    "image_info": {
        "size": [512, 512],
        "width": 512,
        "height": 512,
        "format": "PNG",
        "mode": "RGBA",
        "has_transparency": True,
        "file_size": 48213,
    },
}

PICTURE_STARTED = {
    "job_id": UPLOADED_JOB_ID,
    "status": "processing",
    "message": "Waiting for a worker.",
    "engine": "embedded",
}

STARTED = {
    "job_id": UPLOADED_JOB_ID,
    "status": "processing",
    "format": "stl",
    "dimensions": None,
    "quality": 7,
    "engine": "embedded",
    "model": None,
    "method": None,
    "settings": SETTINGS,
    "queue_position": 1,
    "eta_seconds": None,
    "run": 1,
}

SWITCHES = {
    "precision": None, "compiled_denoiser": False, "steps_factor": 1.0, "turbo_weights": False,
    "volume_decoding": "hierarchical", "embedded_grid_factor": 0.7, "largest_batch": 16, "result_cache": True,
    "unavailable": [{"setting": "precision", "reason": "The embedded engine uses no model."}],
}  # fmt: skip
ULTRA_STARTED = {
    **STARTED,
    "settings": {**SETTINGS, "octree_resolution": 101, "unavailable": SWITCHES["unavailable"]},
    "ultra_performance": {
        "enabled": True,
        "profile": "ultra",
        "settings": SWITCHES,
        "measured_speedup": None,
        "basis": {"runs": 0, "reference_runs": 2},
        "expected_improvements": {"speed": None, "accuracy": None, "security": None},
    },
}

RECORD = {
    "job_id": COMPATIBLE_JOB_ID,
    "status": "completed",
    "state": "succeeded",
    "type": "generation",
    "job_type": "image-to-3d",
    "progress": 100,
    "step": "completed",
    "message": "The files are ready.",
    "stage": None,
    "created_at": "2026-05-04T09:30:00.000Z",
    "updated_at": "2026-05-04T09:30:01.120Z",
    "run": 1,
    "sequence": 14,
    "filename": f"{COMPATIBLE_JOB_ID}_20260504_093000_mug.png",
    "preview_url": f"/api/preview/{COMPATIBLE_JOB_ID}_20260504_093000_mug.png",
    "image_url": f"/api/preview/{COMPATIBLE_JOB_ID}_20260504_093000_mug.png",
    "format": "stl",
    "dimensions": {"width": 100.0, "height": 96.4, "depth": 61.2},
    "quality": 7,
    "engine": "embedded",
    "model": None,
    "method": "silhouette-inflation",
    "settings": SETTINGS,
    "output_file": FILE,
    "download_url": DOWNLOAD_URL,
    "model_preview_url": f"/api/preview-output/{COMPATIBLE_JOB_ID}/preview.png",
    "processing_time": 0.912,
    "cached": False,
    "quality_metrics": {
        "overall_score": 1.0,
        "quality_grade": "A",
        "printable": True,
        "is_watertight": True,
        "is_manifold": True,
        "face_count": 30000,
        "vertex_count": 15000,
        "body_count": 1,
        "extents_mm": [100.0, 96.4, 61.2],
    },
    "degraded": [],
}

FORMATS = {
    "formats": ["stl", "obj", "ply", "off", "glb", "gltf", "3mf", "dae"],
    "input_formats": ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp"],
    "details": [
        {
            "format": "glb",
            "media_type": "model/gltf-binary",
            "available": True,
            "reason": None,
            "colors": True,
            "textures": True,
            "units": "m",
        }
    ],
}

BASE64 = {
    "status": "success",
    "filename": FILE,
    "original_size": 6,
    "encoded_size": 8,
    "media_type": "application/octet-stream",
    "data": "c29saWQK",
}

BATCH_STARTED = {
    "success": True,
    "batch_id": COMPATIBLE_BATCH_ID,
    "job_ids": [COMPATIBLE_JOB_ID],
    "total_jobs": 1,
    "accepted": 1,
    "rejected": [],
    "estimated_time_seconds": None,
    "message": "1 of 1 images were accepted.",
}

BATCH_STATUS = {
    "batch_id": COMPATIBLE_BATCH_ID,
    "status": "completed",
    "total_jobs": 1,
    "counts": {"queued": 0, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0},
    "progress": 100,
    "jobs": [{"job_id": COMPATIBLE_JOB_ID, "status": "completed", "progress": 100, "download_url": DOWNLOAD_URL}],
}

ESTIMATE = {
    "fits": True,
    "engine": "embedded",
    "model": None,
    "settings": {"steps": 6, "octree_resolution": 112, "guidance_scale": None, "target_faces": 12000, "seed": 0},
    "seconds": 0.71,
    "queue_wait_seconds": 0.0,
    "vram_mb": 0,
    "disk_bytes": None,
    "basis": "measured",
    "cached": False,
    "alternatives": [{"change": {"quality": 3}, "seconds": 0.52, "vram_mb": 0, "fits": True}],
}

JOB = {
    "id": JOB_ID,
    "type": "generation",
    "state": "queued",
    "run": 1,
    "runs": [
        {
            "run": 1,
            "type": "generation",
            "state": "queued",
            "fingerprint": "a5006c12f6c73469b5e0777a11d21ef403203bfc06787da386c3c4201a41cb55",
            "started_at": None,
            "finished_at": None,
        }
    ],
    "created_at": "2026-05-04T09:30:00.000Z",
    "started_at": None,
    "finished_at": None,
    "queue_seconds": None,
    "run_seconds": None,
    "priority": 5,
    "project_id": None,
    "batch_id": None,
    "tags": [],
    "request": {"image": {"asset_id": ASSET_ID}, "quality": 5, "formats": ["glb"]},
    "fingerprint": "a5006c12f6c73469b5e0777a11d21ef403203bfc06787da386c3c4201a41cb55",
    "cached": False,
    "joined_to": None,
    "progress": {
        "percent": 0,
        "stage": "image.prepare",
        "stage_index": 1,
        "stage_count": 10,
        "step": None,
        "steps": None,
        "message": "waiting for image.prepare",
    },
    "queue_position": 1,
    "eta_seconds": None,
    "sequence": 1,
    "result": None,
    "error": None,
    "warnings": [],
    "retried_from": None,
    "derived_from": None,
    "links": {
        "self": f"/api/v1/jobs/{JOB_ID}",
        "events": f"/api/v1/jobs/{JOB_ID}/events",
        "cancel": f"/api/v1/jobs/{JOB_ID}/cancel",
        "result": f"/api/v1/jobs/{JOB_ID}/result",
        "manifest": f"/api/v1/jobs/{JOB_ID}/manifest",
    },
}
