"""The modules of a pipeline, in memory always or only while they are used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


class Part(Generic[M]):
    """One module and how to load it.

    Parameters
    ----------
    load
        Makes the module with its weights on the device; called again after it was let go.
    keep
        Whether the module stays once it is loaded. On small devices it does not: what is done makes room.
    """

    def __init__(self, load: Callable[[], M], *, keep: bool = True) -> None:
        self._load = load
        self._keep = keep
        self._module: M | None = load() if keep else None
        self._users = 0
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory now."""
        return self._module is not None

    @contextmanager
    def use(self) -> Iterator[M]:
        """The module; with `keep` off its memory is free again when the last user leaves."""
        with self._lock:
            module = self._module = self._module or self._load()
            self._users += 1
        try:
            yield module
        finally:
            with self._lock:
                self._users -= 1
                if not self._keep and self._users == 0:
                    self._module = None
