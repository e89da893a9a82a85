"""Places: how many requests run at once, who waits, and that no place is ever lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.interfaces.openai_server.api_errors import ApiError
from a2r.interfaces.openai_server.request_queue import MAX_RETRY_AFTER, ConcurrencyLimiter


@dataclass(eq=False)
class Visitor:
    """A request that stays on its place until it is told to go."""

    places: ConcurrencyLimiter
    told: list[Visitor]
    inside: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._visit())

    async def _visit(self) -> None:
        async with self.places.acquire():
            self.inside = True
            self.told.append(self)
            try:
                await self.go.wait()
            finally:
                self.inside = False


@dataclass
class House:
    """Places with their visitors; `entered` is who got a place, in order."""

    places: ConcurrencyLimiter
    visitors: list[Visitor] = field(default_factory=list)
    entered: list[Visitor] = field(default_factory=list)

    def comes(self) -> Visitor:
        self.visitors.append(Visitor(self.places, self.entered))
        return self.visitors[-1]

    def inside(self) -> list[Visitor]:
        return [visitor for visitor in self.visitors if visitor.inside]

    async def all_gone(self) -> None:
        for visitor in self.visitors:
            visitor.go.set()
        await asyncio.gather(*(v.task for v in self.visitors), return_exceptions=True)


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def house(most: int, queue: int) -> House:
    return House(ConcurrencyLimiter(capacity=most, queue=queue))


async def test_first_come_first_served() -> None:
    own = house(2, 3)
    first, second, third, fourth, fifth = (own.comes() for _ in range(5))
    await settled()
    assert own.inside() == [first, second]
    assert (own.places.running, own.places.waiting) == (2, 3)
    for leaving, entering in ((second, third), (first, fourth), (third, fifth)):
        leaving.go.set()
        await settled()
        assert own.entered[-1] is entering
        assert own.places.running == 2
    await own.all_gone()
    assert (own.places.running, own.places.waiting) == (0, 0)


@pytest.mark.parametrize("queue", [0, 2])
async def test_beyond_the_queue_it_is_too_busy(queue: int) -> None:
    own = house(1, queue)
    for _ in range(1 + queue):
        own.comes()
    refused = own.comes()
    await settled()
    with pytest.raises(ApiError) as caught:
        await refused.task
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
    assert 1 <= int(caught.value.headers["Retry-After"]) <= MAX_RETRY_AFTER
    assert (own.places.running, own.places.waiting) == (1, queue)
    await own.all_gone()
    assert own.places.running == 0


async def test_who_hangs_up_leaves_the_queue() -> None:
    own = house(1, 2)
    first, second, third = (own.comes() for _ in range(3))
    await settled()
    second.task.cancel()
    await settled()
    assert second.task.cancelled()
    assert own.places.waiting == 1
    first.go.set()
    await settled()
    assert own.inside() == [third]
    await own.all_gone()
    assert (own.places.running, own.places.waiting) == (0, 0)


async def test_a_place_given_at_the_moment_of_giving_up_goes_on() -> None:
    own = house(1, 2)
    first, second, third = (own.comes() for _ in range(3))
    await settled()
    first.go.set()
    await asyncio.sleep(0)
    assert own.places.waiting == 1
    assert not second.inside, "it has its turn, and does not know yet"
    second.task.cancel()
    await settled()
    assert second.task.cancelled()
    assert own.inside() == [third]
    await own.all_gone()
    assert (own.places.running, own.places.waiting) == (0, 0)


async def test_giving_up_at_the_moment_before_a_place_is_given() -> None:
    own = house(1, 2)
    first, second, third = (own.comes() for _ in range(3))
    await settled()
    first.go.set()
    second.task.cancel()
    await settled()
    assert second.task.cancelled(), "it was passed over, and ends as what it is: cancelled"
    assert own.inside() == [third]
    await own.all_gone()
    assert (own.places.running, own.places.waiting) == (0, 0)


async def test_passed_over_and_cancelled_in_the_same_moment() -> None:
    own = house(1, 2)
    first, second = own.comes(), own.comes()
    await settled()
    first.task.cancel()
    second.task.cancel()
    await settled()
    assert first.task.cancelled()
    assert second.task.cancelled()
    assert (own.places.running, own.places.waiting) == (0, 0)
    assert own.comes().task is not None
    await settled()
    assert own.places.running == 1
    await own.all_gone()


async def test_a_request_that_fails_frees_its_place() -> None:
    places = ConcurrencyLimiter(capacity=1, queue=0)
    with pytest.raises(RuntimeError, match="it failed"):
        async with places.acquire():
            raise RuntimeError("it failed")
    async with places.acquire():
        assert places.running == 1
    assert places.running == 0


def test_the_wait_that_is_told_grows_with_the_queue_and_has_bounds() -> None:
    assert 1 <= ConcurrencyLimiter(capacity=1000, queue=0).retry_after() <= MAX_RETRY_AFTER
    assert ConcurrencyLimiter(capacity=1, queue=0, _seconds=1e9).retry_after() == MAX_RETRY_AFTER
    assert ConcurrencyLimiter(capacity=1, queue=0, _seconds=0.0).retry_after() == 1


Deed = tuple[str, int]
# What is done in one moment, before anything runs; and what moment follows what.
MOMENT = st.lists(
    st.tuples(st.sampled_from(["comes", "goes", "gives up", "tick"]), st.integers(0, 5)),
    min_size=1,
    max_size=5,
)
MOMENTS = st.lists(MOMENT, max_size=12)


@settings(deadline=None, max_examples=300)
@given(most=st.integers(1, 3), queue=st.integers(0, 4), moments=MOMENTS)
def test_no_order_of_deeds_loses_or_makes_up_a_place(
    most: int, queue: int, moments: list[list[Deed]]
) -> None:
    asyncio.run(lived_through(most, queue, moments))


async def lived_through(most: int, queue: int, moments: list[list[Deed]]) -> None:
    own = house(most, queue)
    for _ in range(most + queue):
        own.comes()
    turns: dict[Visitor, int] = {}
    for now, moment in enumerate([*moments, []]):
        await settled()
        check(own)
        for visitor in own.entered:
            turns.setdefault(visitor, now)
        for deed, number in moment:
            await do(own, deed, number)
            assert len(own.inside()) <= own.places.running <= most
            assert own.places.waiting <= queue
    await own.all_gone()
    assert (own.places.running, own.places.waiting) == (0, 0)
    order = [turn for visitor in own.visitors if (turn := turns.get(visitor)) is not None]
    assert order == sorted(order), "first come, first served"
    for visitor in own.visitors:
        failed = None if visitor.task.cancelled() else visitor.task.exception()
        assert failed is None or (isinstance(failed, ApiError) and failed.status == 429)


async def do(own: House, deed: str, number: int) -> None:
    here = [visitor for visitor in own.visitors if not visitor.task.done()]
    match deed:
        case "comes":
            own.comes()
        case "goes" if here:
            here[number % len(here)].go.set()
        case "gives up" if here:
            here[number % len(here)].task.cancel()
        case "tick":
            await asyncio.sleep(0)


def check(own: House) -> None:
    """Once everything has run that can: no place is free while somebody waits."""
    assert own.places.running == len(own.inside())
    assert own.places.waiting == 0 or own.places.running == own.places.capacity
