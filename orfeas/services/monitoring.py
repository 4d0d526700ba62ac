"""Liveness, readiness and metrics, from a small state that is read from the rows at most twice a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from orfeas.config import Config
from orfeas.domain.caller import LOCAL
from orfeas.domain.formats import Formats
from orfeas.errors import DatabaseUnavailableError
from orfeas.jobs.jobs import Jobs
from orfeas.services.devices import (
    FAILED,
    STARTING,
    DeviceService,
    DeviceState,
    first_gpu,
    gpu_info,
    megabytes,
    memory,
    precision_of,
    recommendations,
    statistics,
    trends,
)
from orfeas.services.engines import EngineService
from orfeas.services.folder_models import PictureModels
from orfeas.services.info import info_cached, time_bucket
from orfeas.services.measurements import Traffic, exposition
from orfeas.services.plans import EMBEDDED_ENGINE
from orfeas.storage.blobs import FolderStorage
from orfeas.storage.database import Database
from orfeas.version import __version__

FRESH_S = 0.5
SCRAPED_S = 0.1
"""How long the text of the metrics is kept: it takes 10 ms to write."""
MODE = "safe_fallback"
CAPABILITIES = ("image_to_3d", "text_to_image", "text_to_3d", "relief", "lithophane", "photo_texture")

T = TypeVar("T")
logger = logging.getLogger("orfeas.monitoring")


@dataclass(frozen=True, slots=True)
class State:
    """What the rows and the disk said."""

    database: bool = False
    disk: bool = False
    depth: int = 0
    running: int = 0
    queues: frozenset[str] = field(default_factory=frozenset)
    devices: tuple[DeviceState, ...] = ()
    engine: str = EMBEDDED_ENGINE
    model: str | None = None
    """What a request gets that names neither."""
    picture_model: bool | None = None
    """Whether a model makes pictures of sentences; None where none is set and they show solids."""

    @property
    def mode(self) -> str:
        """`powerful_3d` where a shape model is installed and a device runs it, `full_ai` with an image model too."""
        if self.model is None:
            return MODE
        return "full_ai" if self.picture_model else "powerful_3d"

    @property
    def pictures(self) -> bool:
        """Whether pictures of sentences are made."""
        return self.worker and self.picture_model is not False

    @property
    def gpu(self) -> DeviceState:
        """The first device of its own."""
        return first_gpu(self.devices)

    @property
    def device(self) -> str:
        """cuda, mps or cpu."""
        return self.gpu.kind

    @property
    def models_status(self) -> str:
        """`loading` while a device that models need is still on its way."""
        if self.model is not None and all(found.state == STARTING for found in self.devices):
            return "loading"
        return "ready" if self.worker else "not_ready"

    @property
    def worker(self) -> bool:
        """Whether somebody is there who runs the embedded engine."""
        return "cpu" in self.queues


class Watch(Generic[T]):
    """What was read last; one caller at a time reads it anew while all others take the old."""

    def __init__(self, read: Callable[[], T], fresh_s: float = FRESH_S) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._kept: tuple[float, T] | None = None

    def get(self, fresh_s: float | None = None) -> T:
        """What was read, at most `fresh_s` seconds old unless somebody is reading it just now."""
        kept = self._kept
        limit_s = self._fresh_s if fresh_s is None else fresh_s
        if kept is not None and time.monotonic() - kept[0] <= limit_s:
            return kept[1]
        if self._lock.acquire(blocking=kept is None):
            try:
                if self._kept is kept:
                    self._kept = kept = (time.monotonic(), self._read())
            finally:
                self._lock.release()
        return (self._kept or kept)[1]  # type: ignore[index]  # the first caller waits until it is read


class MonitoringService:
    """Say how the server is."""

    def __init__(
        self,
        config: Config,
        jobs: Jobs,
        blobs: FolderStorage,
        database: Database,
        engines: EngineService,
        devices: DeviceService,
        pictures: PictureModels,
    ) -> None:
        self._config = config
        self.formats = Formats(config.blender)
        self._jobs = jobs
        self._blobs = blobs
        self._database = database
        self._engines = engines
        self._devices = devices
        self._pictures = pictures
        self._started_at = time.monotonic()
        self._watch = Watch(self._look)
        self._exposition = Watch(self._expose, SCRAPED_S)
        self.traffic = Traffic()

    def health(self) -> dict[str, Any]:
        """The compatible liveness record; reads kept state only."""
        state = self._watch.get()
        return {
            "status": "healthy",
            "timestamp": time.time(),
            "server": "orfeas",
            "version": __version__,
            "mode": state.mode,
            "gpu_info": gpu_info(state.gpu),
            "active_jobs": state.running,
            "queued_jobs": state.depth,
            "models_status": state.models_status,
            "processor": processor(state, self.formats),
            "capabilities": capabilities(state),
            "uptime_seconds": round(time.monotonic() - self._started_at, 3),
        }

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether work would be done, and what was checked. A GPU and models do not decide."""
        state = self._watch.get(0.1)
        checks: dict[str, Any] = {
            "application": True,
            "database": state.database,
            "disk": state.disk,
            "worker": state.worker,
            "gpu": any(found.state != FAILED for found in state.devices),
            "models": self.engines()["hunyuan3d"]["available"] if state.database else False,
            "gpu_name": state.gpu.name,
            "gpu_memory_total": state.gpu.total,
        }
        ready = state.database and state.disk and state.worker
        return ready, {"status": "ready" if ready else "not_ready", "checks": checks}

    def models_info(self) -> dict[str, Any]:
        """What is loaded where; kept 2 s."""
        return _models_info(self, time_bucket())

    def metrics(self) -> bytes:
        """Prometheus' text format 0.0.4: own counters, and totals of the rows as they are now."""
        return self._exposition.get()

    def _expose(self) -> bytes:
        return exposition(self.traffic, self._jobs, self._blobs, self._database, self._devices.read())

    def gpu_status(self) -> dict[str, Any]:
        """The memory of the first device and how its use went; kept 0.5 s."""
        device = self._watch.get().gpu
        return {
            "memory": memory(device),
            "trends": trends(device.samples),
            "recommendations": recommendations(device),
            "timestamp": time.time(),
        }

    def gpu_stats(self) -> dict[str, Any]:
        """Figures of all devices and of the queue."""
        state = self._watch.get()
        best = [int(found.report.get("best_batch", 1)) for found in state.devices if found.report]
        working = next((found for found in state.devices if found.is_gpu), next(iter(state.devices), state.gpu))
        return {
            "timestamp": time.time(),
            "gpu": statistics(state.gpu),
            "queue_depth": state.depth,
            "recommended_precision": precision_of(working),
            "optimal_batch_size": min(min(best, default=1), self._config.gpu_batch_max),
            "status": "operational",
            "devices": [{"device": found.device, "state": found.state, **statistics(found)} for found in state.devices],
        }

    def engines(self) -> dict[str, Any]:
        """Each engine with whether it can be used."""
        return self._engines.standing(LOCAL)

    def state(self) -> State:
        """What was read last."""
        return self._watch.get()

    def _look(self) -> State:
        try:
            queue = self._jobs.queue_status(LOCAL)
            found, taken = self._devices.read(), self._engines.taken(LOCAL)
            pictures = self._pictures.why_not() is None if self._pictures.wanted else None
        except (SQLAlchemyError, DatabaseUnavailableError):
            logger.exception("the database cannot be read")
            return State(disk=self._disk())
        return State(
            database=True,
            disk=self._disk(),
            depth=queue.depth,
            running=queue.running,
            queues=frozenset(worker["queue"] for worker in queue.workers),
            devices=found,
            engine=taken["engine"] or EMBEDDED_ENGINE,
            model=taken["model"],
            picture_model=pictures,
        )

    def _disk(self) -> bool:
        return self._blobs.free_bytes() >= self._config.disk_reserve_mb * 1_000_000


def capabilities(state: State) -> list[str]:
    """What can be made here."""
    return [*CAPABILITIES, *(["neural_shapes"] if state.model else [])]


def processor(state: State, formats: Formats) -> dict[str, Any]:
    """The engine in force as existing clients know it."""
    return {
        "status": state.models_status,
        "device": state.device,
        "model_type": state.model or state.engine,
        "capabilities": capabilities(state),
        "formats": [*formats.writable],
        "has_text2image": state.pictures,
    }


@info_cached
def _models_info(service: MonitoringService, _: int) -> dict[str, Any]:
    state = service.state()
    return {
        "mode": state.mode,
        "device": state.device,
        "gpu_stats": megabytes(state.gpu),
        "processor": processor(state, service.formats),
        "models_loaded": sorted({model.id for found in state.devices for model in found.models}),
        "shapegen_ready": state.worker,
        "texgen_ready": state.worker,
        "text_to_image_ready": state.pictures,
        "engines": service.engines(),
    }
