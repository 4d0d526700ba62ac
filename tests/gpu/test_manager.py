"""The budget of a device with models of made-up sizes: never exceeded, the least recently used goes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from orfeas.errors import GPUMemoryError, ModelInUseError  # noqa: E402
from orfeas.gpu.manager import GPUManager, Lease, ModelKey, PartKey  # noqa: E402
from tests.gpu.harness import Clock  # noqa: E402

BUDGET = 100


@dataclass
class Sized:
    """A model that only has a size; what is on the device is in `there`."""

    key: ModelKey
    sizes: dict[str, int]
    there: set[PartKey]
    history: list[tuple[str, PartKey]] = field(default_factory=list)

    def part_bytes(self, part: str) -> int:
        return self.sizes[part]

    def load(self, part: str) -> Callable[[], None]:
        key = PartKey(self.key, part)
        self.there.add(key)
        self.history.append(("load", key))

        def let_go() -> None:
            self.there.remove(key)
            self.history.append(("drop", key))

        return let_go


class Shelf:
    """A manager of such models; the name of a model is the size of each of its parts."""

    def __init__(self) -> None:
        self.there: set[PartKey] = set()
        self.history: list[tuple[str, PartKey]] = []
        self.clock = Clock()
        self.manager = GPUManager(self._make, BUDGET, clock=self.clock)

    def _make(self, key: ModelKey) -> Sized:
        size = int(key.place.split("-")[0])
        return Sized(key, dict.fromkeys(("encoder", "denoiser", "vae"), size), self.there, self.history)

    def acquire(self, *names: str, working: int = 0) -> Lease | None:
        """`50-a.vae` is a part of 50 bytes; parts are loaded at once."""
        self.clock.now += 1
        lease = self.manager.acquire(tuple(part(name) for name in names), working)
        if lease is not None:
            for missing in lease.missing:
                self.manager.load(missing)
        return lease

    def use(self, *names: str) -> None:
        lease = self.acquire(*names)
        assert lease is not None
        lease.give_back()

    @property
    def dropped(self) -> list[str]:
        return [f"{key.model.place}.{key.part}" for what, key in self.history if what == "drop"]

    @property
    def loaded_bytes(self) -> int:
        return sum(int(key.model.place.split("-")[0]) for key in self.there)


def part(name: str) -> PartKey:
    place, _, of = name.partition(".")
    return PartKey(ModelKey(place, "float32"), of or "denoiser")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_the_least_recently_used_makes_room(shelf: Shelf) -> None:
    for name in ("30-a", "30-b", "30-c"):
        shelf.use(name)
    shelf.use("30-a")
    shelf.use("40-d")
    assert shelf.dropped == ["30-b.denoiser"]
    shelf.use("60-e")
    assert shelf.dropped == ["30-b.denoiser", "30-c.denoiser", "30-a.denoiser"]
    assert shelf.manager.tally.evictions == 3
    assert shelf.manager.tally.loads == 5


def test_no_more_is_dropped_than_makes_room(shelf: Shelf) -> None:
    shelf.use("50-a")
    shelf.use("30-b")
    shelf.use("20-c")
    assert shelf.dropped == []
    shelf.use("10-d")
    assert shelf.dropped == ["50-a.denoiser"]


def test_a_model_in_use_stays_and_others_wait(shelf: Shelf) -> None:
    held = shelf.acquire("60-a")
    assert held is not None
    assert shelf.acquire("50-b") is None
    assert shelf.dropped == []
    held.give_back()
    assert shelf.acquire("50-b") is not None
    assert shelf.dropped == ["60-a.denoiser"]


def test_nothing_is_dropped_for_one_that_has_to_wait_all_the_same(shelf: Shelf) -> None:
    shelf.use("20-idle")
    held = shelf.acquire("60-a")
    assert held is not None
    assert shelf.acquire("50-b") is None
    assert shelf.dropped == []


def test_working_memory_counts_and_comes_back(shelf: Shelf) -> None:
    first = shelf.acquire("40-a", working=50)
    assert first is not None
    assert shelf.manager.used == 90
    assert shelf.acquire("40-a", working=20) is None
    first.give_back()
    first.give_back()
    assert shelf.manager.used == 40
    assert shelf.acquire("40-a", working=60) is not None


def test_weights_are_shared_and_counted_once(shelf: Shelf) -> None:
    leases = [shelf.acquire("40-a", working=10) for _ in range(3)]
    assert all(leases)
    assert shelf.manager.used == 70
    assert len(shelf.there) == 1


def test_what_can_never_fit_is_refused(shelf: Shelf) -> None:
    with pytest.raises(GPUMemoryError) as refused:
        shelf.acquire("60-a.vae", working=50)
    assert refused.value.members == {"needed_bytes": 110, "budget_bytes": 100}
    assert shelf.manager.used == 0


def test_what_was_promised_but_not_loaded_is_free_again(shelf: Shelf) -> None:
    lease = shelf.manager.acquire((part("60-a"),), 10)
    assert lease is not None
    assert lease.missing == [part("60-a")]
    assert shelf.manager.used == 70
    lease.give_back()
    assert shelf.manager.used == 0


def test_a_model_is_unloaded_unless_it_is_at_work(shelf: Shelf) -> None:
    shelf.use("10-a.encoder", "10-a.denoiser")
    shelf.use("20-b")
    held = shelf.acquire("10-a.denoiser")
    assert held is not None
    with pytest.raises(ModelInUseError):
        shelf.manager.unload("10-a")
    held.give_back()
    assert shelf.manager.unload("10-a") == 20
    assert shelf.there == {part("20-b")}


def test_encoders_that_are_put_off_stay_only_while_they_work(shelf: Shelf) -> None:
    shelf.use("10-a.encoder", "10-a.vae")
    assert shelf.manager.offload("encoder") == 10
    assert shelf.there == {part("10-a.vae")}
    held = shelf.acquire("10-a.encoder")
    assert held is not None
    assert part("10-a.encoder") in shelf.there
    held.give_back()
    assert shelf.there == {part("10-a.vae")}


def test_weights_are_let_go_by_the_time_of_their_last_use(shelf: Shelf) -> None:
    shelf.use("10-a")
    before = shelf.clock.now
    shelf.use("10-b")
    assert shelf.manager.idle_since(before)
    assert shelf.manager.let_go(before=before) == 10
    assert not shelf.manager.idle_since(before)
    assert shelf.there == {part("10-b")}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["5-a", "20-b", "35-c", "50-d", "70-e"]), st.integers(0, 60), st.integers(0, 4)),
        max_size=30,
    )
)
def test_the_budget_is_never_exceeded_and_nothing_in_use_is_dropped(asked: list[tuple[str, int, int]]) -> None:
    shelf, held = Shelf(), list[Lease]()
    for name, working, keep in asked:
        if len(held) > keep:
            held.pop(0).give_back()
        try:
            lease = shelf.acquire(name, working=working)
        except GPUMemoryError:
            lease = None
        held += [lease] if lease else []
        assert shelf.manager.used <= BUDGET
        assert shelf.manager.used == shelf.loaded_bytes + sum(each.working for each in held)
        assert {key for each in held for key in each.parts} <= shelf.there
    for lease in held:
        lease.give_back()
    assert shelf.manager.used == shelf.loaded_bytes
    assert shelf.manager.let_go() == shelf.loaded_bytes or not shelf.there
    assert shelf.there == set()
