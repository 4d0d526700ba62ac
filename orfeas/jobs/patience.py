"""Leases of a process that outlives a database that is locked, full, or away for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from orfeas.errors import OrfeasError
from orfeas.jobs.claims import Claim
from orfeas.jobs.leases import Leases
from orfeas.stages.task import Done
from orfeas.storage.database import UNAVAILABLE

log = logging.getLogger(__name__)

T = TypeVar("T")

SAY_EVERY_S = 10.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 2.0


class PatientLeases(Leases):
    """What can be asked again later is left for later; what came of a stage is written as soon as it can be.

    Parameters
    ----------
    hurry
        True when the process has to go: then a result that cannot be written is given up.
    """

    def __init__(self, *arguments: Any, hurry: Callable[[], bool], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._hurry = hurry
        self._said_at = float("-inf")

    # asked again later

    def claim(self, queue: str, *, commands: bool = False) -> Claim | None:
        """As `Leases.claim`; None while the database is away."""
        return self._once(partial(super().claim, queue, commands=commands), None)

    def progress(self, stage_id: int, fraction: float) -> bool:
        """As `Leases.progress`; True while the database is away."""
        return self._once(partial(super().progress, stage_id, fraction), True)

    def renew(self, stage_id: int) -> bool:
        """As `Leases.renew`; True while the database is away."""
        return self._once(partial(super().renew, stage_id), True)

    def keep(self, stage_ids: Sequence[int], *, renew: bool = True) -> set[int]:
        """As `Leases.keep`; all of them while the database is away."""
        return self._once(partial(super().keep, stage_ids, renew=renew), set(stage_ids))

    def is_mine(self, stage_id: int) -> bool:
        """As `Leases.is_mine`; True while the database is away."""
        return self._once(partial(super().is_mine, stage_id), True)

    def expire(self) -> None:
        """As `Leases.expire`."""
        self._once(super().expire, None)

    # written as soon as it can be

    def finish(self, stage_id: int, made: Done, *, claim_next: str | None = None) -> Claim | None:
        """As `Leases.finish`."""
        return self._until_written(partial(super().finish, stage_id, made, claim_next=claim_next))

    def fail(self, stage_id: int, error: OrfeasError) -> None:
        """As `Leases.fail`."""
        self._until_written(partial(super().fail, stage_id, error))

    def crashed(self, stage_id: int) -> None:
        """As `Leases.crashed`."""
        self._until_written(partial(super().crashed, stage_id))

    def lost(self, stage_id: int) -> None:
        """As `Leases.lost`."""
        self._until_written(partial(super().lost, stage_id))

    def restore_inputs(self, stage_id: int) -> None:
        """As `Leases.restore_inputs`."""
        self._until_written(partial(super().restore_inputs, stage_id))

    def _once(self, act: Callable[[], T], otherwise: T) -> T:
        try:
            return act()
        except UNAVAILABLE as error:
            self._say(error)
            return otherwise

    def _until_written(self, act: Callable[[], T]) -> T:
        delay_s = FIRST_DELAY_S
        while True:
            try:
                return act()
            except UNAVAILABLE as error:
                if self._hurry():
                    raise
                self._say(error)
            time.sleep(delay_s)
            delay_s = min(LONGEST_DELAY_S, 2.0 * delay_s)

    def _say(self, error: Exception) -> None:
        if time.monotonic() - self._said_at > SAY_EVERY_S:
            self._said_at = time.monotonic()
            log.warning("the database cannot be used now; trying again: %s", str(error).partition("\n")[0])
