"""Requests that come and go at random: none is lost, none ends twice, none gets another's result."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from orfeas.gpu.jobs import Unit  # noqa: E402
from orfeas.gpu.surfaces import Surfaces  # noqa: E402
from orfeas.stages.device import Ended, Event, Progress  # noqa: E402
from orfeas.stages.task import Done  # noqa: E402
from tests.gpu.harness import Client, Request, assert_same_mesh, solo_latents, solo_mesh  # noqa: E402


@dataclass(frozen=True)
class Arrival:
    """A request, the unit of work before which it comes, and the one before which it is cancelled."""

    request: Request
    decodes: bool
    at: int
    cancelled_at: int | None
    tenant: str
    priority: int


REQUESTS = st.builds(
    Request,
    variant=st.sampled_from(["base", "turbo"]),
    steps=st.integers(1, 6),
    guidance=st.sampled_from([None, 1.0, 5.0]),
    seed=st.integers(0, 2),
    octree=st.just(8),
    deterministic=st.booleans(),
)
ARRIVALS = st.builds(
    Arrival,
    request=REQUESTS,
    decodes=st.booleans(),
    at=st.integers(0, 20),
    cancelled_at=st.none() | st.integers(1, 30),
    tenant=st.sampled_from(["a", "b"]),
    priority=st.integers(3, 6),
)
SHORTAGES = st.sets(st.integers(0, 25), max_size=2)
"""Three in a row would be a failure."""


def play(client: Client, arrivals: list[Arrival]) -> dict[int, Arrival]:
    """Send and cancel at the arranged times, then work until all is done."""
    sent: dict[int, Arrival] = {}
    for moment in range(31):
        for arrival in [each for each in arrivals if each.at == moment]:
            members = {"tenant": arrival.tenant, "priority": arrival.priority}
            source = client.latents(solo_latents(arrival.request)) if arrival.decodes else None
            send = client.decode if source else client.sample
            sent[send(arrival.request, source, **members)] = arrival  # type: ignore[operator]
        for stage, arrival in sent.items():
            if arrival.cancelled_at == moment:
                client.device.cancel(stage)
        if not client.device.idle:
            client.step()
    client.finish()
    return sent


def assert_monotonic(events: list[Event]) -> None:
    for stage in {event.stage_id for event in events}:
        own = [event for event in events if event.stage_id == stage]
        assert [type(event) for event in own].count(Ended) == 1
        assert isinstance(own[-1], Ended)
        fractions = [event.fraction for event in own if isinstance(event, Progress)]
        assert fractions == sorted(fractions)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.lists(ARRIVALS, min_size=1, max_size=8), shortages=SHORTAGES)
def test_whatever_comes_and_goes_each_gets_its_own_result(
    surfaces: Surfaces, arrivals: list[Arrival], shortages: set[int]
) -> None:
    seen = Counter[str]()

    def before(unit: Unit) -> None:
        seen["all"] += 1
        if seen["all"] in shortages:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with tempfile.TemporaryDirectory() as folder:
        client = Client.on(Path(folder), surfaces, before=before, batch_max=4, memory_bytes=8_000_000)
        sent = play(client, arrivals)
        assert client.ended.keys() == sent.keys()
        assert_monotonic(client.events)
        for stage, arrival in sent.items():
            check(client, stage, arrival)
        report = client.device.report()
        assert report.memory_used == sum(use.size_bytes for use in report.models) <= report.memory_budget
        client.device.close()


def check(client: Client, stage: int, arrival: Arrival) -> None:
    ended, request = client.ended[stage], arrival.request
    if ended == "cancelled":
        assert arrival.cancelled_at is not None
        return
    assert isinstance(ended, Done), ended
    alone = solo_latents(request)
    if arrival.decodes:
        assert_same_mesh(client.value(stage), solo_mesh(request, alone), request.octree)
    else:
        found = torch.from_numpy(np.array(client.value(stage).latents))[None]
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=0)
