"""Server-Sent Events of a job (HTML standard, section 9.2): from rows to a text stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.errors import JobNotFoundError
from orfeas.jobs.event_log import EventLog, EventRow
from orfeas.jobs.views import JobState, JobView
from orfeas.routes.schemas.common import rfc3339
from orfeas.routes.schemas.jobs import asset_url, job_document, progress_document
from orfeas.services import Services

HEARTBEAT_S = 15.0
GONE_S = 2.0
"""How soon a stream notices that its job was deleted."""
RETRY_MS = 3000


class JobStream:
    """The events of one job for one client, from the state at connection to the end of that run.

    Parameters
    ----------
    last_event_id
        The sequence that the client has seen; later events are replayed if they are all kept.
    """

    def __init__(self, services: Services, caller: Caller, job: JobView, last_event_id: int | None) -> None:
        self._services = services
        self._log: EventLog = services.jobs.log
        self._caller = caller
        self._job = job
        self._run = job.latest.number if job.latest else None
        self._state = job.state
        self._seen = last_event_id if last_event_id is not None and self._can_replay(last_event_id) else None
        if self._seen is not None and job.latest is not None:
            self._state = JobState.RUNNING  # what precedes the next change of state happened while it ran

    def __iter__(self) -> Iterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        if self._seen is None:
            yield from self._fresh()
            if self._ended_before():
                return
        try:
            yield from self._live()
        except JobNotFoundError:
            return  # It was deleted while somebody looked on.

    def _can_replay(self, seen: int) -> bool:
        """Whether every later event is kept; a client that has seen all of a final job gets its state again."""
        if seen >= self._job.sequence:
            return seen == self._job.sequence and not self._job.state.final
        oldest = self._log.oldest(self._job.id)
        return oldest is not None and oldest <= seen + 1

    def _fresh(self) -> Iterator[str]:
        self._seen = self._job.sequence
        yield _message("state", self._seen, self._state_data(self._seen, self._job.state, self._job.updated_at))
        if self._ended_before():
            yield _message("end", self._seen, self._end_data(self._seen, self._job.state, self._job.updated_at))

    def _ended_before(self) -> bool:
        return self._job.state.final

    def _live(self) -> Iterator[str]:
        """Rows as they are written; a comment every 15 s; over at the end of the run or of the server."""
        notifier = self._services.notifier
        beat = time.monotonic() + HEARTBEAT_S
        while not notifier.stopping.is_set():
            rows = self._log.after(self._job.id, self._seen or 0)
            if rows:
                self._job = self._services.jobs.get(self._caller, self._job.id)
            for row in rows:
                self._seen = row.sequence
                yield from self._told(row)
                if row.kind == "end" and row.run == self._run:
                    return
            if time.monotonic() >= beat:
                beat = time.monotonic() + HEARTBEAT_S
                yield ": heartbeat\n\n"
            if not rows and not self._woken(max(0.0, min(GONE_S, beat - time.monotonic()))):
                self._services.jobs.get(self._caller, self._job.id)  # a deleted job has no more events

    def _woken(self, timeout_s: float) -> bool:
        return bool(self._services.notifier.wait(self._job.id, self._seen or 0, timeout_s))

    def _told(self, row: EventRow) -> Iterator[str]:
        if self._run is None:
            self._run = row.run
        if row.kind in ("state", "end") and "state" in row.payload:
            self._state = JobState(row.payload["state"])
        data = {
            "state": self._state_data,
            "end": self._end_data,
        }.get(row.kind)
        if data is not None:
            yield _message(row.kind, row.sequence, data(row.sequence, self._state, row.created_at))
        else:
            yield _message(row.kind, row.sequence, {**self._common(row), **self._details(row)})

    def _common(self, row: EventRow) -> dict[str, Any]:
        return {
            "job_id": self._job.id,
            "run": row.run,
            "sequence": row.sequence,
            "state": self._state.value,
            "timestamp": rfc3339(row.created_at),
        }

    def _details(self, row: EventRow) -> dict[str, Any]:
        if row.kind == "progress":
            return self._progress(row)
        if row.kind == "preview":
            asset_id = row.payload.get("asset_id")
            return {**row.payload, "url": asset_url(asset_id) if asset_id else None}
        return row.payload

    def _progress(self, row: EventRow) -> dict[str, Any]:
        """The row's percentage and stage; the rest from the job if it is still at that stage."""
        now = progress_document(self._job)
        same = now["stage"] == row.payload["stage"]
        shown = now if same else dict.fromkeys(now)
        return {
            "progress": {**shown, "percent": row.payload["percent"], "stage": row.payload["stage"]},
            "eta_seconds": self._job.eta_seconds if same else None,
            "queue_position": self._job.queue_position,
        }

    def _state_data(self, sequence: int, state: JobState, at: float) -> dict[str, Any]:
        """The whole job; of an older event, without what came later."""
        document = job_document(self._job)
        later = {} if state is self._job.state else {"result": None, "error": None, "finished_at": None}
        return {
            **document, **later, "job_id": self._job.id, "state": state.value, "sequence": sequence,
            "timestamp": rfc3339(at),
        }  # fmt: skip

    def _end_data(self, sequence: int, state: JobState, at: float) -> dict[str, Any]:
        document = job_document(self._job)
        outcome = "error" if state is JobState.FAILED else "result"
        return {
            "job_id": self._job.id, "run": self._run, "sequence": sequence, "state": state.value,
            "timestamp": rfc3339(at), outcome: document[outcome],
        }  # fmt: skip


def _message(kind: str, sequence: int, data: dict[str, Any]) -> str:
    return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
