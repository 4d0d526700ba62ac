"""Language models: questions, code, tasks of several steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from orfeas.errors import InvalidRequestError, OrfeasError, QueueFullError, TooLargeError, rebuilt
from orfeas.jobs.events import wait_final
from orfeas.jobs.views import JobState, JobView
from orfeas.llm.prompts import TASKS
from orfeas.routes.body import compatible_body, warn
from orfeas.routes.context import caller, services
from orfeas.routes.examples import example
from orfeas.routes.headers import cap_body
from orfeas.routes.problems import problems
from orfeas.routes.schemas.common import rfc3339
from orfeas.routes.schemas.llm import (
    AnalyzeCodeSchema,
    CodeAnalysisSchema,
    CodeGenerateSchema,
    DebugCodeSchema,
    DebugSchema,
    GeneratedCodeSchema,
    GeneratedTextSchema,
    LlmGenerateSchema,
    LlmModelsSchema,
    LlmStatusSchema,
    LocalGenerateSchema,
    LocalStatusSchema,
    LocalTextSchema,
    OrchestratedSchema,
    OrchestrateSchema,
    StillWorkingSchema,
)
from orfeas.routes.waiting import wait_seconds, waits
from orfeas.services.llm import analysis_of, capabilities_of, orchestration_of

BODY_BYTES = 256_000
MODEL_PROBLEMS = (
    "invalid_request", "bad_request", "too_large", "llm_not_configured", "llm_unreachable", "llm_timeout",
    "upstream_failed", "queue_full",
)  # fmt: skip
JOB_PROBLEMS = (
    "invalid_request",
    "bad_request",
    "too_large",
    "queue_full",
    "disk_full",
    "stage_timeout",
    "stage_crashed",
)
SAMPLE_CODE = "def area(side):\n    return side * side\n"
SAMPLE_ANALYSIS = {
    "quality_score": 90.0,
    "metrics": {"lines": 2, "code_lines": 2, "functions": 1},
    "suggestions": [{"line": 1, "code": "missing_docstring", "message": "area has no docstring."}],
    "refactoring_opportunities": [],
    "language": "python",
}
NOT_SET = "No language model is configured (ORFEAS_LLM_URL)."

blp = Blueprint("llm", __name__, description="Language models: questions, code, tasks of several steps.")


@blp.post("/api/llm/generate")
@compatible_body(blp, LlmGenerateSchema)
@blp.response(200, GeneratedTextSchema)
@problems(blp, *MODEL_PROBLEMS)
@example(
    request={"prompt": "Name three uses of a gear.", "quality": "fast"},
    response={
        "generated_content": "Clocks, gearboxes, winches.", "model_used": "llama3.2", "confidence_score": 0.83,
        "processing_time": 0.6, "task_type": "general", "usage": {"prompt_tokens": 21, "completion_tokens": 9},
        "truncated": False,
    },
)  # fmt: skip
def generate(params: dict[str, Any]) -> Response:
    """Ask a language model."""
    started = time.perf_counter()
    with _held():
        answer = services().llm.generate(
            params["prompt"],
            task_type=params["task_type"],
            model=params.get("model"),
            context=params["context"],
            max_latency_ms=params["max_latency"],
            quality=params["quality"],
        )
    return jsonify(
        generated_content=answer.text,
        model_used=answer.model,
        confidence_score=answer.confidence,
        processing_time=round(time.perf_counter() - started, 3),
        task_type=params["task_type"],
        usage={"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens},
        truncated=answer.truncated,
    )


@blp.post("/api/llm/code-generate")
@compatible_body(blp, CodeGenerateSchema)
@blp.response(200, GeneratedCodeSchema)
@problems(blp, *MODEL_PROBLEMS, "disk_full", "stage_timeout", "stage_crashed")
@example(
    request={"requirements": "The area of a square.", "context": {"include_tests": True}},
    response={
        "generated_code": SAMPLE_CODE, "quality_score": 90.0, "metrics": SAMPLE_ANALYSIS["metrics"],
        "suggestions": SAMPLE_ANALYSIS["suggestions"], "tests": "assert area(2) == 4", "documentation": None,
        "language": "python", "model_used": "llama3.2",
    },
)  # fmt: skip
def code_generate(params: dict[str, Any]) -> Response:
    """Let a language model write code, and measure what it wrote."""
    wanted, language = params["context"], params["language"].strip().lower()
    with _held():
        answer, parts, found = services().llm.code(
            caller(),
            params["requirements"],
            language,
            tests=wanted["include_tests"],
            docs=wanted["include_docs"],
            wait=_ended,
        )
    return jsonify(
        generated_code=parts.code,
        quality_score=found["quality_score"],
        metrics=found["metrics"],
        suggestions=found["suggestions"],
        tests=parts.tests if wanted["include_tests"] else None,
        documentation=parts.documentation if wanted["include_docs"] else None,
        language=language,
        model_used=answer.model,
    )


@blp.post("/api/llm/orchestrate")
@waits("as long as the job runs")
@compatible_body(blp, OrchestrateSchema)
@blp.response(200, OrchestratedSchema)
@blp.alt_response(202, schema=StillWorkingSchema, success=True)
@problems(blp, *MODEL_PROBLEMS, "disk_full", "worker_lost")
@example(
    request={"task_description": "Compare gears and belts.", "context": {"max_subtasks": 2}},
    response={
        "final_result": "Gears slip less, belts are quieter.",
        "execution_breakdown": [
            {
                "step": 1, "task": "Describe gears.", "model": "llama3.2", "seconds": 0.8, "output": "Gears ...",
                "error": None,
            }
        ],
        "llm_assignments": {"1": "llama3.2"},
        "total_execution_time": 2.4,
    },
)  # fmt: skip
def orchestrate(params: dict[str, Any]) -> tuple[Response, int]:
    """Split a task, let language models do the pieces, merge the results."""
    wanted = params["context"]
    with _held():
        job = services().llm.orchestrate(
            caller(),
            params["task_description"],
            max_subtasks=wanted["max_subtasks"],
            models=tuple(dict.fromkeys(wanted["models"])),
        )
        job = _wait(job)
    return (jsonify(orchestration_of(job)), 200) if _is_done(job) else _still_working(job)


@blp.post("/api/llm/analyze-code")
@waits("as long as the job runs")
@compatible_body(blp, AnalyzeCodeSchema)
@blp.response(200, CodeAnalysisSchema)
@blp.alt_response(202, schema=StillWorkingSchema, success=True)
@problems(blp, *JOB_PROBLEMS)
@example(request={"code": SAMPLE_CODE, "language": "python"}, response=SAMPLE_ANALYSIS)
def analyze_code(params: dict[str, Any]) -> tuple[Response, int]:
    """Measure source code without running it; no model is needed."""
    with _held():
        job = _wait(services().llm.analyze(caller(), params["code"], params["language"]))
    return (jsonify(analysis_of(job)), 200) if _is_done(job) else _still_working(job)


@blp.post("/api/llm/debug-code")
@compatible_body(blp, DebugCodeSchema)
@blp.response(200, DebugSchema)
@problems(blp, *JOB_PROBLEMS)
@example(
    request={"code": SAMPLE_CODE, "error_message": "TypeError: can't multiply sequence by non-int of type 'str'"},
    response={
        "debug_analysis": None, "static_findings": SAMPLE_ANALYSIS, "model_used": None, "confidence_score": None,
        "language": "python", "warnings": [NOT_SET],
    },
)  # fmt: skip
def debug_code(params: dict[str, Any]) -> Response:
    """Explain an error: the static findings always, a model's explanation where there is one."""
    with _held():
        job = services().llm.analyze(caller(), params["code"], params["language"], hidden=True)
        findings = analysis_of(_ended(job))
        try:
            answer = services().llm.explain(params["code"], params["error_message"], params["language"], findings)
        except OrfeasError as error:
            warn(error.detail)
            answer = None
    return jsonify(
        debug_analysis=answer and answer.text,
        static_findings=findings,
        model_used=answer and answer.model,
        confidence_score=answer and answer.confidence,
        language=params["language"],
    )


