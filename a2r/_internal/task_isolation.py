"""Running work in separate tasks, so that it is cancelled once and can clean up.

A cancelled anyio scope (in Starlette, FastAPI, MCP servers) cancels its tasks again at every
await, also during cleanup. Without a separate task, the tasks of LangGraph would be left running.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

# Streams wait for a slow reader once this many items are buffered.
MAX_BUFFERED_ITEMS = 256
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _StreamEnd:
    """The end of a stream, with or without an error."""

    error: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class _StreamItem(Generic[T]):
    """An item of a stream; `stream` is the number of the stream."""

    stream: int
    value: T


class EventSink(Generic[T]):
    """Passes values from any thread to a queue of the event loop that created it."""

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def put(self, value: T) -> None:
        """Put a value into the queue."""
        if threading.get_ident() == self._thread:
            self._queue.put_nowait(value)
        else:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, value)


async def run_in_task(work: Coroutine[Any, Any, T]) -> T:
    """Run the work in its own task; if the caller is cancelled, cancel the work and wait for it."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    finally:
        await cancel_and_wait([task])
    return task.result()


async def stream_from_task(
    start: Callable[[EventSink[T]], Coroutine[Any, Any, Any]],
) -> AsyncGenerator[T, None]:
    """Yield the values that the coroutine of `start` puts into its sink; then raise its error.

    Closing this generator cancels the coroutine.
    """
    queue: asyncio.Queue[T | _StreamEnd] = asyncio.Queue()
    sink: EventSink[T] = EventSink(queue)
    task = asyncio.create_task(start(sink))
    task.add_done_callback(lambda _: queue.put_nowait(_StreamEnd()))
    try:
        while not isinstance(value := await queue.get(), _StreamEnd):
            yield value
    finally:
        await cancel_and_wait([task])
    task.result()


async def merge_streams(
    streams: Sequence[AsyncGenerator[T, None]],
) -> AsyncGenerator[list[tuple[int, T]], None]:
    """Yield batches of the items of several streams, each item with the number of its stream.

    A batch has all items that are available. Closing this generator, or an error in one stream,
    closes all streams.
    """
    queue: asyncio.Queue[_StreamItem[T] | _StreamEnd] = asyncio.Queue(MAX_BUFFERED_ITEMS)
    tasks = [
        asyncio.create_task(_forward(number, stream, queue))
        for number, stream in enumerate(streams)
    ]
    open_streams = len(tasks)
    try:
        while open_streams:
            items = [await queue.get()]
            while not queue.empty():
                items.append(queue.get_nowait())
            batch = [(item.stream, item.value) for item in items if isinstance(item, _StreamItem)]
            if batch:
                yield batch
            for end in (item for item in items if isinstance(item, _StreamEnd)):
                if end.error is not None:
                    raise end.error
                open_streams -= 1
    finally:
        await cancel_and_wait(tasks)


async def _forward(
    number: int, stream: AsyncGenerator[T, None], queue: asyncio.Queue[_StreamItem[T] | _StreamEnd]
) -> None:
    try:
        async with aclosing(stream) as values:
            async for value in values:
                await queue.put(_StreamItem(stream=number, value=value))
    except Exception as error:  # noqa: BLE001 - raised by the reader of the queue
        await queue.put(_StreamEnd(error=error))
    else:
        await queue.put(_StreamEnd())


async def cancel_and_wait(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel the tasks that are running, and wait until they have ended."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
