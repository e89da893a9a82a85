"""The concurrency limit and its queue: order and bounds; no slot is ever lost."""

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
    """A request that holds its slot until `leave` is set."""

    limiter: ConcurrencyLimiter
    entered: list[Visitor]
    inside: bool = False
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._visit())

    async def _visit(self) -> None:
        async with self.limiter.acquire():
            self.inside = True
            self.entered.append(self)
            try:
                await self.leave.wait()
            finally:
                self.inside = False


@dataclass
class Visits:
    """A limiter and its visitors; `entered` has them in the order in which they acquired a slot."""

    limiter: ConcurrencyLimiter
    visitors: list[Visitor] = field(default_factory=list)
    entered: list[Visitor] = field(default_factory=list)

    def add(self) -> Visitor:
        self.visitors.append(Visitor(self.limiter, self.entered))
        return self.visitors[-1]

    def inside(self) -> list[Visitor]:
        return [visitor for visitor in self.visitors if visitor.inside]

    async def finish_all(self) -> None:
        for visitor in self.visitors:
            visitor.leave.set()
        await asyncio.gather(*(v.task for v in self.visitors), return_exceptions=True)


async def settle() -> None:
    """Run all tasks until each of them waits."""
    for _ in range(20):
        await asyncio.sleep(0)


def make_visits(capacity: int, queue: int) -> Visits:
    return Visits(ConcurrencyLimiter(capacity=capacity, queue=queue))


async def test_first_come_first_served() -> None:
    visits = make_visits(2, 3)
    first, second, third, fourth, fifth = (visits.add() for _ in range(5))
    await settle()
    assert visits.inside() == [first, second]
    assert (visits.limiter.running, visits.limiter.waiting) == (2, 3)
    for leaving, entering in ((second, third), (first, fourth), (third, fifth)):
        leaving.leave.set()
        await settle()
        assert visits.entered[-1] is entering
        assert visits.limiter.running == 2
    await visits.finish_all()
    assert (visits.limiter.running, visits.limiter.waiting) == (0, 0)


@pytest.mark.parametrize("queue", [0, 2])
async def test_a_full_queue_is_a_busy_error(queue: int) -> None:
    visits = make_visits(1, queue)
    for _ in range(1 + queue):
        visits.add()
    refused = visits.add()
    await settle()
    with pytest.raises(ApiError) as caught:
        await refused.task
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
    assert 1 <= int(caught.value.headers["Retry-After"]) <= MAX_RETRY_AFTER
    assert (visits.limiter.running, visits.limiter.waiting) == (1, queue)
    await visits.finish_all()
    assert visits.limiter.running == 0


async def test_a_disconnect_leaves_the_queue() -> None:
    visits = make_visits(1, 2)
    first, second, third = (visits.add() for _ in range(3))
    await settle()
    second.task.cancel()
    await settle()
    assert second.task.cancelled()
    assert visits.limiter.waiting == 1
    first.leave.set()
    await settle()
    assert visits.inside() == [third]
    await visits.finish_all()
    assert (visits.limiter.running, visits.limiter.waiting) == (0, 0)


async def test_a_slot_assigned_during_a_cancellation_is_passed_on() -> None:
    visits = make_visits(1, 2)
    first, second, third = (visits.add() for _ in range(3))
    await settle()
    first.leave.set()
    await asyncio.sleep(0)
    assert visits.limiter.waiting == 1
    assert not second.inside, "its slot is assigned, but it has not run yet"
    second.task.cancel()
    await settle()
    assert second.task.cancelled()
    assert visits.inside() == [third]
    await visits.finish_all()
    assert (visits.limiter.running, visits.limiter.waiting) == (0, 0)