@blp.get("/api/llm/models")
@blp.response(200, LlmModelsSchema)
@example(
    response={
        "available_models": [
            {
                "name": "llama3.2", "description": None, "capabilities": None, "max_tokens": None, "speed": None,
                "quality": None,
            }
        ],
        "task_recommendations": {"general": "llama3.2"},
        "features": {"code_generation": True, "quality_analysis": True},
        "configured": True,
    }
)  # fmt: skip
def models() -> Response:
    """List the language models that the endpoint has."""
    found, probe = services().llm, services().llm.probe()
    if probe.error:
        warn(probe.error)
    unknown = dict.fromkeys(("description", "capabilities", "max_tokens", "speed", "quality"))
    best = found.model.settings.model or next(iter(probe.models), None)
    recommended = dict.fromkeys(TASKS, best) if probe.reachable and best else {}
    return jsonify(
        available_models=[{"name": name, **unknown} for name in probe.models],
        task_recommendations=recommended,
        features=capabilities_of(probe),
        configured=found.configured,
    )


@blp.get("/api/llm/status")
@blp.response(200, LlmStatusSchema)
@example(
    response={
        "llm_system_enabled": True, "enterprise_llm_manager": True, "copilot_enterprise": False,
        "multi_llm_orchestrator": True, "models_initialized": {"llama3.2": True},
        "capabilities": {"code_generation": True, "quality_analysis": True}, "reachable": True, "latency_ms": 3.1,
        "timestamp": "2026-05-04T09:30:00.000Z",
    }
)  # fmt: skip
def status() -> Response:
    """Whether language models can be asked now: the endpoint is really asked."""
    found, probe = services().llm, services().llm.probe()
    if probe.error:
        warn(probe.error)
    name = found.model.settings.model
    listed = {**({name: False} if name else {}), **dict.fromkeys(probe.models, True)}
    return jsonify(
        llm_system_enabled=found.configured,
        enterprise_llm_manager=probe.reachable,
        copilot_enterprise=False,
        multi_llm_orchestrator=probe.reachable,
        models_initialized=listed,
        capabilities=capabilities_of(probe),
        reachable=probe.reachable,
        latency_ms=probe.latency_ms,
        timestamp=rfc3339(time.time()),
    )


