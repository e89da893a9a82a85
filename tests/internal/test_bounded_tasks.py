"""Work on a stream of items: order of completion, limits, errors and the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from a2r._internal.bounded_tasks import BoundedTasks
from a2r._internal.thread_stream import MAX_READ_AHEAD, stream_in_thread


async def numbers(count: int, error: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    if error is not None:
        raise error


class Work:
    """Work that ends when a test lets it, and the most that ran at once."""

    def __init__(self) -> None:
        self.running: dict[int, asyncio.Event] = {}
        self.peak = 0
        self.started = asyncio.Condition()

    async def __call__(self, number: int) -> int:
        self.running[number] = asyncio.Event()
        self.peak = max(self.peak, len(self.running))
        async with self.started:
            self.started.notify_all()
        try:
            await self.running[number].wait()
        finally:
            del self.running[number]
        if number < 0:
            raise ValueError(number)
        return number

    async def until(self, *expected: int) -> None:
        async with self.started:
            await self.started.wait_for(lambda: set(self.running) == set(expected))


async def test_results_come_in_order_of_completion_within_the_limit() -> None:
    work = Work()
    tasks = BoundedTasks(work, 2)
    async with aclosing(tasks.results(numbers(4))) as results:
        first = asyncio.ensure_future(anext(results))
        await work.until(0, 1)
        work.running[1].set()
        assert await first == 1
        # The place of a result is free once the next one is asked for.
        second = asyncio.ensure_future(anext(results))
        await work.until(0, 2)
        work.running[0].set()
        assert await second == 0
        third = asyncio.ensure_future(anext(results))
        await work.until(2, 3)
        work.running[2].set()
        assert await third == 2
        work.running[3].set()
        assert [number async for number in results] == [3]
    assert work.peak == 2


async def test_a_stop_finishes_what_runs() -> None:
    work = Work()
    tasks = BoundedTasks(work, 2)
    async with aclosing(tasks.results(numbers(100))) as results:
        first = asyncio.ensure_future(anext(results))
        await work.until(0, 1)
        tasks.stop()
        for event in work.running.values():
            event.set()
        assert sorted([await first, *[number async for number in results]]) == [0, 1]


async def test_closing_cancels_what_runs() -> None:
    work = Work()
    results = BoundedTasks(work, 2).results(numbers(100))
    first = asyncio.ensure_future(anext(results))
    await work.until(0, 1)
    work.running[0].set()
    await first
    await results.aclose()
    assert not work.running


async def test_an_error_of_the_source_comes_after_the_results() -> None:
    async def work(number: int) -> int:
        return number

    results = BoundedTasks(work, 2).results(numbers(3, OSError("broken")))
    assert [await anext(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="broken"):
        await anext(results)


async def test_an_error_of_the_work_is_raised() -> None:
    async def work(number: int) -> int:
        if number == 1:
            raise ValueError(number)
        await asyncio.Event().wait()
        return number

    with pytest.raises(ValueError, match="1"):
        async for _ in BoundedTasks(work, 4).results(numbers(100)):
            pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_ends_at_once() -> None:
    async def work(number: int) -> int:
        return number

    assert [number async for number in BoundedTasks(work, 4).results(numbers(0))] == []


async def test_a_thread_reads_ahead_only_so_far() -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in range(10 * MAX_READ_AHEAD):
            read.append(number)
            yield number

    async with aclosing(stream_in_thread(source)) as items:
        for expected in range(MAX_READ_AHEAD):
            assert await anext(items) == expected
        assert len(read) <= 2 * MAX_READ_AHEAD + 1
        rest = [item async for item in items]
    assert rest == list(range(MAX_READ_AHEAD, 10 * MAX_READ_AHEAD))


async def test_an_error_in_the_thread_is_raised() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("broken")

    items = stream_in_thread(source)
    assert await anext(items) == 1
    with pytest.raises(OSError, match="broken"):
        await anext(items)
