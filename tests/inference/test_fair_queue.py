"""The order of waiting calls: no question ends later than if all advanced in turn."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.inference.routing.fair_queue import FairQueue, Placement, Waiter

Arrival = tuple[int, str, int]
"""The number of calls served before, the question, and the number of its calls."""

ARRIVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=12)


def waiter(question: str | None, client: str | None = None, origin: str | None = None) -> Waiter:
    loop = asyncio.new_event_loop()
    loop.close()
    placement = Placement(affinity=question, tried_endpoints=(), client=client, origin=origin)
    return Waiter(placement, loop.create_future(), 0.0)


def served(arrivals: Sequence[Arrival]) -> list[str]:
    """The questions of the calls in the order in which one slot serves them."""
    queue, order, pending = FairQueue(), list[str](), deque(sorted(arrivals, key=lambda a: a[0]))
    while pending or len(queue):
        while pending and (pending[0][0] <= len(order) or not len(queue)):
            _, question, calls = pending.popleft()
            for _ in range(calls):
                queue.add(waiter(question))
        head = queue.head()
        assert head is not None
        queue.serve(head)
        order.append(head.placement.affinity or "")
    return order


def served_in_turn(arrivals: Sequence[Arrival]) -> list[str]:
    """The same, if the questions take turns."""
    waiting, order, pending = deque[str](), list[str](), deque(sorted(arrivals, key=lambda a: a[0]))
    left = Counter[str]()
    while pending or waiting:
        while pending and (pending[0][0] <= len(order) or not waiting):
            _, question, calls = pending.popleft()
            waiting.append(question)
            left[question] = calls
        question = waiting.popleft()
        order.append(question)
        left[question] -= 1
        if left[question]:
            waiting.append(question)
    return order


def ends(order: Sequence[str]) -> dict[str, int]:
    """When the last call of each question is served."""
    return {question: number for number, question in enumerate(order)}


def test_a_small_question_does_not_wait_for_a_large_one() -> None:
    order = served([(0, "large", 64), (10, "small", 4)])
    assert order[10:14] == ["small"] * 4


def test_questions_of_one_size_are_served_one_after_the_other() -> None:
    order = served([(0, name, 3) for name in ("first", "second", "third")])
    assert order == ["first"] * 3 + ["second"] * 3 + ["third"] * 3


def test_small_questions_that_keep_coming_do_not_starve_a_large_one() -> None:
    small = [(4 * number, f"small {number}", 4) for number in range(100)]
    arrivals = [(0, "large", 20), *small]
    assert ends(served(arrivals))["large"] <= ends(served_in_turn(arrivals))["large"] < 400


def test_the_questions_of_a_request_count_as_one() -> None:
    queue = FairQueue()
    for choice in range(4):
        for _ in range(8):
            queue.add(waiter(f"choice {choice}", origin="many"))
    for _ in range(8):
        queue.add(waiter("single", origin="one"))
    origins = [each.placement.origin for each in drained(queue)]
    assert origins == ["one"] * 8 + ["many"] * 32


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_no_question_ends_later_than_in_turn(sizes: list[int]) -> None:
    arrivals = [(0, str(number), size) for number, size in enumerate(sizes)]
    in_turn = ends(served_in_turn(arrivals))
    for question, end in ends(served(arrivals)).items():
        assert end <= in_turn[question]


@given(ARRIVALS)
def test_later_questions_delay_none_by_more_than_a_turn_of_each(
    moments: list[tuple[int, int]],
) -> None:
    arrivals = [(moment, str(number), size) for number, (moment, size) in enumerate(moments)]
    in_turn = ends(served_in_turn(arrivals))
    for question, end in ends(served(arrivals)).items():
        assert end <= in_turn[question] + len(arrivals)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "x", "y"])), max_size=30))
def test_every_call_is_served_once_in_the_order_of_its_question(
    calls: list[tuple[str, str | None]],
) -> None:
    queue, waiters = FairQueue(), [waiter(question, client) for question, client in calls]
    for each in waiters:
        queue.add(each)
    for each in waiters[::3]:
        queue.remove(each)
        queue.remove(each)
    left = [each for number, each in enumerate(waiters) if number % 3]
    assert len(queue) == len(left)
    assert set(queue) == set(left)
    order = list(drained(queue))
    assert sorted(map(id, order)) == sorted(map(id, left))
    assert len(queue) == 0
    for question, client in set(calls):
        mine = [
            w for w in order if (w.placement.affinity, w.placement.client) == (question, client)
        ]
        assert mine == sorted(mine, key=waiters.index)


def drained(queue: FairQueue) -> Iterator[Waiter]:
    while (head := queue.head()) is not None:
        queue.serve(head)
        yield head


@pytest.mark.parametrize("questions", [1, 5])
def test_clients_take_turns_whatever_the_number_of_their_questions(questions: int) -> None:
    queue = FairQueue()
    for number in range(20):
        queue.add(waiter(f"q{number % questions}", "many"))
    for _ in range(2):
        queue.add(waiter("single", "few"))
    order = [each.placement.client for each in drained(queue)]
    assert order[:4] == ["many", "few", "many", "few"]
