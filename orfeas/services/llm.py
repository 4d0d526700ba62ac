"""Language models: single questions in the web process, tasks of several steps and code analysis as jobs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orfeas.domain.caller import Caller
from orfeas.domain.code import LANGUAGES
from orfeas.domain.specs import AnalyzeCode, CallLlm
from orfeas.errors import InvalidRequestError, OrfeasError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobView, RunRequest, RunView, Surface
from orfeas.llm import Answer, LanguageModel, prompts

TOKENS = {"fast": 256, "balanced": 1024, "high": 4096}
PROBE_S = 2.0
PROBED_S = 10.0
Wait = Callable[[JobView], JobView]


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether the endpoint answered; `error` is why not, None where there is none or it did."""

    reachable: bool
    models: tuple[str, ...] = ()
    latency_ms: float | None = None
    error: str | None = None


class LlmService:
    """Ask language models, and measure code."""

    ANALYSIS, ORCHESTRATION = "code_analysis", "llm"

    def __init__(self, model: LanguageModel, jobs: Jobs, *, now: Callable[[], float] = time.monotonic) -> None:
        self.model = model
        self._jobs = jobs
        self._now = now
        self._lock = threading.Lock()
        self._probed: tuple[float, Probe] | None = None

    @property
    def configured(self) -> bool:
        """Whether an endpoint is set."""
        return self.model.settings.url is not None

    @property
    def server(self) -> str | None:
        """Host and port of the endpoint, nothing else of its address."""
        url = self.model.settings.url
        return urlsplit(url).netloc.rpartition("@")[2] if url else None

    def generate(
        self, prompt: str, *, task_type: str, model: str | None, context: Mapping[str, Any], max_latency_ms: int,
        quality: str,
    ) -> Answer:  # fmt: skip
        """Answer a prompt within a time."""
        asked = prompts.conversation(prompts.TASKS[task_type], prompts.with_context(prompt, context))
        deadline = self._now() + max_latency_ms / 1000.0
        name = self._known(model, max_latency_ms / 1000.0)
        left_s = max(0.05, deadline - self._now())
        return self.model.chat(asked, model=name, max_tokens=TOKENS[quality], timeout_s=left_s)

    def reply(self, prompt: str, max_tokens: int) -> Answer:
        """Answer a prompt without further instructions."""
        return self.model.chat([{"role": "user", "content": prompt}], max_tokens=max_tokens)

    def code(
        self, caller: Caller, requirements: str, language: str, *, tests: bool, docs: bool, wait: Wait
    ) -> tuple[Answer, prompts.Parts, dict[str, Any]]:
        """Write code, and measure it where the language is one that is measured."""
        answer = self.model.chat(prompts.code_request(requirements, language, tests=tests, docs=docs))
        parts = prompts.code_parts(answer.text)
        if language not in LANGUAGES:
            return answer, parts, {"quality_score": None, "metrics": {}, "suggestions": []}
        found = analysis_of(wait(self.analyze(caller, parts.code, language, hidden=True)))
        return answer, parts, found

    def explain(self, code: str, error_message: str, language: str, findings: Mapping[str, Any]) -> Answer:
        """Why code fails."""
        data = [
            prompts.as_data("code", code),
            prompts.as_data("error", error_message),
            prompts.as_data("findings", prompts.with_context("", findings)),
        ]
        return self.model.chat(prompts.conversation(prompts.DEBUG.format(language=language), "\n\n".join(data)))

    def analyze(self, caller: Caller, code: str, language: str, *, hidden: bool = False) -> JobView:
        """Queue a look at source code."""
        plan = Plan((), also=(Node(AnalyzeCode(code=code, language=language)),))
        asked = RunRequest(type=self.ANALYSIS, plan=plan, request={"code": code, "language": language})
        return self._jobs.create(caller, Surface.COMPATIBLE, asked, hidden=hidden)

    def orchestrate(self, caller: Caller, task: str, *, max_subtasks: int, models: tuple[str, ...]) -> JobView:
        """Queue a task for models.

        Raises
        ------
        LlmNotConfiguredError
            There is no endpoint.
        InvalidRequestError
            A model is not listed there.
        """
        self._require()
        for name in models:
            self._known(name, None)
        return self._orchestration(caller, {"task": task, "max_subtasks": max_subtasks, "models": [*models]})

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same work as a new job."""
        if run.type == self.ORCHESTRATION:
            return self._orchestration(caller, run.request, retried_from=retried_from)
        plan = Plan((), also=(Node(AnalyzeCode(**run.request)),))
        asked = RunRequest(type=self.ANALYSIS, plan=plan, request=run.request)
        return self._jobs.create(caller, Surface.COMPATIBLE, asked, retried_from=retried_from)

    def probe(self) -> Probe:
        """Whether the endpoint answers now; asked for at most 2 s and kept for 10 s."""
        with self._lock:
            if self._probed is None or self._now() - self._probed[0] >= PROBED_S:
                self._probed = (self._now(), self._asked())
            return self._probed[1]

    def rephrase(self, prompt: str, vocabulary: str) -> str:
        """A description in the words of the modeller."""
        told = prompts.conversation(prompts.REPHRASE.format(vocabulary=vocabulary), prompts.as_data("text", prompt))
        return self.model.chat(told, max_tokens=TOKENS["fast"], temperature=0.0).text.strip()

    def _orchestration(self, caller: Caller, asked: dict[str, Any], retried_from: str | None = None) -> JobView:
        spec = CallLlm(
            task=asked["task"],
            max_subtasks=asked["max_subtasks"],
            models=tuple(asked["models"]),
            nonce=str(uuid.uuid4()),
        )
        run = RunRequest(type=self.ORCHESTRATION, plan=Plan((), also=(Node(spec),)), request=asked)
        return self._jobs.create(caller, Surface.COMPATIBLE, run, retried_from=retried_from)

    def _asked(self) -> Probe:
        if not self.configured:
            return Probe(False)
        started = self._now()
        try:
            names = self.model.models(PROBE_S)
        except OrfeasError as error:
            return Probe(False, error=error.detail)
        return Probe(True, tuple(names), round((self._now() - started) * 1000.0, 1))

    def _require(self) -> None:
        _ = self.model.settings.base

    def _known(self, name: str | None, timeout_s: float | None) -> str | None:
        """A model that the endpoint lists; None where none is asked for."""
        if name is None:
            return None
        listed = self.model.models(timeout_s)
        if name not in listed:
            detail = f"There is no model {name[:64]!r}; the endpoint lists {', '.join(listed) or 'none'}."
            raise InvalidRequestError.at("/model", detail, code="unknown_model", allowed=listed)
        return name


def capabilities_of(probe: Probe) -> dict[str, bool]:
    """What can be asked for now; code is measured without any model."""
    asking = ("code_generation", "intelligent_analysis", "multi_llm_orchestration", "automated_debugging")
    return {**dict.fromkeys(asking, probe.reachable), "quality_analysis": True, "context_awareness": probe.reachable}


def analysis_of(job: JobView) -> dict[str, Any]:
    """What a finished code analysis found."""
    assert job.latest is not None
    return dict((job.latest.result or {})["reports"][AnalyzeCode.name]["analysis"])


def orchestration_of(job: JobView) -> dict[str, Any]:
    """What models made of a task."""
    assert job.latest is not None
    return dict((job.latest.result or {})["reports"][CallLlm.name]["orchestration"])
