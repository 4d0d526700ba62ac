"""Pictures of sentences: jobs whose one file is a picture, and the pictures that models of sentences start from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from orfeas.domain.caller import Caller
from orfeas.domain.styles import DEFAULT_STYLE
from orfeas.errors import ParameterNotSupportedError, PromptNotUnderstoodError
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.views import JobInput, JobView, RunRequest, RunView, Surface
from orfeas.services.folder_models import PictureModels
from orfeas.services.generation import text
from orfeas.services.plans import EMBEDDED_ENGINE, PictureRequest, picture_plan

TEXT_TO_IMAGE = "text_to_image"
Words = tuple[str, ...]
DIFFUSERS = "diffusers"
"""The engine of pictures by a model."""
SCALE_FOR_SHAPES = 512
"""Pixels along each side of a picture that a shape is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """Validated options of both surfaces; None where the request does not name them."""

    prompt: str
    negative_prompt: str = ""
    style: str = DEFAULT_STYLE
    width: int = 512
    height: int = 512
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int = 0
    use_cache: bool = True


class PictureService:
    """Make pictures of sentences: by the diffusers model that is set, else of the solids that they describe."""

    JOB_TYPES = (TEXT_TO_IMAGE,)

    def __init__(self, jobs: Jobs, models: PictureModels) -> None:
        self._jobs, self.models = jobs, models

    def create(self, caller: Caller, surface: Surface, options: PictureOptions) -> JobView:
        """A job whose one file is the picture.

        Raises
        ------
        ModelUnavailableError
            A model is set and cannot be used; the sentence says what to install.
        PromptNotUnderstoodError
            v1: no model is set and the sentence stands for nothing. Compatible jobs end with it.
        ParameterNotSupportedError
            v1: a parameter that solids have no use for.
        """
        request, warnings, unknown = self._request(surface, options)
        return self._started(caller, surface, request, warnings, unknown, use_cache=options.use_cache)

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same picture as a new job."""
        request = PictureRequest.read(run.settings["picture"])
        use_cache = run.request.get("use_cache") is not False
        unknown = run.settings.get("unrecognized_words", ())
        return self._started(
            caller, Surface.V1, request, run.warnings, unknown, use_cache=use_cache, retried_from=retried_from
        )

    def for_shape(self, prompt: str, seed: int) -> PictureRequest:
        """The picture that a shape model gets of a sentence."""
        side = SCALE_FOR_SHAPES
        options = PictureOptions(prompt=prompt, seed=seed, width=side, height=side)
        return self._request(Surface.V1, options)[0]

    def of_job(self, job: JobView) -> PictureRequest | None:
        """The picture that a job opened with; None for a job that did not begin with a sentence."""
        run = next((run for run in job.runs if run.type == TEXT_TO_IMAGE), None)
        return PictureRequest.read(run.settings["picture"]) if run else None

    def _request(self, surface: Surface, options: PictureOptions) -> tuple[PictureRequest, Words, Words]:
        """The picture, the warnings and the words that mean nothing."""
        asked = PictureRequest(
            prompt=options.prompt, negative_prompt=options.negative_prompt, style=options.style, width=options.width,
            height=options.height, seed=options.seed, model=self.models.reference(),
        )  # fmt: skip
        if asked.model is not None:
            steps = asked.steps if options.steps is None else options.steps
            guidance = asked.guidance_scale if options.guidance_scale is None else options.guidance_scale
            return replace(asked, steps=steps, guidance_scale=guidance), (), ()
        ignored = _without_effect(options)
        if ignored and surface is Surface.V1:
            raise ParameterNotSupportedError(f"{ignored[0][1].rstrip('.')}; leave it out.", errors=_entries(ignored))
        warnings = [why for _, why in ignored]
        try:
            parsed = text.understood(options.prompt)
        except PromptNotUnderstoodError:
            if surface is Surface.V1:
                raise
            return asked, tuple(warnings), ()
        told = (*warnings, *text.left_out(parsed))
        return replace(asked, scene=parsed.scene.json()), told, parsed.unrecognized_words

    def _started(
        self,
        caller: Caller,
        surface: Surface,
        request: PictureRequest,
        warnings: Words,
        unknown: Words,
        *,
        use_cache: bool,
        retried_from: str | None = None,
    ) -> JobView:
        job_id = str(uuid.uuid4())
        name = f"{job_id}_generated.png"
        return self._jobs.create(
            caller,
            surface,
            _run_request(request, name, warnings, unknown, use_cache=use_cache),
            input=JobInput(filename=name, prompt=request.prompt, style=request.style),
            job_id=job_id,
            private=not use_cache,
            retried_from=retried_from,
        )


def _run_request(
    request: PictureRequest, filename: str, warnings: Words, unknown: Words, *, use_cache: bool
) -> RunRequest:
    model = request.model
    asked = {name: getattr(request, name) for name in ("prompt", "negative_prompt")}
    return RunRequest(
        type=TEXT_TO_IMAGE,
        plan=picture_plan(request, filename),
        request={**asked, **request.settings, "use_cache": use_cache},
        engine=DIFFUSERS if model else EMBEDDED_ENGINE,
        model=model.id if model else None,
        method=model.id if model else "parametric",
        settings={
            **request.settings,
            "picture": request.document(),
            **({"unrecognized_words": [*unknown]} if unknown else {}),
        },
        warnings=warnings,
    )


def _without_effect(options: PictureOptions) -> list[tuple[str, str]]:
    """What only a model takes."""
    found = []
    if options.steps is not None:
        found.append(("/steps", "steps has no effect: the picture shows solids and is not denoised."))
    if options.guidance_scale is not None:
        found.append(("/guidance_scale", "guidance_scale has no effect: the picture shows solids."))
    if options.negative_prompt:
        found.append(("/negative_prompt", "negative_prompt has no effect: the picture shows what the prompt names."))
    return found


def _entries(ignored: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"pointer": pointer, "detail": why, "code": ParameterNotSupportedError.code} for pointer, why in ignored]
