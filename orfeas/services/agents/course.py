"""One step of a run that aims for a goal: what came of the last one, what follows, and what is said about it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from orfeas.domain.agents.goals import verdicts
from orfeas.domain.agents.loop import Decision, Limits, Tried, best, decide, options_after, too_small
from orfeas.domain.agents.roster import MESH, OPTIMIZER, PLANNER, QUALITY, WORKFLOW
from orfeas.domain.agents.rules import GENERATE, Change, Situation
from orfeas.domain.caller import Caller
from orfeas.errors import EmptySurfaceError, InternalError, PostconditionFailedError, rebuilt
from orfeas.jobs.views import JobView
from orfeas.services.agents.board import Board
from orfeas.services.agents.planning import Planned, Planning
from orfeas.services.agents.work import Work, child_id, error_of, options_document, options_read, reports_of, seconds_of
from orfeas.services.assets import Asset

LOOK, MEASURE = "look", "measure"
FIRST = Change(GENERATE, {})
LEAST_LEFT_S = 1.0
FILE_MEMBERS = ("asset_id", "role", "format", "filename", "media_type", "size_bytes", "up_axis")
Report = dict[str, Any]


def moment(epoch_s: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%dT%H:%M:%S}.{int(epoch_s * 1000) % 1000:03d}Z"


def entry(agent_id: str, action: str, **members: Any) -> dict[str, Any]:
    """One line of a trace."""
    found = dict.fromkeys(("seconds", "inputs", "measured", "decision", "reason", "job_id"))
    return {"agent_id": agent_id, "action": action, "started_at": moment(time.time()), **found, **members}


@dataclass
class Course:
    """A run so far. `reports` are those of the earlier steps, in order."""

    caller: Caller
    job: JobView
    number: int
    reports: Sequence[Report]
    work: Work
    board: Board
    planning: Planning
    entries: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        run = self.job.latest
        assert run is not None
        self.run = run
        self.request: Mapping[str, Any] = run.request
        self.goal: Mapping[str, Any] = run.request["goal"]
        self.history = [
            Tried(**{**report["tried"], "change": Change(**report["tried"]["change"])})
            for report in self.reports
            if "tried" in report
        ]

    # the step

    def advance(self) -> Report:
        """Everything that this step does; the report that says so."""
        if not self.reports:
            return self._look() if self.picture else self._begin()
        doing = self.reports[-1]["doing"]
        child = self.work.jobs.get(self.caller, doing["job_id"])
        if not child.state.final:
            raise InternalError("A step of agents ran before its job had ended.")
        if doing["phase"] == LOOK:
            return self._looked(child, doing)
        if doing["phase"] == MEASURE:
            return self._measured(child, doing)
        return self._made(child, doing)

    @property
    def images(self) -> dict[str, Asset]:
        """The pictures by view."""
        named = self.request["images"]
        return {view: self.work.assets.content(self.caller, given["asset_id"]) for view, given in named.items()}

    @property
    def picture(self) -> Asset | None:
        """The picture of the front, or the first."""
        found = self.images
        return found.get("front") or next(iter(found.values()), None)

    @property
    def planned_options(self) -> dict[str, Any]:
        """The options that the planner chose."""
        return dict(next(report["options"] for report in self.reports if "options" in report))

    @property
    def left_s(self) -> float:
        """Of the budget."""
        return max(LEAST_LEFT_S, float(self.request["budget_s"]) - self._elapsed_s())

    def _elapsed_s(self) -> float:
        return time.time() - (self.run.started_at or self.run.created_at)

    # looking and planning

    def _look(self) -> Report:
        picture = self.picture
        assert picture is not None
        child = self.work.look(self.caller, self._child(), picture)
        self._told(QUALITY, LOOK, inputs={"asset_id": picture.id}, job_id=None)
        return self._going_on(LOOK, child.id, FIRST, 0)

    def _looked(self, child: JobView, doing: Report) -> Report:
        if (error := error_of(child)) is not None:
            self._came_of(QUALITY, LOOK, child, {"error": error}, ok=False)
            raise rebuilt(error) if error["code"] != "cancelled" else PostconditionFailedError(error["detail"])
        measured = reports_of(child)["image.measure"]["picture"]
        self._came_of(QUALITY, LOOK, child, measured, ok=True)
        reason = too_small(measured)
        if reason is not None:
            self.entries.append(
                entry(WORKFLOW, "end", measured=measured, decision="failed", reason=reason, seconds=0.0)
            )
            return self._ended(EmptySurfaceError(reason, measures=measured).as_job_error(), None)
        return self._begin(measured)

    def _begin(self, measured: Mapping[str, Any] | None = None) -> Report:
        started = time.perf_counter()
        options, images = options_read(self.request["generation"]), self.images
        planned = self.planning.plan(self.caller, options, images, self.goal, self.request["speed_preference"])
        limit = self.goal.get("max_seconds")
        self._chosen(PLANNER, "plan", planned, time.perf_counter() - started)
        started = time.perf_counter()
        fast = self.planning.fastened(self.caller, planned, images, limit)
        self._chosen(OPTIMIZER, "forecast", fast, time.perf_counter() - started, forecast=fast.forecast)
        return {
            **self._attempt(options_document(fast.options), FIRST, "The first attempt.", 1),
            "options": options_document(fast.options),
            "planned": fast.changes,
            "picture": measured,
        }

    def _chosen(self, agent: str, action: str, planned: Planned, seconds: float, **measured: Any) -> None:
        self._answered(agent, action, ok=True, seconds=seconds)
        self.entries.append(
            entry(
                agent, action, seconds=round(seconds, 6), inputs={"goal": dict(self.goal)}, measured=measured or None,
                decision=planned.changes or "as asked", reason=" ".join(planned.reasons) or None,
            )
        )  # fmt: skip

    # making

    def _attempt(self, options: dict[str, Any], change: Change, reason: str, attempt: int) -> Report:
        made = options_read(options)
        child = self.work.generate(self.caller, self._child(), made, self.images, self.left_s)
        self._told(
            WORKFLOW, GENERATE, inputs=change.parameters, job_id=child.id, decision=f"attempt {attempt}", reason=reason
        )
        return self._going_on(GENERATE, child.id, change, attempt)

    def _rework(self, change: Change, reason: str, attempt: int) -> Report:
        base = next(tried for tried in reversed(self.history) if tried.verdicts)
        source = self.work.model_of(self.caller, self.work.jobs.get(self.caller, str(base.job_id)))
        formats = tuple(self.planned_options["formats"])
        child = self.work.rework(self.caller, self._child(), change, source, formats, self.left_s)
        self._told(
            WORKFLOW, change.kind, inputs={**change.parameters, "asset_id": source.id}, job_id=child.id, reason=reason
        )
        return self._going_on(change.kind, child.id, change, attempt)

    def _made(self, child: JobView, doing: Report) -> Report:
        change, attempt = Change(**doing["change"]), doing["attempt"]
        error = error_of(child)
        self._came_of(
            WORKFLOW, doing["phase"], child, {"error": error} if error else {"state": "succeeded"}, ok=not error
        )
        if error:
            return self._decided(Tried(change, attempt, child.id, error=error), child)
        asset = self.work.model_of(self.caller, child)
        measuring = self.work.measure(self.caller, self._child(), asset, self.picture, self.goal.get("min_wall_mm"))
        self._told(MESH, MEASURE, inputs={"asset_id": asset.id}, job_id=None)
        return {**self._going_on(MEASURE, measuring.id, change, attempt), "made": child.id}

    # measuring and deciding

    def _measured(self, child: JobView, doing: Report) -> Report:
        made = self.reports[-1]["made"]
        change, attempt = Change(**doing["change"]), doing["attempt"]
        error = error_of(child)
        measured: dict[str, Any] = {}
        if error is None:
            reports = reports_of(child)
            measured = {
                **reports["mesh.verify"]["measures"],
                "silhouette_iou": reports.get("mesh.overlap", {}).get("silhouette_iou"),
                "seconds": self._generation_seconds(),
            }
        self._came_of(
            MESH, MEASURE, child, measured or {"error": error}, ok=error is None, quality=measured.get("quality_score")
        )
        found = verdicts(self.goal, measured) if error is None else {}
        return self._decided(
            Tried(change, attempt, made, found, measured, error), self.work.jobs.get(self.caller, made)
        )

    def _generation_seconds(self) -> float | None:
        """Of the latest attempt: what was reworked since is told in the trace."""
        job_id = next(r["doing"]["job_id"] for r in reversed(self.reports) if r["doing"]["phase"] == GENERATE)
        return seconds_of(self.work.jobs.get(self.caller, job_id))

    def _decided(self, tried: Tried, made: JobView) -> Report:
        history = [*self.history, tried]
        limits = Limits(int(self.request["max_attempts"]), float(self.request["budget_s"]))
        choice = decide(history, self._situation(history), limits, self._elapsed_s())
        self.history = history
        what = "held" if choice.held else choice.change.kind if choice.change else "failed"
        self._answered(WORKFLOW, "verify", ok=True, seconds=0.0)
        self.entries.append(
            entry(
                WORKFLOW, "verify", seconds=0.0, inputs={"goal": dict(self.goal)}, measured=dict(tried.verdicts),
                decision=what, reason=choice.reason, job_id=tried.job_id,
            )
        )  # fmt: skip
        following = self._following(choice, tried)
        return {**following, "tried": asdict(tried)}

    def _following(self, choice: Decision, tried: Tried) -> Report:
        if choice.held:
            return self._ended(None, tried)
        if choice.change is None:
            return self._ended(self._refusal(choice, tried), best(self.history))
        if choice.change.attempt:
            options = options_after(self.planned_options, self.history, choice.change)
            return self._attempt(options, choice.change, choice.reason, tried.attempt + 1)
        return self._rework(choice.change, choice.reason, tried.attempt)

    def _situation(self, history: Sequence[Tried]) -> Situation:
        """Of the attempt that was made last."""
        doing = next(r["doing"] for r in reversed(self.reports) if r["doing"]["phase"] == GENERATE)
        made = self.work.jobs.get(self.caller, doing["job_id"]).latest
        assert made is not None
        measured = next((tried.measured for tried in reversed(history) if tried.verdicts), {})
        options = options_after(self.planned_options, self.history, Change(**doing["change"]))
        return Situation(
            options=options, goal=self.goal, measured=measured, grid=int(made.settings.get("octree_resolution") or 0),
            quality=int(made.quality or options["quality"]), neural=made.settings.get("model") is not None,
            solids=made.method == "parametric",
        )  # fmt: skip

    # ending

    def _refusal(self, choice: Decision, tried: Tried) -> dict[str, Any]:
        found = best(self.history)
        if found is None and tried.error is not None and tried.error.get("code") != "cancelled":
            return dict(tried.error)
        goals = found.verdicts if found else {}
        missed = [
            f"{name} (wanted {v['wanted']}, measured {_short(v['measured'])})"
            for name, v in goals.items()
            if not v["ok"]
        ]
        detail = f"The goal was not reached: {', '.join(missed) or 'nothing could be measured'}. {choice.reason}"
        measures = dict(found.measured) if found else {}
        return PostconditionFailedError(detail, measures=measures, goal=dict(goals)).as_job_error()

    def _ended(self, refused: dict[str, Any] | None, found: Tried | None) -> Report:
        report: Report = {"entries": self.entries, "outcome": self.outcome, "best": found.job_id if found else None}
        report["goal"] = dict(found.verdicts) if found else {}
        report["assets"] = self._files(found, "rejected" if refused else "model") if found else []
        if found and found.measured:
            report["file_measures"] = {self.planned_options["formats"][0]: dict(found.measured)}
        return {**report, "refused": refused} if refused else report

    def _files(self, found: Tried, role: str) -> list[dict[str, Any]]:
        """The files of the best attempt, with the picture of the generation that it comes from."""
        jobs = [str(found.job_id)]
        made = [
            r["doing"]["job_id"]
            for r in self.reports
            if r["doing"]["phase"] == GENERATE and r["doing"]["attempt"] == found.attempt
        ]
        listed = [asset for job_id in dict.fromkeys([*jobs, *made]) for asset in self._listed(job_id)]
        files = [asset for asset in self._listed(jobs[0]) if asset["role"] == "model"]
        shown = [asset for asset in listed if asset["role"] == "preview"][:1]
        return [*({**asset, "role": role, "filename": _name(asset)} for asset in files), *shown]

    def _listed(self, job_id: str) -> list[dict[str, Any]]:
        run = self.work.jobs.get(self.caller, job_id).latest
        assets = (run.result or {}).get("assets", []) if run else []
        return [{name: asset[name] for name in FILE_MEMBERS} for asset in assets]

    # saying

    def _child(self) -> str:
        return child_id(self.job.id, self.number)

    def _going_on(self, phase: str, job_id: str, change: Change, attempt: int) -> Report:
        doing = {"phase": phase, "job_id": job_id, "change": asdict(change), "attempt": attempt}
        return {"entries": self.entries, "outcome": self.outcome, "doing": doing}

    def _told(self, agent: str, action: str, **members: Any) -> None:
        self.board.give(self.caller, self.job.id, f"{self.number}.{action}", WORKFLOW, agent, action)
        self.entries.append(entry(agent, action, **members))

    def _answered(self, agent: str, action: str, *, ok: bool, seconds: float) -> None:
        """What an agent did within this step."""
        key = f"{self.number}.{action}"
        self.board.give(self.caller, self.job.id, key, WORKFLOW, agent, action)
        self.board.answer(self.caller, self.job.id, key, agent, WORKFLOW, action, ok=ok, seconds=seconds)

    def _came_of(
        self, agent: str, action: str, child: JobView, measured: dict[str, Any], *, ok: bool,
        quality: float | None = None,
    ) -> None:  # fmt: skip
        """Complete the entry of the step before."""
        seconds = seconds_of(child)
        self.outcome = {"seconds": seconds, "measured": measured}
        self.board.answer(
            self.caller, self.job.id, f"{self.number - 1}.{action}", agent, WORKFLOW, action, ok=ok, seconds=seconds,
            quality=quality,
        )  # fmt: skip


def _name(asset: Mapping[str, Any]) -> str:
    zipped = str(asset["filename"]).endswith(".zip") and asset["format"] != "zip"
    return f"model.{asset['format']}{'.zip' if zipped else ''}"


def _short(value: Any) -> Any:
    return value.get("p5_mm") if isinstance(value, dict) else value