async def test_a_cancellation_just_before_a_slot_is_assigned() -> None:
    visits = make_visits(1, 2)
    first, second, third = (visits.add() for _ in range(3))
    await settle()
    first.leave.set()
    second.task.cancel()
    await settle()
    assert second.task.cancelled(), "the cancelled request did not end as cancelled"
    assert visits.inside() == [third]
    await visits.finish_all()
    assert (visits.limiter.running, visits.limiter.waiting) == (0, 0)


async def test_skipped_and_cancelled_at_the_same_time() -> None:
    visits = make_visits(1, 2)
    first, second = visits.add(), visits.add()
    await settle()
    first.task.cancel()
    second.task.cancel()
    await settle()
    assert first.task.cancelled()
    assert second.task.cancelled()
    assert (visits.limiter.running, visits.limiter.waiting) == (0, 0)
    assert visits.add().task is not None
    await settle()
    assert visits.limiter.running == 1
    await visits.finish_all()


async def test_a_failed_request_frees_its_slot() -> None:
    limiter = ConcurrencyLimiter(capacity=1, queue=0)
    with pytest.raises(RuntimeError, match="it failed"):
        async with limiter.acquire():
            raise RuntimeError("it failed")
    async with limiter.acquire():
        assert limiter.running == 1
    assert limiter.running == 0


def test_retry_after_grows_with_the_queue_within_bounds() -> None:
    assert 1 <= ConcurrencyLimiter(capacity=1000, queue=0).retry_after() <= MAX_RETRY_AFTER
    assert (
        ConcurrencyLimiter(capacity=1, queue=0, _average_seconds=1e9).retry_after()
        == MAX_RETRY_AFTER
    )
    assert ConcurrencyLimiter(capacity=1, queue=0, _average_seconds=0.0).retry_after() == 1


Action = tuple[str, int]
# The actions of one moment happen before any task runs; moments follow each other.
MOMENT = st.lists(
    st.tuples(st.sampled_from(["comes", "goes", "gives up", "tick"]), st.integers(0, 5)),
    min_size=1,
    max_size=5,
)
MOMENTS = st.lists(MOMENT, max_size=12)


@settings(deadline=None, max_examples=300)
@given(capacity=st.integers(1, 3), queue=st.integers(0, 4), moments=MOMENTS)
def test_no_order_of_actions_loses_or_duplicates_a_slot(
    capacity: int, queue: int, moments: list[list[Action]]
) -> None:
    asyncio.run(run_visits(capacity, queue, moments))


async def run_visits(capacity: int, queue: int, moments: list[list[Action]]) -> None:
    visits = make_visits(capacity, queue)
    for _ in range(capacity + queue):
        visits.add()
    turns: dict[Visitor, int] = {}
    for now, moment in enumerate([*moments, []]):
        await settle()
        check(visits)
        for visitor in visits.entered:
            turns.setdefault(visitor, now)
        for action, number in moment:
            await do(visits, action, number)
            assert len(visits.inside()) <= visits.limiter.running <= capacity
            assert visits.limiter.waiting <= queue
    await visits.finish_all()
    assert (visits.limiter.running, visits.limiter.waiting) == (0, 0)
    order = [turn for visitor in visits.visitors if (turn := turns.get(visitor)) is not None]
    assert order == sorted(order), "slots are not assigned in order of arrival"
    for visitor in visits.visitors:
        failed = None if visitor.task.cancelled() else visitor.task.exception()
        assert failed is None or (isinstance(failed, ApiError) and failed.status == 429)


async def do(visits: Visits, action: str, number: int) -> None:
    here = [visitor for visitor in visits.visitors if not visitor.task.done()]
    match action:
        case "comes":
            visits.add()
        case "goes" if here:
            here[number % len(here)].leave.set()
        case "gives up" if here:
            here[number % len(here)].task.cancel()
        case "tick":
            await asyncio.sleep(0)


def check(visits: Visits) -> None:
    """After `settle`, no slot is free while a visitor waits."""
    assert visits.limiter.running == len(visits.inside())
    assert visits.limiter.waiting == 0 or visits.limiter.running == visits.limiter.capacity
