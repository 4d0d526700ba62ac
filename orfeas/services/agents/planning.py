"""What the planner and the optimizer choose before anything is made, with forecasts from measured runs only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.domain.limits import SIDE_MM, TARGET_FACES
from orfeas.domain.profiles import STANDARD, ULTRA
from orfeas.domain.prompt import NotUnderstoodError, Parsed, parse, vocabulary
from orfeas.domain.quality import HIGHEST, LOWEST
from orfeas.errors import OrfeasError
from orfeas.services.assets import Asset
from orfeas.services.generation import GenerationService, Options
from orfeas.services.llm import LlmService

FAST, BALANCED, FINE = "fast", "balanced", "quality"
FINER_BY = 2
"""Steps of quality above what was asked for, where quality matters more than time."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The options to begin with, what was changed about them and why; in `forecast` what was not measured is null."""

    options: Options
    changes: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    forecast: dict[str, Any] = field(default_factory=dict)

    def with_change(self, reason: str, **changed: Any) -> Planned:
        """One more change."""
        return replace(
            self,
            options=replace(self.options, **changed),
            changes={**self.changes, **{k: list(v) if isinstance(v, tuple) else v for k, v in changed.items()}},
            reasons=(*self.reasons, reason),
        )


class Planning:
    """Chooses options for a goal."""

    def __init__(self, generation: GenerationService, llm: LlmService) -> None:
        self._generation = generation
        self._llm = llm

    def plan(
        self,
        caller: Caller,
        options: Options,
        images: Mapping[str, Asset],
        goal: Mapping[str, Any],
        speed: str = BALANCED,
    ) -> Planned:
        """Prompt, goal and preference to options; what the client chose is kept."""
        planned = _preferred(self._phrased(Planned(options)), speed)
        box = goal.get("fits_mm")
        if box and options.dimensions_mm is None and options.prompt is None:
            x, y, z = (min(SIDE_MM[1], float(side)) for side in box)
            if min(x, y, z) >= SIDE_MM[0]:
                planned = planned.with_change("The model has to fit a box.", dimensions_mm=(x, z, y))
        least = goal.get("min_faces")
        if least and options.target_faces is None and TARGET_FACES[0] <= least <= TARGET_FACES[1]:
            mapped = self._generation.estimate(caller, planned.options, images).settings["target_faces"]
            if least > mapped:
                planned = planned.with_change("The quality map makes fewer faces than are wanted.", target_faces=least)
        return planned

    def fastened(
        self, caller: Caller, planned: Planned, images: Mapping[str, Asset], max_seconds: float | None
    ) -> Planned:
        """The highest quality, at most that asked for, whose measured runs were quick enough; with its forecast."""
        forecast = self._forecast(caller, planned.options, images)
        if max_seconds is None or forecast["seconds"] is None or forecast["seconds"] <= max_seconds:
            return replace(planned, forecast=forecast)
        for quality in range(planned.options.quality - 1, LOWEST - 1, -1):
            lighter = self._forecast(caller, replace(planned.options, quality=quality), images)
            if lighter["seconds"] is not None and lighter["seconds"] <= max_seconds:
                reason = f"Runs at quality {planned.options.quality} took {forecast['seconds']:g} s."
                return replace(planned.with_change(reason, quality=quality), forecast=lighter)
        return replace(planned, forecast=forecast)

    def understood(self, prompt: str) -> Parsed | None:
        """What a sentence stands for; None where it stands for nothing."""
        try:
            return parse(prompt)
        except NotUnderstoodError:
            return None

    def _forecast(self, caller: Caller, options: Options, images: Mapping[str, Asset]) -> dict[str, Any]:
        found = self._generation.estimate(caller, options, images)
        return {
            "engine": found.engine, "model": found.model, "seconds": found.seconds, "basis": found.basis,
            "cached": found.cached,
        }  # fmt: skip

    def _phrased(self, planned: Planned) -> Planned:
        """The prompt in the modeller's words, where a language model can say it in more of them."""
        prompt = planned.options.prompt
        if prompt is None or not self._llm.configured:
            return planned
        before = self.understood(prompt)
        if before is not None and not before.unrecognized_words:
            return planned
        try:
            said = self._llm.rephrase(prompt, _words())
        except OrfeasError as error:
            return replace(planned, reasons=(*planned.reasons, f"The prompt stays as it is: {error.detail}"))
        after = self.understood(said)
        if after is None or (before and len(after.unrecognized_words) >= len(before.unrecognized_words)):
            return replace(planned, reasons=(*planned.reasons, "The language model did not say it better."))
        return planned.with_change("The language model put it into the modeller's words.", prompt=said)


def _preferred(planned: Planned, speed: str) -> Planned:
    if speed == FAST and planned.options.profile in (None, STANDARD):
        return planned.with_change("Speed is preferred.", profile=ULTRA)
    finer = min(HIGHEST, planned.options.quality + FINER_BY)
    if speed == FINE and finer > planned.options.quality:
        return planned.with_change("Quality is preferred.", quality=finer)
    return planned


def _words() -> str:
    return ", ".join(dict.fromkeys(word for words in vocabulary().values() for word in words))
