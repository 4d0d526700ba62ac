"""The loop: from what has been done and measured to what comes next. Pure, so that a step can run twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orfeas.domain.agents.goals import failed
from orfeas.domain.agents.rules import GENERATE, HEAVY, Change, Situation, changes, lighter

MIN_COVERAGE = 0.02
"""Share of the picture that a subject has to cover."""
Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend: attempts (models made anew) and seconds."""

    max_attempts: int
    budget_s: float


@dataclass(frozen=True, slots=True)
class Tried:
    """A change that was made, in the attempt `attempt`, and what came of it.

    `verdicts` are empty until its file was measured; `error` is the problem that ended its job.
    """

    change: Change
    attempt: int
    job_id: str | None
    verdicts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    @property
    def held(self) -> int:
        """How many goals hold."""
        return sum(bool(found["ok"]) for found in self.verdicts.values())


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes next: a change, or the end of the run (`held` or not), with the reason."""

    reason: str
    change: Change | None = None
    held: bool = False


def decide(history: Sequence[Tried], seen: Situation, limits: Limits, elapsed_s: float) -> Decision:
    """What follows the latest of what was tried.

    One rule for each failed goal: the first change of the first of them that was not tried yet. What only reworks the
    file may be done once in each attempt; what makes a model anew is an attempt, and is never made twice.
    """
    latest = history[-1]
    wrong = failed(latest.verdicts)
    if latest.error is None and not wrong:
        return Decision("All goals hold.", held=True)
    if elapsed_s >= limits.budget_s:
        return Decision(f"The budget of {limits.budget_s:g} s is used up.")
    attempts = max(tried.attempt for tried in history)
    refused = False
    for reason, change in _wanted(latest, wrong, history, seen):
        if _tried(change, history, latest.attempt):
            continue
        if change.attempt and attempts >= limits.max_attempts:
            refused = True
            continue
        return Decision(reason, change)
    if refused:
        return Decision(f"All {limits.max_attempts} attempts are used up.")
    return Decision("Nothing is left that has not been tried.")


def best(history: Sequence[Tried]) -> Tried | None:
    """The measured one with most goals held, then the best mesh, then the earliest."""
    measured = [tried for tried in history if tried.verdicts]
    return max(measured, key=lambda tried: (tried.held, tried.measured.get("quality_score") or 0.0), default=None)


def options_after(options: Mapping[str, Any], history: Sequence[Tried], change: Change) -> dict[str, Any]:
    """The options of a new attempt: all changes of earlier attempts, and this one."""
    earlier = [tried.change for tried in history if tried.change.kind == GENERATE]
    found = dict(options)
    for made in (*earlier, change):
        found.update(made.parameters)
    return found


def too_small(measured: Report) -> str | None:
    """Why nothing can be made of a picture; None where something can."""
    coverage = measured.get("subject_coverage")
    if coverage is None or coverage >= MIN_COVERAGE:
        return None
    return (
        f"The subject covers {100.0 * coverage:.1f} % of the picture; at least {100.0 * MIN_COVERAGE:g} % are needed. "
        "Crop the picture closer to the subject."
    )


def trace(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """What was done, in order: the entries of all steps, each with what the next step saw come of it."""
    found: list[dict[str, Any]] = []
    for report in reports:
        if report.get("outcome") and found:
            found[-1].update(report["outcome"])
        found += [dict(entry) for entry in report.get("entries", [])]
    return [{"step": number, **entry} for number, entry in enumerate(found, 1)]


def _wanted(
    latest: Tried, wrong: Sequence[str], history: Sequence[Tried], seen: Situation
) -> Iterator[tuple[str, Change]]:
    if latest.error is not None:
        code = latest.error.get("code")
        if latest.change.kind != GENERATE:
            wrong = next((failed(tried.verdicts) for tried in reversed(history) if tried.verdicts), [])
        elif code in HEAVY:
            for change in lighter(seen):
                yield f"The attempt ended in {code}.", change
            return
        else:
            return
    for name in wrong:
        for change in changes(name, seen):
            yield f"{name} does not hold.", change


def _tried(change: Change, history: Sequence[Tried], attempt: int) -> bool:
    return any(tried.change.key == change.key and (change.attempt or tried.attempt == attempt) for tried in history)