@blp.get("/api/local-llm/status")
@blp.response(200, LocalStatusSchema)
@example(
    response={
        "enabled": True, "available": True, "model": "llama3.2", "internal_model": "llama3.2",
        "server": "127.0.0.1:11434", "temperature": 0.3,
    }
)  # fmt: skip
def local_status() -> Response:
    """Whether the configured endpoint answers."""
    found, probe = services().llm, services().llm.probe()
    name = found.model.settings.model
    return jsonify(
        enabled=found.configured,
        available=probe.reachable,
        model=name,
        internal_model=name or next(iter(probe.models), None),
        server=found.server,
        temperature=found.model.settings.temperature,
    )


@blp.post("/api/local-llm/generate")
@compatible_body(blp, LocalGenerateSchema)
@blp.response(200, LocalTextSchema)
@problems(blp, *MODEL_PROBLEMS)
@example(
    request={"prompt": "Hello"},
    response={"response": "Hello!", "model": "llama3.2", "source": "local", "latency_ms": 412.0},
)
def local_generate(params: dict[str, Any]) -> Response:
    """Ask the configured language model, without further instructions."""
    largest = services().config.llm_max_tokens
    if params["max_tokens"] > largest:
        detail = f"max_tokens may be at most {largest} (ORFEAS_LLM_MAX_TOKENS)."
        raise InvalidRequestError.at("/max_tokens", detail)
    started = time.perf_counter()
    with _held():
        answer = services().llm.reply(params["prompt"], params["max_tokens"])
    latency_ms = round((time.perf_counter() - started) * 1000.0, 1)
    return jsonify(response=answer.text, model=answer.model, source="local", latency_ms=latency_ms)


@blp.before_request
def _small_body() -> None:
    """Refuse a large body before it is read."""
    text = f"The body may have {BODY_BYTES // 1000} kB; send less."
    cap_body(BODY_BYTES, lambda: TooLargeError(text, limit=BODY_BYTES))


@contextmanager
def _held() -> Iterator[None]:
    """A place among the long holders; without one nothing is started."""
    with services().holders.hold() as granted:
        if not granted:
            raise QueueFullError("Too many requests wait for an answer; try again in a moment.", retry_after=5)
        yield


def _wait(job: JobView) -> JobView:
    return _until(job, wait_seconds(_longest_s()))


def _ended(job: JobView) -> JobView:
    """The job at its end; its failure is the answer."""
    ended = _until(job, _longest_s())
    if not _is_done(ended):
        raise QueueFullError("All workers are busy; try again in a moment.", retry_after=5)
    return ended


def _until(job: JobView, wait_s: float) -> JobView:
    """The job at its end or when time is up; the request has its place among the long holders already."""
    if job.state.final:
        return job
    found = services()
    return wait_final(found.jobs_engine.get, found.notifier, caller(), job.id, wait_s)


def _longest_s() -> float:
    return float(services().config.job_timeout_s)


def _is_done(job: JobView) -> bool:
    """Whether the job succeeded; that of a failed job is raised."""
    if job.state is JobState.FAILED and job.latest is not None and job.latest.error is not None:
        raise rebuilt(job.latest.error)
    return job.state is JobState.SUCCEEDED


def _still_working(job: JobView) -> tuple[Response, int]:
    return jsonify(job_id=job.id, status="processing"), 202
