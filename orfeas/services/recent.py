"""Bytes that were made a moment ago, so that a page that shows them to many makes them once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class RecentBytes:
    """Keep what was used last, up to a number of bytes; several threads may ask.

    A key has to name its content, as the hash of a file and a size do, so nothing kept here can be out of date.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept, else what is made now; two who ask at once may both make it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > self._largest:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made
