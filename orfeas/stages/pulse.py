"""Progress of work that waits: told from a thread of its own, as a stalled line must neither cost the lease nor
keep a cancelled job going."""

from __future__ import annotations

import threading
from types import TracebackType

from orfeas.stages.registry import Progress

EVERY_S = 0.25


class Pulse:
    """Counts bytes, tells the share now and then, and stops the work when it is not wanted any more."""

    def __init__(self, on_progress: Progress) -> None:
        self._on_progress = on_progress
        self._expected = 0
        self._done = 0
        self._stopped: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def expect(self, size_bytes: int) -> None:
        """How many bytes are to come in all."""
        self._expected = max(1, size_bytes)

    def advance(self, size_bytes: int) -> None:
        """So many more bytes are done (fewer, where some have to come again). Raises when the work is to stop."""
        self._done += size_bytes
        self.check()

    def check(self) -> None:
        """Raise what the caller of the stage raised to stop it."""
        if self._stopped is not None:
            raise self._stopped

    def _tell(self) -> None:
        while not self._ended.wait(EVERY_S):
            share = self._done / self._expected if self._expected else 0.0
            try:
                self._on_progress(min(0.99, max(0.0, share)))
            except BaseException as error:  # noqa: BLE001 - raised again where the work is done
                self._stopped = error
                return
