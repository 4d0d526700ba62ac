"""The flat job record of the compatible surface."""

from __future__ import annotations

from typing import Any

from orfeas.domain.presets import DEFAULT_PRINTER, PRINTERS
from orfeas.domain.steps import SENTENCES, step_of
from orfeas.jobs.views import JobState, JobView, RunView
from orfeas.services.mesh_reports import compatible_members

STATUS = {
    JobState.PENDING: "pending",
    JobState.QUEUED: "queued",
    JobState.RUNNING: "processing",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
MESSAGES = {
    JobState.PENDING: "The image is stored; nothing was asked of it yet.",
    JobState.QUEUED: "Waiting for a worker.",
    JobState.SUCCEEDED: "The files are ready.",
    JobState.CANCELLED: "Cancelled by request.",
}
GRADES = ((0.9, "A"), (0.8, "B"), (0.7, "C"), (0.6, "D"))
PROBLEM_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "error"})


def record(job: JobView) -> dict[str, Any]:
    """Everything that job-status says; times are seconds since the epoch."""
    run = job.latest
    found = {**_always(job, run), **_input(job)}
    if run is None:
        return found
    if job.state in (JobState.QUEUED, JobState.RUNNING):
        found |= {"queue_position": job.queue_position, "eta_seconds": job.eta_seconds}
    if run.type == "generation":
        found |= asked(run)
    if job.state is JobState.SUCCEEDED:
        found |= _completed(job, run)
    if job.state is JobState.FAILED:
        found |= _failed(run)
    return found | ({"warnings": list(run.warnings)} if run.warnings else {})


def asked(run: RunView) -> dict[str, Any]:
    """What a run was asked for and what it uses."""
    request = run.request
    return {
        "format": request["formats"][0],
        "dimensions": request["dimensions_mm"] or _measured_size(run),
        "quality": run.quality,
        "engine": run.engine,
        "model": run.model,
        "method": (run.result or {}).get("method") or run.method,
        "settings": run.settings,
    }


def model_name(job_id: str, format_name: str, run: int | None = None) -> str:
    """The name at download; `run` for a file of an earlier run."""
    return f"model_{job_id}{f'_r{run}' if run else ''}.{format_name}"


def download_url(job: JobView, run: RunView) -> str | None:
    """Where the main file of a finished run is; None if it has none."""
    name = output_name(job, run)
    return None if name is None else f"/api/download/{job.id}/{name}"


def output_name(job: JobView, run: RunView) -> str | None:
    """The name of a finished run's main file at download: that of a generation says whose model it is."""
    main = _main_file(run)
    if main is None or run.type == "generation":
        return None if main is None else model_name(job.id, main["format"])
    return str(main["filename"])


def _always(job: JobView, run: RunView | None) -> dict[str, Any]:
    stage = job.progress.stage if job.state in (JobState.QUEUED, JobState.RUNNING) else None
    step = step_of(stage) or STATUS[job.state]
    return {
        "job_id": job.id,
        "status": STATUS[job.state],
        "state": job.state.value,
        "type": run.type if run else None,
        "job_type": _job_type(job, run),
        "progress": job.progress.percent or 0,
        "step": step,
        "message": _message(job, run, step),
        "stage": stage,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "run": run.number if run else None,
        "sequence": job.sequence,
    }


def _message(job: JobView, run: RunView | None, step: str) -> str:
    if job.state is JobState.FAILED and run and run.error:
        return str(run.error["detail"])
    if job.state is JobState.RUNNING:
        return f"{SENTENCES.get(step, 'Working')} ({job.progress.percent or 0} %)."
    return MESSAGES.get(job.state, "")


def _job_type(job: JobView, run: RunView | None) -> str | None:
    if run is None:
        return None
    if run.type != "generation":
        return run.type.replace("_", "-")
    return "text-to-3d" if job.input.prompt else "image-to-3d"


def _input(job: JobView) -> dict[str, Any]:
    given = job.input
    found: dict[str, Any] = {}
    if given.filename and (given.asset_id or _drawn(job)):
        url = f"/api/preview/{given.filename}"
        found |= {"filename": given.filename, "preview_url": url, "image_url": url}
    if given.prompt:
        found |= {"prompt": given.prompt, "style": given.style}
        unknown = job.latest.settings.get("unrecognized_words") if job.latest else None
        found |= {"unrecognized_words": unknown} if unknown else {}
    return found


def _drawn(job: JobView) -> bool:
    """Whether the picture of the job's sentence is there."""
    return any(run.type == "text_to_image" and run.state is JobState.SUCCEEDED for run in job.runs)


def _completed(job: JobView, run: RunView) -> dict[str, Any]:
    result = run.result or {}
    name = _main_format(run)
    return {
        "output_file": output_name(job, run),
        "download_url": download_url(job, run),
        "model_preview_url": f"/api/preview-output/{job.id}/preview.png" if name else None,
        "processing_time": round((run.finished_at or 0.0) - (run.started_at or run.finished_at or 0.0), 3),
        "cached": run.cached,
        "quality_metrics": quality_metrics(result.get("measures", {}).get(name)),
        "degraded": result.get("degraded", []),
        **compatible_members(run),
    }


def _failed(run: RunView) -> dict[str, Any]:
    error = run.error or {}
    return {
        "error": error.get("detail"),
        "error_type": error.get("code"),
        "error_details": {key: value for key, value in error.items() if key not in PROBLEM_MEMBERS},
        "problem": error,
    }


def quality_metrics(measures: dict[str, Any] | None) -> dict[str, Any] | None:
    """What was measured on the written file; the scores are null where nothing measured them."""
    if not measures:
        return None
    names = ("is_watertight", "is_manifold", "face_count", "vertex_count", "body_count", "extents_mm")
    known = {name: measures.get(name) for name in names}
    points = measures.get("quality_score")
    overall = None if points is None else round(points / 100.0, 4)
    return {
        "overall_score": overall,
        "quality_grade": None if overall is None else grade(overall),
        "printable": printable(measures),
        **known,
    }


def grade(overall: float) -> str:
    """A letter for a score of 0 to 1."""
    return next((letter for least, letter in GRADES if overall >= least), "F")


def printable(measures: dict[str, Any]) -> bool | None:
    """Whether the model is closed, manifold, one body and stands, z up, inside the default printer."""
    size = measures.get("extents_mm")
    if size is None:
        return None
    x, y, z = size
    sound = measures.get("is_watertight") and measures.get("is_manifold") and measures.get("body_count") == 1
    return bool(sound) and PRINTERS[DEFAULT_PRINTER].holds((x, z, y))


def _main_format(run: RunView) -> str | None:
    main = _main_file(run)
    return None if main is None else main["format"]


def _main_file(run: RunView) -> dict[str, Any] | None:
    listed = (run.result or {}).get("assets", [])
    return next((asset for asset in listed if asset["role"] == "model"), None)


def _measured_size(run: RunView) -> dict[str, float] | None:
    measures = (run.result or {}).get("measures", {}).get(_main_format(run))
    if not measures or measures.get("extents_mm") is None:
        return None
    return dict(zip(("width", "height", "depth"), measures["extents_mm"], strict=True))
