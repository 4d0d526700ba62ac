"""Work that computes only while it has the turn, so that a loop that cannot be cut into calls still shares a device."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Report = Callable[[float], None]


class _Stopped(BaseException):
    """Raised inside the work to end it; not an Exception, so that nothing swallows it."""


class Turns(Generic[T]):
    """A function in a thread of its own, which runs from one of its reports to the next when it is given the turn.

    Parameters
    ----------
    work
        Gets a callback for the share done, which hands the turn back and may end the work.
    """

    def __init__(self, work: Callable[[Report], T]) -> None:
        self.share = 0.0
        self.ended = False
        self.value: T | None = None
        self.error: Exception | None = None
        self.trace = ""
        """Where the error came from; it holds no frames, so the memory of the work is free."""
        self._stop = False
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def give(self) -> bool:
        """Let it compute until its next report; True when it has ended, with `value` or `error`."""
        if self._thread.is_alive():
            self._go.release()
            self._back.acquire()
        if self.ended:
            self._thread.join()
        return self.ended

    def stop(self) -> None:
        """End it now and let go of all it held."""
        self._stop = True
        while not self.give():
            pass
        self.value = None

    def _run(self, work: Callable[[Report], T]) -> None:
        self._go.acquire()
        try:
            if not self._stop:
                self.value = work(self._report)
        except _Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - handed to whoever gives the turn
            self.trace = traceback.format_exc()
            self.error = error.with_traceback(None)
            self.error.__context__ = self.error.__cause__ = None
        finally:
            del work
            self.ended = True
            self._back.release()

    def _report(self, share: float) -> None:
        self.share = share
        self._back.release()
        self._go.acquire()
        if self._stop:
            raise _Stopped
