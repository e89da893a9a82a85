"""Iterating an async generator from synchronous code: order, errors, closing, threads."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator

import pytest

from a2r._internal.sync_bridge import iterate_sync

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "a2r"]


async def three() -> AsyncGenerator[int, None]:
    for number in range(3):
        await asyncio.sleep(0)
        yield number


def test_items_are_in_order_and_the_thread_ends() -> None:
    assert list(iterate_sync(three)) == [0, 1, 2]
    assert threads() == []


async def test_iteration_under_a_running_loop() -> None:
    assert list(iterate_sync(three)) == [0, 1, 2]


def test_an_error_is_raised_after_the_earlier_items() -> None:
    async def fails() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("no")

    stream = iterate_sync(fails)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="no"):
        next(stream)
    assert threads() == []


def test_an_error_while_creating_the_generator_is_raised() -> None:
    def broken() -> AsyncGenerator[int, None]:
        raise ValueError("no generator")

    with pytest.raises(ValueError, match="no generator"):
        list(iterate_sync(broken))
    assert threads() == []


def test_closing_cancels_the_generator_and_waits_for_its_cleanup() -> None:
    ends: list[str] = []

    async def endless() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            ends.append("cleaned up")

    stream = iterate_sync(endless)
    assert next(stream) == 1
    stream.close()
    assert ends == ["cancelled", "cleaned up"]
    assert threads() == []


def test_closing_before_the_first_item_starts_nothing() -> None:
    iterate_sync(three).close()
    assert threads() == []


def test_closing_after_the_generator_has_ended() -> None:
    async def named() -> AsyncGenerator[threading.Thread, None]:
        yield threading.current_thread()
        yield threading.current_thread()

    stream = iterate_sync(named)
    next(stream).join()
    stream.close()


def test_the_generator_runs_between_two_items() -> None:
    has_continued = threading.Event()

    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        has_continued.set()
        yield 2

    stream = iterate_sync(numbers)
    assert next(stream) == 1
    assert has_continued.wait(timeout=10)
    assert list(stream) == [2]


def test_the_generator_has_the_context_of_its_reader() -> None:
    async def named() -> AsyncGenerator[str, None]:
        yield NAME.get()

    token = NAME.set("reader")
    try:
        assert list(iterate_sync(named)) == ["reader"]
    finally:
        NAME.reset(token)
