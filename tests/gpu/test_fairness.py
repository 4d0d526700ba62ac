"""Whose turn it is: priority, then who had less, then age."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.fairness import Fairness
from orfeas.stages.device import Order
from tests.gpu.harness import NOW, Clock


@dataclass(frozen=True)
class Job:
    stage_id: int
    order: Order
    group: str = "g"


def job(number: int, *, group: str = "g", priority: int = 5, tenant: str = "t", age: float = 0.0) -> Job:
    return Job(number, Order(priority, tenant, NOW - age), group)


def shares(jobs: list[Job], rounds: int, limit: int = 99) -> Counter[int]:
    """How many units each job gets; every unit takes a second."""
    fairness, had = Fairness(Clock()), Counter[int]()
    for _ in range(rounds):
        fairness.present(jobs)
        groups: dict[str, list[Job]] = {}
        for each in jobs:
            groups.setdefault(each.group, []).append(each)
        group = fairness.choose(groups)
        batch = fairness.ranked(groups[group])[:limit]
        fairness.charge(group, batch, 1.0)
        had.update(each.stage_id for each in batch)
    return had


def test_the_lower_priority_goes_first_until_waiting_has_lifted_the_other() -> None:
    fairness = Fairness(Clock())
    jobs = [job(1, priority=5, age=30), job(2, priority=4), job(3, priority=6, age=150)]
    fairness.present(jobs)
    assert [each.stage_id for each in fairness.ranked(jobs)] == [3, 2, 1]


def test_the_older_goes_first_among_equals() -> None:
    fairness = Fairness(Clock())
    jobs = [job(1), job(2, age=9), job(3, age=9)]
    fairness.present(jobs)
    assert [each.stage_id for each in fairness.ranked(jobs)] == [2, 3, 1]


def test_groups_of_one_tenant_share_the_device_evenly() -> None:
    had = shares([job(1, group="a"), job(2, group="a"), job(3, group="b")], 20)
    assert (had[1], had[2], had[3]) == (10, 10, 10)


def test_groups_share_the_device_by_their_weights() -> None:
    fairness, first, second = Fairness(Clock()), job(1, group="a"), job(2, group="b")
    turns = Counter[str]()
    for _ in range(50):
        fairness.present([first, second])
        group = fairness.choose({"a": [first], "b": [second]})
        fairness.charge(group, [first if group == "a" else second], 0.01, weight=4.0 if group == "a" else 1.0)
        turns[group] += 1
    assert turns == {"a": 40, "b": 10}


def test_a_tenant_that_had_a_little_more_is_not_put_behind_for_it() -> None:
    fairness, jobs = Fairness(Clock()), [job(1, tenant="a", age=1), job(2, tenant="b")]
    fairness.present(jobs)
    fairness.charge("g", jobs[:1], 1.5)
    assert [each.stage_id for each in fairness.ranked(jobs)] == [1, 2]
    fairness.charge("g", jobs[:1], 1.0)
    assert [each.stage_id for each in fairness.ranked(jobs)] == [2, 1]


def test_tenants_share_places_in_a_small_batch_evenly() -> None:
    jobs = [job(number, tenant="busy") for number in range(1, 9)] + [job(9, tenant="quiet")]
    had = shares(jobs, 40, limit=2)
    assert had[9] == pytest.approx(40, abs=4)
    assert sum(had[number] for number in range(1, 9)) == pytest.approx(40, abs=4)


def test_one_that_comes_late_starts_level_instead_of_catching_up() -> None:
    fairness = Fairness(Clock())
    first, late = job(1, group="a"), job(2, group="b")
    for _ in range(50):
        fairness.present([first])
        assert fairness.choose({"a": [first]}) == "a"
        fairness.charge("a", [first], 1.0)
    turns = []
    for _ in range(10):
        fairness.present([first, late])
        group = fairness.choose({"a": [first], "b": [late]})
        fairness.charge(group, [first if group == "a" else late], 1.0)
        turns.append(group)
    assert Counter(turns) == {"a": 5, "b": 5}
