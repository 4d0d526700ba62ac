"""What the engine tells about jobs: plain values, no rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from orfeas.jobs.plan import Plan

T = TypeVar("T")


class JobState(StrEnum):
    """The states of a run; a job without a run is pending."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it never changes again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Surface(StrEnum):
    """Which half of the API made a job."""

    COMPATIBLE = "compatible"
    V1 = "v1"


@dataclass(frozen=True, slots=True)
class JobInput:
    """What a job starts from: a stored picture or mesh, or a prompt.

    `filename` is the stored name that links show, `original_filename` the client's. `views` are the pictures by view
    where there are several; `asset_id` is the first of them.
    """

    asset_id: str | None = None
    filename: str | None = None
    original_filename: str | None = None
    prompt: str | None = None
    style: str | None = None
    views: dict[str, str] | None = None

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """All pictures."""
        return tuple(dict.fromkeys((*([self.asset_id] if self.asset_id else []), *(self.views or {}).values())))


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Everything that a run is made from.

    `request` is the normalised request as clients see it again; `checks` the post-conditions
    (`require`) that are compared with measures per run; `settings` what the engine will use;
    `monitored` whether its stage times count in summaries.
    """

    type: str
    plan: Plan
    request: dict[str, Any]
    engine: str | None = None
    model: str | None = None
    method: str | None = None
    profile: str | None = None
    quality: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    priority: int = 5
    timeout_s: float | None = None
    warnings: tuple[str, ...] = ()
    checks: dict[str, Any] | None = None
    monitored: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. `percent` is 0 to 100, None while pending."""

    percent: int | None
    stage: str | None = None
    stage_index: int | None = None
    stage_count: int | None = None
    step: int | None = None
    steps: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """One run of a job. Times are seconds since the epoch."""

    id: str
    number: int
    type: str
    state: JobState
    fingerprint: str
    request: dict[str, Any]
    engine: str | None
    model: str | None
    method: str | None
    profile: str | None
    quality: int | None
    settings: dict[str, Any]
    priority: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    cached: bool
    joined: bool
    private: bool
    reused: tuple[str, ...]
    warnings: tuple[str, ...]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    percent: int


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and its runs, the latest last."""

    id: str
    tenant: str
    surface: Surface
    hidden: bool
    batch_id: str | None
    batch_index: int | None
    tags: tuple[str, ...]
    input: JobInput
    retried_from: str | None
    derived_from: str | None
    created_at: float
    updated_at: float
    sequence: int
    runs: tuple[RunView, ...]
    progress: Progress
    queue_position: int | None
    eta_seconds: float | None
    joined_to: str | None

    @property
    def latest(self) -> RunView | None:
        """The run that the job shows."""
        return self.runs[-1] if self.runs else None

    @property
    def state(self) -> JobState:
        """The state of the latest run."""
        return self.latest.state if self.latest else JobState.PENDING


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of one run of a job."""

    asset_id: str
    run_number: int
    role: str
    format: str
    filename: str
    size_bytes: int
    media_type: str
    up_axis: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, and the cursor of the next part."""

    items: tuple[T, ...]
    next_cursor: str | None
