"""Which stored file a download name means, and what has to be made first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orfeas.domain.formats import IMAGE_EXTENSIONS, MESH_FORMATS, Formats
from orfeas.errors import (
    FileNotFoundProblem,
    InvalidRequestError,
    OrfeasError,
    ResultFailedError,
    ResultNotReadyError,
)
from orfeas.jobs.views import JobFile, JobState, JobView, RunView
from orfeas.services.exports import require_writable
from orfeas.services.generation.records import model_name

SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
MODEL_NAME = re.compile(
    r"model(?:_(?P<job>[0-9a-fA-F-]{36}))?(?:_r(?P<run>[1-9][0-9]{0,5}))?\.(?P<format>[A-Za-z0-9]+)"
)
EXTENSIONS = frozenset({*MESH_FORMATS, *IMAGE_EXTENSIONS, "zip", "json", "mtl"})
RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file to be sent: its blob, the type and the name at download."""

    blob: str
    media_type: str
    filename: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a download name asks for: a model in a format, of a run (None: the latest), or another file by its name."""

    filename: str
    format: str | None = None
    run: int | None = None


def parse(job_id: str, filename: str, formats: Formats) -> Wanted:
    """Read a download name.

    Raises
    ------
    FileNotFoundProblem
        It is no name that a file can have, or the model of another job.
    InvalidRequestError
        Its extension is none that exists here.
    FormatUnavailableError
        The format is known, but cannot be written here.
    """
    if not SAFE_NAME.fullmatch(filename) or "." not in filename or filename.endswith("."):
        raise no_file(filename)
    extension = filename.rsplit(".", 1)[1].lower()
    if extension not in EXTENSIONS:
        raise InvalidRequestError(
            f"The extension .{extension[:20]} is none of {', '.join(MESH_FORMATS)}.", allowed=list(MESH_FORMATS)
        )
    found = MODEL_NAME.fullmatch(filename)
    if found is None or extension not in MESH_FORMATS:
        return Wanted(filename)
    if found["job"] is not None and found["job"].lower() != job_id:
        raise no_file(filename)
    require_writable(formats, (extension,))
    return Wanted(filename, extension, int(found["run"]) if found["run"] else None)


def run_of(job: JobView, wanted: Wanted) -> RunView:
    """The run that a name means."""
    if wanted.run is None:
        if job.latest is None:
            raise ResultNotReadyError("Nothing was generated from this image yet; post its id to /api/generate-3d.")
        return job.latest
    for run in job.runs:
        if run.number == wanted.run:
            return run
    raise no_file(wanted.filename)


def require_success(job: JobView, run: RunView) -> None:
    """Refuse a run that is not ready, failed, or was cancelled."""
    if not run.state.final:
        raise ResultNotReadyError(
            f"The job is {run.state.value}; ask again or wait longer (Prefer: wait=60).",
            job_id=job.id, retry_after=RETRY_AFTER_S,
        )  # fmt: skip
    if run.state is JobState.FAILED:
        reason = (run.error or {}).get("detail", "")
        raise ResultFailedError(f"The job failed: {reason}", job_id=job.id, problem=run.error)
    if run.state is JobState.CANCELLED:
        raise ResultFailedError("The job was cancelled; generate again.", job_id=job.id, problem=None)


def stored_model(files: Sequence[JobFile], run: RunView, format_name: str) -> JobFile | None:
    """The run's own file in a format, or None."""
    return next(
        (f for f in files if f.run_number == run.number and f.role == "model" and f.format == format_name), None
    )


def named_file(files: Sequence[JobFile], wanted: Wanted) -> JobFile:
    """The newest file with that very name."""
    for found in files:
        if found.filename == wanted.filename:
            return found
    raise no_file(wanted.filename)


def download_name(job: JobView, run: RunView, format_name: str, media_type: str) -> str:
    """The name that a client saves a model under; a zipped obj says so."""
    earlier = None if job.latest is not None and run.number == job.latest.number else run.number
    name = model_name(job.id, format_name, earlier)
    return f"{name}.zip" if media_type == "application/zip" else name


def no_file(filename: str) -> OrfeasError:
    """The refusal of a name that no file has."""
    return FileNotFoundProblem(f"There is no file {filename[:80]!r} here.")
