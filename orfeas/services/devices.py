"""What the gpu workers last said about their devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pvariance
from typing import Any

from sqlalchemy import select

from orfeas.domain.stages import Queue
from orfeas.jobs.queue import SILENT_S
from orfeas.storage.database import Database
from orfeas.storage.tables import workers

MEGABYTE = 1e6
FAILED, STARTING = "failed", "starting"
FEWEST_SAMPLES = 6
STEADY_PERCENT = 5.0
"""Points by which the use of memory must differ between the beginning and the end to be a trend."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with weights on a device; `used_at` is in seconds since the epoch."""

    id: str
    place: str
    precision: str
    size_bytes: int
    used_at: float
    in_use: bool


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A gpu worker's row. What only a device that counts its memory knows is 0 elsewhere, such as on a processor."""

    device: str
    state: str
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """cpu, cuda or mps."""
        return self.device.partition(":")[0]

    @property
    def name(self) -> str | None:
        """What the device calls itself; None before its process has started."""
        return self.report.get("name")

    @property
    def is_gpu(self) -> bool:
        """Whether it is a device of its own that has reported."""
        return self.kind != "cpu" and self.name is not None

    @property
    def total(self) -> int:
        """Bytes of memory."""
        return int(self.report["memory_total"]) if self.is_gpu else 0

    @property
    def allocated(self) -> int:
        """Bytes of tensors."""
        return int(self.report["memory_measured"] or 0) if self.is_gpu else 0

    @property
    def reserved(self) -> int:
        """Bytes that the allocator has taken, used or not."""
        return max(int(self.report.get("memory_reserved") or 0), self.allocated) if self.is_gpu else 0

    @property
    def free(self) -> int:
        """Bytes that nobody has taken, as far as is known."""
        if not self.is_gpu:
            return 0
        told = self.report.get("memory_free")
        return max(self.total - self.reserved, 0) if told is None else int(told)

    @property
    def models(self) -> tuple[LoadedModel, ...]:
        """The models with weights on it."""
        return tuple(
            LoadedModel(
                id=use["model"],
                place=use["place"],
                precision=use["precision"],
                size_bytes=sum(use["parts"].values()),
                used_at=use["used_at"],
                in_use=use["in_use"],
            )
            for use in self.report.get("models", ())
        )

    @property
    def samples(self) -> list[float]:
        """The used share of its memory in percent, every 5 s for ten minutes."""
        return [100.0 * share for share in self.report.get("samples", ())] if self.is_gpu else []


class DeviceService:
    """Read the last reports of devices."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def read(self) -> tuple[DeviceState, ...]:
        """The devices of the gpu workers that give signs of life, by name."""
        alive = (workers.c.queue == Queue.GPU.value, workers.c.heartbeat_at > self._now() - SILENT_S)
        query = select(workers.c.device, workers.c.state, workers.c.report).where(*alive).order_by(workers.c.device)
        with self._database.read() as connection:
            return tuple(DeviceState(row.device, row.state, row.report or {}) for row in connection.execute(query))

    def working(self) -> tuple[DeviceState, ...]:
        """Those that work or will in a moment."""
        return tuple(found for found in self.read() if found.state != FAILED)

    def loaded(self) -> tuple[LoadedModel, ...]:
        """The models with weights on any device."""
        return tuple(model for found in self.read() for model in found.models)


NO_DEVICE = DeviceState("cpu", "idle")


def first_gpu(found: Sequence[DeviceState]) -> DeviceState:
    """The first device of its own; without one, a processor that has no memory to tell of."""
    return next((device for device in found if device.is_gpu), NO_DEVICE)


def gpu_info(device: DeviceState) -> dict[str, int | float]:
    """Memory in bytes and megabytes; zeros on a processor."""
    sizes = {name: int(getattr(device, name)) for name in ("allocated", "reserved", "total", "free")}
    return {**sizes, **{f"{name}_mb": round(size / MEGABYTE, 3) for name, size in sizes.items()}}


def megabytes(device: DeviceState) -> dict[str, int | float]:
    """The same in megabytes alone."""
    return {name: size for name, size in gpu_info(device).items() if name.endswith("_mb")}


def memory(device: DeviceState) -> dict[str, float]:
    """Memory in megabytes with the used share in percent."""
    return {
        "total_mb": round(device.total / MEGABYTE, 3),
        "used_mb": round(device.allocated / MEGABYTE, 3),
        "free_mb": round(device.free / MEGABYTE, 3),
        "cached_mb": round((device.reserved - device.allocated) / MEGABYTE, 3),
        "utilization_percent": _percent(device.allocated, device.total),
    }


def trends(samples: Sequence[float]) -> dict[str, Any]:
    """How the use of memory went; `unknown` before there are enough samples."""
    enough = len(samples) >= FEWEST_SAMPLES
    third = max(len(samples) // 3, 1)
    rise = fmean(samples[-third:]) - fmean(samples[:third]) if enough else 0.0
    trend = "stable" if abs(rise) < STEADY_PERCENT else "increasing" if rise > 0 else "decreasing"
    return {
        "trend": trend if enough else "unknown",
        "avg_utilization": round(fmean(samples), 2) if samples else 0.0,
        "peak_utilization": round(max(samples, default=0.0), 2),
        "min_utilization": round(min(samples, default=0.0), 2),
        "variance": round(pvariance(samples), 4) if samples else 0.0,
        "stable": enough and trend == "stable",
    }


def recommendations(device: DeviceState) -> list[str]:
    """What would help, as far as the report shows that something is amiss."""
    return [*_advice(device)] if device.report else []


def _advice(device: DeviceState) -> Iterator[str]:
    told = device.report
    if device.total and device.allocated > 0.9 * device.total:
        yield "More than 90 % of the memory is used: unload models, or lower ORFEAS_GPU_BATCH_MAX."
    if told.get("oom_retries"):
        yield (
            f"Memory was missing {told['oom_retries']} times and work was done again in smaller pieces: "
            "use a smaller model, lower octree_resolution, or lower ORFEAS_GPU_MEMORY_SHARE."
        )
    if told.get("evictions", 0) > told.get("loads", 0) // 2 > 2:
        yield "Weights come and go: fewer models at a time, or a higher ORFEAS_GPU_MEMORY_SHARE, saves loading."


def statistics(device: DeviceState) -> dict[str, Any]:
    """A device as `/api/v1/gpu/stats` shows it."""
    gigabytes = {name: round(getattr(device, name) / 1e9, 3) for name in ("total", "allocated", "reserved", "free")}
    precision = precision_of(device) if device.is_gpu else None
    return {
        "available": device.is_gpu,
        "name": device.name if device.is_gpu else None,
        "total_vram_gb": gigabytes["total"],
        "allocated_gb": gigabytes["allocated"],
        "reserved_gb": gigabytes["reserved"],
        "available_gb": gigabytes["free"],
        "usage_percent": _percent(device.allocated, device.total),
        "precision_mode": precision,
        "mixed_precision_enabled": False,
        "gradient_checkpointing": False,
        "quantization_enabled": False,
    }


def precision_of(device: DeviceState) -> str:
    """The precision that models are computed in there."""
    return "float16" if device.kind != "cpu" else "float32"


def _percent(part: float, whole: float) -> float:
    return round(100.0 * part / whole, 2) if whole else 0.0
