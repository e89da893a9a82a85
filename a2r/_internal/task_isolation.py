"""Work in tasks of its own, so that it is cancelled once and comes to the end of its cancelling.

A scope of anyio's (in Starlette, FastAPI, MCP servers) cancels what runs in it again and again,
at every await, also while it cleans up. What LangGraph has started would then be left behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

# A reader that is slow is waited for; what it has not read yet is kept this far.
MAX_BUFFERED = 256
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _StreamEnd:
    """A stream has ended, with an error or without one."""

    error: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class _StreamItem(Generic[T]):
    """Something that a stream gave."""

    stream: int
    value: T


class EventSink(Generic[T]):
    """Takes what is told, from any thread, and hands it to the event loop that made it."""

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def put(self, value: T) -> None:
        """Tell something."""
        if threading.get_ident() == self._thread:
            self._queue.put_nowait(value)
        else:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, value)


async def run_in_task(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work; where this is cancelled, so is the work, and it is waited for."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    finally:
        await cancel_and_wait([task])
    return task.result()


async def stream_from_task(
    begin: Callable[[EventSink[T]], Coroutine[Any, Any, Any]],
) -> AsyncGenerator[T, None]:
    """What the work that `begin` makes tells its sink, as it tells it; then its error, if any.

    Closing this cancels the work.
    """
    told: asyncio.Queue[T | _StreamEnd] = asyncio.Queue()
    sink: EventSink[T] = EventSink(told)
    task = asyncio.create_task(begin(sink))
    task.add_done_callback(lambda _: told.put_nowait(_StreamEnd()))
    try:
        while not isinstance(value := await told.get(), _StreamEnd):
            yield value
    finally:
        await cancel_and_wait([task])
    task.result()


async def merge_streams(
    streams: Sequence[AsyncGenerator[T, None]],
) -> AsyncGenerator[list[tuple[int, T]], None]:
    """What several streams give, each with the number of its stream: all that there is by now.

    Closing this, or an error in one of them, ends them all.
    """
    queue: asyncio.Queue[_StreamItem[T] | _StreamEnd] = asyncio.Queue(MAX_BUFFERED)
    tasks = [asyncio.create_task(_forward(n, one, queue)) for n, one in enumerate(streams)]
    left = len(tasks)
    try:
        while left:
            items = [await queue.get()]
            while not queue.empty():
                items.append(queue.get_nowait())
            told = [(item.stream, item.value) for item in items if isinstance(item, _StreamItem)]
            if told:
                yield told
            for ended in (item for item in items if isinstance(item, _StreamEnd)):
                if ended.error is not None:
                    raise ended.error
                left -= 1
    finally:
        await cancel_and_wait(tasks)


async def _forward(
    number: int, stream: AsyncGenerator[T, None], queue: asyncio.Queue[_StreamItem[T] | _StreamEnd]
) -> None:
    try:
        async with aclosing(stream) as values:
            async for value in values:
                await queue.put(_StreamItem(stream=number, value=value))
    except Exception as error:  # noqa: BLE001 - raised again by whoever reads the queue
        await queue.put(_StreamEnd(error=error))
    else:
        await queue.put(_StreamEnd())


async def cancel_and_wait(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel what still runs of some tasks, and wait until it has ended."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
