"""Work in tasks of its own, so that it is cancelled once and comes to the end of its cancelling.

A scope of anyio's (in Starlette, FastAPI, MCP servers) cancels what runs in it again and again,
at every await, also while it cleans up. What LangGraph has started would then be left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

# A reader that is slow is waited for; what it has not read yet is kept this far.
BUFFERED = 256
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """A stream has ended, with an error or without one."""

    error: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class _Told(Generic[T]):
    """Something that a stream gave."""

    stream: int
    value: T


async def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work; where this is cancelled, so is the work, and it is waited for."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    finally:
        await _end([task])
    return task.result()


async def merged(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """What several streams give, as it comes, each with the number of its stream.

    Closing this, or an error in one of them, ends them all.
    """
    queue: asyncio.Queue[_Told[T] | _Ended] = asyncio.Queue(BUFFERED)
    tasks = [asyncio.create_task(_follow(n, one, queue)) for n, one in enumerate(streams)]
    left = len(tasks)
    try:
        while left:
            told = await queue.get()
            if isinstance(told, _Told):
                yield told.stream, told.value
            elif told.error is not None:
                raise told.error
            else:
                left -= 1
    finally:
        await _end(tasks)


async def _follow(
    number: int, stream: AsyncGenerator[T, None], queue: asyncio.Queue[_Told[T] | _Ended]
) -> None:
    try:
        async with aclosing(stream) as values:
            async for value in values:
                await queue.put(_Told(stream=number, value=value))
    except Exception as error:  # noqa: BLE001 - raised again by whoever reads the queue
        await queue.put(_Ended(error=error))
    else:
        await queue.put(_Ended())


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
