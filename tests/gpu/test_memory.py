"""How the figures of a device are kept. Its driver's counters are played here; `test_cuda` asks those of a real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
import torch

from orfeas.gpu.memory import RUN_AHEAD, CudaMemory, Memory, MpsMemory, memory_of

GIGABYTE = 1_000_000_000
CUDA, MPS = torch.device("cuda:0"), torch.device("mps")


@dataclass
class Driver:
    """Bytes and milliseconds as a driver counts them."""

    allocated: int = 0
    most: int = 0
    reserved: int = 0
    clock_ms: float = 0.0
    waited_for: list[float] = field(default_factory=list)
    emptied: int = 0

    def work(self, needs: int, keeps: int, takes_ms: float) -> None:
        """Take bytes, keep some of them, and time."""
        self.most = max(self.most, self.allocated + needs)
        self.allocated += keeps
        self.clock_ms += takes_ms

    def event(self, *, enable_timing: bool) -> Any:
        """A mark on the stream."""
        assert enable_timing
        driver = self

        class Event:
            at = -1.0

            def record(self) -> None:
                self.at = driver.clock_ms

            def synchronize(self) -> None:
                driver.waited_for.append(self.at)

            def elapsed_time(self, later: Any) -> float:
                return float(later.at - self.at)

        return Event()

    def empty(self) -> None:
        """Give back what is cached."""
        self.emptied += 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """In the place of CUDA's and Apple's."""
    played = Driver()

    def restart_peak(_: torch.device) -> None:
        played.most = played.allocated

    for name, told in {
        "get_device_name": lambda _: "Played 4090",
        "mem_get_info": lambda _: (7 * GIGABYTE, 24 * GIGABYTE),
        "memory_allocated": lambda _: played.allocated,
        "max_memory_allocated": lambda _: played.most,
        "memory_reserved": lambda _: played.reserved,
        "reset_peak_memory_stats": restart_peak,
        "empty_cache": played.empty,
        "Event": played.event,
    }.items():
        monkeypatch.setattr(torch.cuda, name, told)
    for name, told in {
        "recommended_max_memory": lambda: 12 * GIGABYTE,
        "current_allocated_memory": lambda: played.allocated,
        "driver_allocated_memory": lambda: played.reserved,
        "synchronize": lambda: played.waited_for.append(played.clock_ms),
        "empty_cache": played.empty,
    }.items():
        monkeypatch.setattr(torch.mps, name, told)
    return played


def test_each_kind_of_device_has_its_own() -> None:
    assert [type(memory_of(device)) for device in (torch.device("cpu"), CUDA, MPS)] == [Memory, CudaMemory, MpsMemory]
    assert [memory_of(device).kind for device in (torch.device("cpu"), CUDA, MPS)] == ["cpu", "cuda", "mps"]


def test_a_processor_has_the_memory_of_the_machine_or_what_it_may_have() -> None:
    memory = memory_of(torch.device("cpu"))
    assert memory.total == psutil.virtual_memory().total
    assert (memory.allocated, memory.peak, memory.reserved, memory.free, memory.utilisation) == (None,) * 5
    assert memory_of(torch.device("cpu"), 5).total == 5


def test_cuda_tells_its_figures(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memory_of(CUDA)
    driver.allocated, driver.reserved = 3 * GIGABYTE, 4 * GIGABYTE
    assert (memory.name, memory.total, memory.free) == ("Played 4090", 24 * GIGABYTE, 7 * GIGABYTE)
    assert (memory.allocated, memory.reserved, memory.peak) == (3 * GIGABYTE, 4 * GIGABYTE, 0)
    assert memory_of(CUDA, 8 * GIGABYTE).total == 8 * GIGABYTE
    memory.release()
    assert driver.emptied == 1
    monkeypatch.setattr(torch.cuda, "utilization", lambda _: 42)
    assert memory.utilisation == 0.42

    def missing(_: torch.device) -> int:
        raise ModuleNotFoundError("pynvml")

    monkeypatch.setattr(torch.cuda, "utilization", missing)
    assert memory.utilisation is None


def test_work_on_cuda_is_measured_by_its_own_events_and_a_few_units_late(driver: Driver) -> None:
    """A unit needs what it took beside what was there, though others come before it is asked for."""
    memory, told = memory_of(CUDA), []
    work = [(5, 1, 10.0), (3, 0, 20.0), (9, -1, 40.0)]
    for number, (needs, keeps, takes_ms) in enumerate(work, 1):
        with memory.unit(lambda seconds, needed: told.append((round(seconds, 3), needed))):
            driver.work(needs * GIGABYTE, keeps * GIGABYTE, takes_ms)
        assert len(told) == max(0, number - RUN_AHEAD + 1)
    memory.settle()
    assert told == [(0.01, 5 * GIGABYTE), (0.02, 3 * GIGABYTE), (0.04, 9 * GIGABYTE)]
    assert memory.busy_s == pytest.approx(0.07)
    assert memory.peak == 10 * GIGABYTE
    assert driver.waited_for == [10.0, 30.0, 70.0], "each was waited for before it was asked"
    memory.settle()
    assert len(told) == 3


def test_work_on_mps_is_waited_for(driver: Driver) -> None:
    memory, told = memory_of(MPS), []
    driver.allocated, driver.reserved = GIGABYTE, 2 * GIGABYTE
    assert (memory.name, memory.total, memory.allocated, memory.reserved) == (
        "mps",
        12 * GIGABYTE,
        GIGABYTE,
        2 * GIGABYTE,
    )
    assert (memory.peak, memory.free, memory.utilisation) == (None, None, None)
    with memory.unit(lambda seconds, needed: told.append((seconds, needed))):
        driver.work(GIGABYTE, 0, 5.0)
        assert driver.waited_for == []
    assert driver.waited_for == [5.0]
    assert told[0][0] > 0.0
    assert told[0][1] is None
    assert memory.busy_s == told[0][0]
    memory.release()
    assert driver.emptied == 1
