"""`batch` takes any iterator of questions, and yields results as they come in flat memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from a2r import A2R, Result
from a2r.errors import QuestionError
from tests.fault_server import Behavior, FaultServer
from tests.support.endpoint_samples import config_over

pytestmark = pytest.mark.integration

ANSWER = Behavior(text="So it is \\boxed{5}", tokens=2)


def questions(read: list[int], count: int = 1000) -> Iterator[str]:
    for number in range(count):
        read.append(number)
        yield f"number {number}?"


async def stream(read: list[int], count: int = 1000) -> AsyncIterator[str]:
    for question in questions(read, count):
        yield question


@pytest.mark.parametrize("source", [questions, stream])
async def test_results_come_while_questions_are_read(source: object) -> None:
    assert callable(source)
    read: list[int] = []
    with FaultServer(ANSWER) as server:
        solver = A2R(config_over(server, samples=1))
        results = solver.abatch_as_completed(source(read), max_in_flight=3)
        async with aclosing(results) as completed:
            found = [await anext(completed) for _ in range(10)]
        # Only what runs is read ahead.
        assert len(read) <= 10 + 3 + 1
        assert server.request_log.arrived <= len(read)
    assert all(isinstance(result, Result) and result.answer == "5" for _, result in found)
    assert len({number for number, _ in found}) == 10


@pytest.mark.parametrize("source", [questions, stream])
async def test_abatch_returns_results_in_order(source: object) -> None:
    assert callable(source)
    with FaultServer(ANSWER) as server:
        results = await A2R(config_over(server, samples=1)).abatch(source([], 20))
    assert [result.question for result in results if isinstance(result, Result)] == [
        f"number {number}?" for number in range(20)
    ]


def test_batch_takes_an_asynchronous_iterator() -> None:
    with FaultServer(ANSWER) as server:
        results = A2R(config_over(server, samples=1)).batch(stream([], 3))
    assert [getattr(result, "answer", None) for result in results] == ["5"] * 3


async def test_errors_take_the_places_of_results_or_end_the_batch() -> None:
    with FaultServer(ANSWER) as server:
        solver = A2R(config_over(server, samples=1))
        results = await solver.abatch(["a?", "", "b?"], return_exceptions=True)
        assert [type(result) for result in results] == [Result, QuestionError, Result]
        with pytest.raises(QuestionError, match="empty"):
            await solver.abatch(iter(["a?", "", "b?"]))
        found = [
            (number, type(result))
            async for number, result in solver.abatch_as_completed(
                ["", "a?"], return_exceptions=True
            )
        ]
    assert sorted(found, key=lambda item: item[0]) == [(0, QuestionError), (1, Result)]
