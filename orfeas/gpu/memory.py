"""A device's memory and time, as far as its driver or the system tells."""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

OnMeasured = Callable[[float, int | None], None]
"""Told the seconds that a unit of work took on the device, and the bytes it needed beside what was there."""
RUN_AHEAD = 2
"""Units of work that are queued on a device while the next one is prepared: it never waits, a cancel hardly."""
SHORTAGE = ("out of memory", "can't allocate memory", "cannot allocate memory")
"""How torch words it where it raises a plain RuntimeError: on the CPU and on MPS."""


def is_shortage(error: BaseException) -> bool:
    """Whether memory was missing."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SHORTAGE)


def is_lost(error: BaseException) -> bool:
    """Whether the device takes no more work in this process: a failed assertion or an illegal access on it."""
    return isinstance(error, torch.AcceleratorError) and not is_shortage(error)


class Memory:
    """The CPU's: all memory, and the resident peak of this process around a piece of work."""

    kind = "cpu"

    def __init__(self, device: torch.device, limit_bytes: int | None = None) -> None:
        self.device = device
        self.limit_bytes = limit_bytes
        self.busy_s = 0.0

    @property
    def name(self) -> str:
        """What the device calls itself."""
        return "cpu"

    @property
    def total(self) -> int:
        """Bytes that there are."""
        return self.limit_bytes or self._total()

    def _total(self) -> int:
        return int(psutil.virtual_memory().total)

    @property
    def allocated(self) -> int | None:
        """Bytes of tensors, None where nobody counts them."""
        return None

    @property
    def peak(self) -> int | None:
        """The most that `allocated` was."""
        return None

    @property
    def reserved(self) -> int | None:
        """Bytes that the allocator has taken, None where nobody counts them."""
        return None

    @property
    def free(self) -> int | None:
        """Bytes that no process has taken, None where the driver does not say."""
        return None

    @property
    def utilisation(self) -> float | None:
        """Share of the last moment in which the device was busy, None where the driver does not say."""
        return None

    def release(self) -> None:
        """Give back what is cached."""
        gc.collect()

    @contextmanager
    def unit(self, measured: OnMeasured) -> Iterator[None]:
        """A unit of work."""
        before = self._restart_peak()
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.busy_s += seconds
        measured(seconds, self._peak_since(before))

    def settle(self) -> None:
        """Wait until the device has done all it was given."""

    def _restart_peak(self) -> int | None:
        if sys.platform != "linux":
            return None
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            return _resident("VmRSS")
        return None

    def _peak_since(self, before: int | None) -> int | None:
        peak = None if before is None else _resident("VmHWM")
        return None if peak is None or before is None else max(peak - before, 0)


class CudaMemory(Memory):
    """A CUDA device's: the allocator counts, and events on its stream tell the time."""

    kind = "cuda"

    def __init__(self, device: torch.device, limit_bytes: int | None = None) -> None:
        super().__init__(device, limit_bytes)
        self._queued: deque[tuple[torch.cuda.Event, torch.cuda.Event, OnMeasured, int]] = deque()

    @property
    def name(self) -> str:
        return str(torch.cuda.get_device_name(self.device))

    def _total(self) -> int:
        return int(torch.cuda.mem_get_info(self.device)[1])

    @property
    def allocated(self) -> int | None:
        return int(torch.cuda.memory_allocated(self.device))

    @property
    def peak(self) -> int | None:
        return self._most

    @property
    def reserved(self) -> int | None:
        return int(torch.cuda.memory_reserved(self.device))

    @property
    def free(self) -> int | None:
        return int(torch.cuda.mem_get_info(self.device)[0])

    _most = 0

    @property
    def utilisation(self) -> float | None:
        with suppress(ModuleNotFoundError, RuntimeError):
            return float(torch.cuda.utilization(self.device)) / 100
        return None

    def release(self) -> None:
        gc.collect()
        torch.cuda.empty_cache()

    @contextmanager
    def unit(self, measured: OnMeasured) -> Iterator[None]:
        """A unit of work; it is queued, so its time is known when a later one has begun."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        start.record()
        yield
        end.record()
        peak = torch.cuda.max_memory_allocated(self.device)
        self._most = max(self._most, peak)
        self._queued.append((start, end, measured, peak - before))
        while len(self._queued) >= RUN_AHEAD:
            self._finish()

    def settle(self) -> None:
        while self._queued:
            self._finish()

    def _finish(self) -> None:
        start, end, measured, needed = self._queued.popleft()
        end.synchronize()
        seconds = start.elapsed_time(end) / 1000
        self.busy_s += seconds
        measured(seconds, needed)


class MpsMemory(Memory):
    """Apple's: the allocator counts, without a peak."""

    kind = "mps"

    @property
    def name(self) -> str:
        return "mps"

    def _total(self) -> int:
        return int(torch.mps.recommended_max_memory())

    @property
    def allocated(self) -> int | None:
        return int(torch.mps.current_allocated_memory())

    @property
    def reserved(self) -> int | None:
        return int(torch.mps.driver_allocated_memory())

    def release(self) -> None:
        gc.collect()
        torch.mps.empty_cache()

    @contextmanager
    def unit(self, measured: OnMeasured) -> Iterator[None]:
        """A unit of work, waited for: there are no events to ask later."""
        started = time.perf_counter()
        yield
        torch.mps.synchronize()
        seconds = time.perf_counter() - started
        self.busy_s += seconds
        measured(seconds, None)


def memory_of(device: torch.device, limit_bytes: int | None = None) -> Memory:
    """The memory of a device."""
    kinds: dict[str, type[Memory]] = {"cuda": CudaMemory, "mps": MpsMemory}
    return kinds.get(device.type, Memory)(device, limit_bytes)


def _resident(name: str) -> int | None:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
