"""Liveness, readiness and metrics, from a small state that is read from the rows at most twice a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from orfeas.config import Config
from orfeas.domain.caller import LOCAL
from orfeas.domain.formats import WRITABLE
from orfeas.jobs.jobs import Jobs
from orfeas.services.engines import EngineService
from orfeas.services.info import info_cached, time_bucket
from orfeas.services.measurements import Traffic, exposition
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database
from orfeas.version import __version__

FRESH_S = 0.5
MODE = "safe_fallback"
CAPABILITIES = ("image_to_3d", "relief", "lithophane", "photo_texture")

logger = logging.getLogger("orfeas.monitoring")


@dataclass(frozen=True, slots=True)
class State:
    """What the rows and the disk said. `read_at` is of the monotonic clock, in seconds."""

    read_at: float = float("-inf")
    database: bool = False
    disk: bool = False
    depth: int = 0
    running: int = 0
    queues: frozenset[str] = field(default_factory=frozenset)

    @property
    def worker(self) -> bool:
        """Whether somebody is there who runs the embedded engine."""
        return "cpu" in self.queues


class Watch:
    """The last state; one caller at a time reads a new one while all others take the old."""

    def __init__(self, read: Callable[[], State], fresh_s: float = FRESH_S) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._state = State()

    def state(self, fresh_s: float | None = None) -> State:
        """The state, at most `fresh_s` seconds old unless somebody is reading it just now."""
        old = self._state
        limit_s = self._fresh_s if fresh_s is None else fresh_s
        if time.monotonic() - old.read_at <= limit_s:
            return old
        never_read = old.read_at == float("-inf")
        if self._lock.acquire(blocking=never_read):
            try:
                if self._state is old:
                    self._state = self._read()
            finally:
                self._lock.release()
        return self._state


class MonitoringService:
    """Say how the server is."""

    def __init__(
        self, config: Config, jobs: Jobs, blobs: FolderStorage, database: Database, engines: EngineService
    ) -> None:
        self._config = config
        self._jobs = jobs
        self._blobs = blobs
        self._database = database
        self._engines = engines
        self._started_at = time.monotonic()
        self._watch = Watch(self._look)
        self.traffic = Traffic()

    def health(self) -> dict[str, Any]:
        """The compatible liveness record; reads kept state only."""
        state = self._watch.state()
        return {
            "status": "healthy",
            "timestamp": time.time(),
            "server": "orfeas",
            "version": __version__,
            "mode": MODE,
            "gpu_info": dict(NO_GPU),
            "active_jobs": state.running,
            "queued_jobs": state.depth,
            "models_status": "ready" if state.worker else "not_ready",
            "processor": processor(ready=state.worker),
            "capabilities": [*CAPABILITIES],
            "uptime_seconds": round(time.monotonic() - self._started_at, 3),
        }

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether work would be done, and what was checked. A GPU and models do not decide."""
        state = self._watch.state(0.1)
        checks: dict[str, Any] = {
            "application": True,
            "database": state.database,
            "disk": state.disk,
            "worker": state.worker,
            "gpu": "gpu" in state.queues,
            "models": self.engines()["hunyuan3d"]["available"] if state.database else False,
            "gpu_name": None,
            "gpu_memory_total": 0,
        }
        ready = state.database and state.disk and state.worker
        return ready, {"status": "ready" if ready else "not_ready", "checks": checks}

    def models_info(self) -> dict[str, Any]:
        """What is loaded where; kept 2 s."""
        return _models_info(self, time_bucket())

    def metrics(self) -> bytes:
        """Prometheus' text format 0.0.4: own counters, and totals of the rows as they are now."""
        return exposition(self.traffic, self._jobs, self._blobs, self._database)

    def engines(self) -> dict[str, Any]:
        """Each engine with whether it can be used."""
        return self._engines.standing(LOCAL)

    def worker_ready(self) -> bool:
        """Whether a cpu worker is there."""
        return self._watch.state().worker

    def _look(self) -> State:
        try:
            queue = self._jobs.queue_status(LOCAL)
        except SQLAlchemyError:
            logger.exception("the database cannot be read")
            return State(read_at=time.monotonic(), disk=self._disk())
        return State(
            read_at=time.monotonic(),
            database=True,
            disk=self._disk(),
            depth=queue.depth,
            running=queue.running,
            queues=frozenset(worker["queue"] for worker in queue.workers),
        )

    def _disk(self) -> bool:
        return self._blobs.free_bytes() >= self._config.disk_reserve_mb * 1_000_000


NO_GPU = {
    "allocated": 0,
    "reserved": 0,
    "total": 0,
    "free": 0,
    "allocated_mb": 0.0,
    "reserved_mb": 0.0,
    "total_mb": 0.0,
    "free_mb": 0.0,
}


def processor(*, ready: bool) -> dict[str, Any]:
    """The engine in force as existing clients know it."""
    return {
        "status": "ready" if ready else "not_ready",
        "device": "cpu",
        "model_type": "embedded",
        "capabilities": [*CAPABILITIES],
        "formats": [*WRITABLE],
        "has_text2image": False,
    }


@info_cached
def _models_info(service: MonitoringService, _: int) -> dict[str, Any]:
    ready = service.worker_ready()
    return {
        "mode": MODE,
        "device": "cpu",
        "gpu_stats": {name: NO_GPU[name] for name in ("allocated_mb", "reserved_mb", "total_mb", "free_mb")},
        "processor": processor(ready=ready),
        "models_loaded": [],
        "shapegen_ready": ready,
        "texgen_ready": ready,
        "text_to_image_ready": False,
        "engines": service.engines(),
    }
