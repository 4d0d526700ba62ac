"""Marching cubes in a process of its own: the device does not wait for it, and no grid goes through a pipe."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from orfeas.gpu.hunyuan3d import surface
from orfeas.gpu.hunyuan3d.grid import Corner, Grid

log = logging.getLogger(__name__)

Triangles = tuple[NDArray[np.float32], NDArray[np.int32]]
Crash = BrokenProcessPool
"""What a future of a process that died holds."""


class SharedGrid:
    """Field values where another process can read them: in anonymous memory on Linux, elsewhere in a file.

    Not in /dev/shm, which a container may bound at 64 MB: what does not fit there ends the writer with SIGBUS.
    """

    def __init__(self, grid: Grid) -> None:
        self.shape = tuple(grid.values.shape)
        self.bounds, self.resolution = grid.bounds, grid.resolution
        self._descriptor: int | None = None
        if hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create("orfeas-grid", os.MFD_CLOEXEC)
            self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        else:
            handle, self.path = tempfile.mkstemp(prefix="orfeas-grid-")
            os.close(handle)
        try:
            mapped = np.memmap(self.path, np.float32, "w+", shape=self.shape)
            torch.from_numpy(mapped).copy_(grid.values)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the memory; whoever has it mapped keeps it until then."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        else:
            with suppress(OSError):
                os.unlink(self.path)


class Surfaces:
    """The helper processes, started when they are first needed and again when one has died. Threads may share it."""

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or (2 if (os.cpu_count() or 1) >= 4 else 1)
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Start one now: it needs a few seconds until it can work."""
        with self._lock:
            if self._pool is None:
                self._pool = self._start()
                self._pool.submit(_nothing)

    def extract(self, shared: SharedGrid, level: float) -> Future[Triangles]:
        """The surface of a grid, later; the grid is let go of then."""
        arguments = (shared.path, shared.shape, shared.bounds, shared.resolution, level)
        try:
            with self._lock:
                future = self._submit(*arguments)
        except BaseException:
            shared.close()
            raise
        future.add_done_callback(lambda _: shared.close())
        return future

    def _submit(self, *arguments: Any) -> Future[Triangles]:
        self._pool = self._pool or self._start()
        try:
            return self._pool.submit(extract_mapped, *arguments)
        except BrokenProcessPool:
            log.warning("the process for surfaces has died and is started again")
            self._pool = self._start()
            return self._pool.submit(extract_mapped, *arguments)

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._pool = None

    def _start(self) -> ProcessPoolExecutor:
        # Spawned: a fork of a process with a device's driver in it may hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, mp_context=context, initializer=_settle)


def extract_mapped(
    path: str, shape: tuple[int, ...], bounds: tuple[Corner, Corner], resolution: int, level: float
) -> Triangles:
    """The surface of field values in a mapped file."""
    with _mapped(path, shape) as values:
        known = torch.ones((), dtype=torch.bool).expand(values.shape)
        return surface.extract(Grid(values, known, bounds, resolution), level)


@contextmanager
def _mapped(path: str, shape: tuple[int, ...]) -> Iterator[torch.Tensor]:
    # Private to this process and written to by nobody: torch warns about arrays that cannot be written to.
    array: np.memmap[Any, Any] = np.memmap(path, np.float32, "c", shape=shape)
    yield torch.from_numpy(array)


def _settle() -> None:
    """Leave the processor to the device's own process, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, AttributeError):
        os.nice(5)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _nothing() -> None:
    """What a process is started with."""
