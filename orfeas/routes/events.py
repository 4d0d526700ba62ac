"""Socket.IO: what happens to jobs, as it happens.

The same rows feed this and the Server-Sent Events of `streams.py`. While somebody is connected one thread reads what is
new every 50 ms and sends it on.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from itertools import groupby
from typing import Any

from flask import Flask, request
from flask_socketio import SocketIO, emit, join_room, leave_room
from sqlalchemy.exc import SQLAlchemyError

from orfeas.config import Config
from orfeas.domain.steps import step_of
from orfeas.errors import DatabaseUnavailableError, JobNotFoundError, OrfeasError
from orfeas.jobs.events import POLL_S
from orfeas.jobs.tail import Happened, Tail
from orfeas.jobs.views import JobState, JobView
from orfeas.routes.context import caller, services
from orfeas.routes.generation.batches import counts
from orfeas.routes.headers import SECURITY, host_is_known
from orfeas.routes.schemas.common import dumped, rfc3339
from orfeas.routes.schemas.generation import JobRecordSchema
from orfeas.routes.schemas.jobs import job_document
from orfeas.services import Services
from orfeas.services.generation import record
from orfeas.services.generation.records import download_url

logger = logging.getLogger("orfeas.events")

EXTENSION = "orfeas.events"
PATH = "/socket.io"
LARGEST_MESSAGE = 65_536
"""Bytes; clients send a few words."""
IDLE_S = 1.0


def register(app: Flask, config: Config) -> None:
    """Serve Socket.IO beside the app's own addresses."""
    plain = app.wsgi_app
    sockets = SocketIO(
        async_mode="threading",
        async_handlers=False,  # what a client sends is done in its order
        cors_allowed_origins=_allowed_origins(config),
        manage_session=False,
        max_http_buffer_size=LARGEST_MESSAGE,
        # waitress has no websockets.
        transports=["polling", "websocket"] if find_spec("gunicorn") else ["polling"],
    )
    sockets.init_app(app)
    app.wsgi_app = Guard(app.wsgi_app, plain, config)  # type: ignore[method-assign]
    app.extensions[EXTENSION] = _Clients(app, sockets)


def stop(app: Flask) -> None:
    """Hang up on all clients, without waiting for them."""
    app.extensions[EXTENSION].stop()


class Guard:
    """Checks and headers that the app's own hooks cannot give to Socket.IO's answers."""

    def __init__(
        self, sockets: Callable[..., Iterable[bytes]], app: Callable[..., Iterable[bytes]], config: Config
    ) -> None:
        self._sockets = sockets
        self._app = app
        self._config = config

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request; one with a foreign Host goes to the app, which refuses it."""
        path = environ.get("PATH_INFO", "")
        if path != PATH and not path.startswith(f"{PATH}/"):
            return self._sockets(environ, start_response)
        if not host_is_known(environ.get("HTTP_HOST", ""), self._config):
            return self._app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            own = [*SECURITY.items(), ("X-Request-ID", secrets.token_hex(8)), ("Cache-Control", "no-store")]
            return start_response(status, [*headers, *own], *rest)

        return self._sockets(environ, start)


def _allowed_origins(config: Config) -> Callable[[str | None, dict[str, Any]], bool]:
    """As for the API; the server's own pages always may."""

    def allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        if origin is None or config.cors_origins == ("*",):
            return True
        own = f"{environ.get('wsgi.url_scheme', 'http')}://{environ.get('HTTP_HOST', '')}"
        return origin.lower() in {own.lower(), *(known.lower() for known in config.cors_origins)}

    return allowed


