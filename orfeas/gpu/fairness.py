"""Whose turn it is on a device: priority lifted by waiting, the tenant and then the work that had less of it, age.

Time is shared as in start-time fair queueing: who comes new starts level with those who had least, so nobody saves up
turns and nobody is starved (P. Goyal, H. M. Vin, H. Cheng, IEEE/ACM Transactions on Networking, 1997).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Protocol, TypeVar

from orfeas.stages.device import Order

WAIT_LIFTS_S = 60.0
"""As in the claims of the stage table."""
TENANT_S = 2.0
"""A tenant goes behind others for every so many seconds that it had more. Less than that is the share of one request,
which had better end than wait half done."""


class Ordered(Protocol):
    """What is ranked."""

    @property
    def order(self) -> Order: ...

    @property
    def stage_id(self) -> int: ...


J = TypeVar("J", bound=Ordered)
G = TypeVar("G", bound=Hashable)


class Served:
    """Seconds that each of several parties had, counted from when it came."""

    def __init__(self) -> None:
        self._seconds: dict[Hashable, float] = {}

    def present(self, parties: Collection[Hashable]) -> None:
        """Who is here now: newcomers start level with the least served, who left is forgotten."""
        known = [self._seconds[party] for party in parties if party in self._seconds]
        start = min(known, default=0.0)
        self._seconds = {party: self._seconds.get(party, start) for party in parties}

    def charge(self, party: Hashable, seconds: float) -> None:
        """Count time of one that is still here."""
        if party in self._seconds:
            self._seconds[party] += seconds

    def of(self, party: Hashable) -> float:
        """Seconds so far."""
        return self._seconds.get(party, 0.0)

    def ahead(self, party: Hashable) -> float:
        """Seconds more than the least served has had."""
        return self.of(party) - min(self._seconds.values(), default=0.0)


class Fairness:
    """Ranks work; `clock` tells seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tenants = Served()
        self._groups = Served()

    def present(self, everybody: Collection[Ordered]) -> None:
        """Who is on the device or waits for it."""
        self._tenants.present({each.order.tenant for each in everybody})

    def rank(self, job: Ordered) -> tuple[int, int, float, int]:
        """Smaller comes first."""
        return (*self._level(job), job.order.wanted_at, job.stage_id)

    def ranked(self, jobs: Collection[J]) -> list[J]:
        """In the order of their ranks."""
        return sorted(jobs, key=self.rank)

    def choose(self, groups: Mapping[G, Sequence[J]]) -> G:
        """The group whose turn it is."""
        self._groups.present(groups.keys())

        def key(group: G) -> tuple[tuple[int, int], float, float, int]:
            first = min(groups[group], key=self.rank)
            return self._level(first), self._groups.of(group), first.order.wanted_at, first.stage_id

        return min(groups, key=key)

    def charge(self, group: Hashable, jobs: Sequence[Ordered], seconds: float, *, weight: float = 1.0) -> None:
        """Count what a unit of work took: for its group by its weight, in shares for the tenants."""
        self._groups.charge(group, seconds / weight)
        for job in jobs:
            self._tenants.charge(job.order.tenant, seconds / len(jobs))

    def _level(self, job: Ordered) -> tuple[int, int]:
        waited = max(self._clock() - job.order.wanted_at, 0.0)
        return job.order.priority - int(waited / WAIT_LIFTS_S), int(self._tenants.ahead(job.order.tenant) / TENANT_S)