class _Clients:
    """Everybody who is connected, and the thread that tells them."""

    def __init__(self, app: Flask, sockets: SocketIO) -> None:
        self._app = app
        self._sockets = sockets
        self._lock = threading.Lock()
        self._connected: set[str] = set()
        self._somebody = threading.Event()
        self._thread: threading.Thread | None = None
        self._tail: Tail | None = None
        self._stages: dict[str, str | None] = {}
        sockets.on_event("connect", self._connect)
        sockets.on_event("disconnect", self._disconnect)
        sockets.on_event("subscribe_job", self._subscribe)
        sockets.on_event("subscribe", self._subscribe)
        sockets.on_event("unsubscribe", self._unsubscribe)
        sockets.on_event("ping", lambda *_: emit("pong", {"timestamp": _now()}))
        sockets.on_event("test_ping", lambda *_: emit("test_pong", {"timestamp": _now()}))
        sockets.default_exception_handler = self._failed

    def stop(self) -> None:
        """Hang up on everybody."""
        self._somebody.set()
        engine = self._sockets.server.eio
        for socket in [*engine.sockets.values()]:
            with suppress(Exception):  # whatever it is, the process ends
                socket.close(wait=False)

    # what clients send

    def _connect(self, auth: Any = None) -> bool:
        found = services()
        if not found.holders.acquire():
            return False
        with self._lock:
            self._connected.add(request.sid)  # type: ignore[attr-defined]
            self._start(found)
        join_room(_tenant_room(caller().tenant))
        moment = _now()
        emit("connected", {"status": "connected", "mode": found.monitoring.health()["mode"]})
        emit(
            "connection_established",
            {"sid": request.sid, "timestamp": moment, "message": "Send subscribe_job with a job_id to follow a job."},  # type: ignore[attr-defined]
        )
        return True

    def _disconnect(self, *_: Any) -> None:
        with self._lock:
            if request.sid not in self._connected:  # type: ignore[attr-defined]
                return
            self._connected.discard(request.sid)  # type: ignore[attr-defined]
            if not self._connected:
                self._somebody.clear()
        services().holders.release()

    def _subscribe(self, data: Any = None) -> None:
        job_id = _job_id(data)
        try:
            job = services().generation.job(caller(), job_id or "")
        except OrfeasError as error:
            emit("error", {"message": error.detail, "code": error.code})
            return
        join_room(_job_room(job.id))
        emit("subscribed", {"job_id": job.id, "timestamp": _now()})
        # Read after joining: what happens from here on comes through the room.
        job = services().generation.job(caller(), job.id)
        emit("job_update", _record(job))
        if (ended := _ended(job)) is not None:
            emit(*ended)

    def _unsubscribe(self, data: Any = None) -> None:
        job_id = _job_id(data)
        if job_id is None:
            emit("error", {"message": "Send the job_id to unsubscribe from.", "code": "invalid_request"})
            return
        leave_room(_job_room(job_id))
        emit("unsubscribed", {"job_id": job_id})

    def _failed(self, error: Exception) -> None:
        logger.error("a message of a client failed", exc_info=error)

    # what clients are sent

    def _start(self, found: Services) -> None:
        """With the first client; the thread sleeps while there is none."""
        if self._thread is None:
            self._tail = Tail(found.database)
            self._tail.read()
            self._thread = threading.Thread(target=self._run, args=(found,), name="events", daemon=True)
            self._thread.start()
        elif not self._somebody.is_set() and self._tail is not None:
            self._tail.forget()
        self._somebody.set()

    def _run(self, found: Services) -> None:
        assert self._tail is not None
        with self._app.app_context():
            while not found.notifier.stopping.is_set():
                if not self._somebody.wait(IDLE_S):
                    continue
                try:
                    self._tell(found, self._tail.read())
                    found.notifier.stopping.wait(POLL_S)
                except (SQLAlchemyError, DatabaseUnavailableError):
                    logger.exception("events cannot be read now; trying again")
                    found.notifier.stopping.wait(IDLE_S)
                except Exception:
                    logger.exception("an event could not be told; going on with the next")

    def _tell(self, found: Services, happened: Iterable[Happened]) -> None:
        ordered = sorted(happened, key=lambda event: (event.job_id, event.id))
        batches: dict[str, str] = {}
        for job_id, told in groupby(ordered, key=lambda event: event.job_id):
            rows = [*told]
            try:
                job = found.generation.job(caller(), job_id)
            except JobNotFoundError:
                continue  # deleted since
            self._tell_of_job(job, rows)
            if rows[-1].batch_id is not None:
                batches[rows[-1].batch_id] = rows[-1].tenant
        for batch_id, tenant in batches.items():
            with suppress(OrfeasError):
                self._sockets.emit("batch_progress", _batch(found, batch_id), to=_tenant_room(tenant))

    def _tell_of_job(self, job: JobView, rows: list[Happened]) -> None:
        self._sockets.emit("job_update", _record(job), to=_job_room(job.id))
        room = _tenant_room(rows[-1].tenant)
        progress = next((row for row in reversed(rows) if row.kind == "progress"), None)
        if progress is not None:
            self._tell_progress(job, progress, room)
        if any(row.kind == "end" for row in rows) and (ended := _ended(job)) is not None:
            self._stages.pop(job.id, None)
            self._sockets.emit(*ended, to=room)

    def _tell_progress(self, job: JobView, row: Happened, room: str) -> None:
        stage, at = row.payload.get("stage"), rfc3339(row.created_at)
        named = {"job_id": job.id, "stage": stage, "step": step_of(stage), "timestamp": at}
        if stage is not None and self._stages.get(job.id) != stage:
            self._stages[job.id] = stage
            self._sockets.emit("stage_change", {**named, "stage_progress": _stage_progress(job)}, to=room)
        told = {**named, "progress": row.payload.get("percent"), "eta": job.eta_seconds}
        self._sockets.emit("generation_progress", told, to=room)


def _batch(found: Services, batch_id: str) -> dict[str, Any]:
    batch = found.batches.get(caller(), batch_id)
    gpu = found.monitoring.health()["gpu_info"]
    usage = {"memory_used_mb": gpu["allocated_mb"], "memory_total_mb": gpu["total_mb"]}
    return {"batch_id": batch.id, "counts": counts(batch), "progress": batch.percent, "gpu_usage": usage}


def _record(job: JobView) -> dict[str, Any]:
    return dumped(JobRecordSchema, record(job))


def _ended(job: JobView) -> tuple[str, dict[str, Any]] | None:
    """The event of a final state; a cancelled job has none of its own."""
    run = job.latest
    if run is None or job.state not in (JobState.SUCCEEDED, JobState.FAILED):
        return None
    common = {"job_id": job.id, "timestamp": rfc3339(run.finished_at)}
    if job.state is JobState.SUCCEEDED:
        result = job_document(job)["result"]
        return "generation_complete", {
            **common, "success": True, "output_file": download_url(job, run), "result": result,
        }  # fmt: skip
    error = run.error or {}
    return "generation_error", {
        **common, "error": error.get("detail"), "code": error.get("code"), "recoverable": bool(error.get("retryable")),
    }  # fmt: skip


def _stage_progress(job: JobView) -> float | None:
    """Percent of the stage, where it counts in steps."""
    step, steps = job.progress.step, job.progress.steps
    return round(100.0 * step / steps, 1) if step is not None and steps else None


def _job_id(data: Any) -> str | None:
    value = data.get("job_id") if isinstance(data, dict) else data
    return value.lower()[:64] if isinstance(value, str) and value else None


def _job_room(job_id: str) -> str:
    return f"job:{job_id}"


def _tenant_room(tenant: str) -> str:
    return f"tenant:{tenant}"


def _now() -> str | None:
    return rfc3339(time.time())
