"""Work on the items of a stream, with a limited number of tasks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from a2r._internal.task_isolation import cancel_and_wait

T = TypeVar("T")
R = TypeVar("R")


class BoundedTasks(Generic[T, R]):
    """Runs `work` on each item, at most `limit` at once; results come in order of completion.

    A result that is not taken yet counts as running, so that a slow reader slows the source down.
    """

    def __init__(self, work: Callable[[T], Coroutine[Any, Any, R]], limit: int) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(limit)
        self._done: asyncio.Queue[asyncio.Task[R] | None] = asyncio.Queue()
        self._running: set[asyncio.Task[R]] = set()
        self._feeder: asyncio.Task[None] | None = None
        self._active = 0
        self._is_fed = False

    async def results(self, items: AsyncIterable[T]) -> AsyncGenerator[R, None]:
        """Yield the results; closing this generator cancels all tasks and waits for them.

        An error of the work is raised at once. An error of the source is raised after the results
        of the items before it.
        """
        self._feeder = feeder = asyncio.create_task(self._feed(items))
        feeder.add_done_callback(self._on_fed)
        try:
            while True:
                task = await self._done.get()
                if task is None:
                    break
                self._running.discard(task)
                yield task.result()
                self._slots.release()
            if not feeder.cancelled():
                feeder.result()
        finally:
            await cancel_and_wait([feeder, *self._running])

    def stop(self) -> None:
        """Take no more items; those that run are finished."""
        if self._feeder is not None:
            self._feeder.cancel()

    async def _feed(self, items: AsyncIterable[T]) -> None:
        async with aclosing(_iterate(items)) as source:
            while True:
                await self._slots.acquire()
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    return
                task = asyncio.create_task(self._work(item))
                self._running.add(task)
                self._active += 1
                task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[R]) -> None:
        self._done.put_nowait(task)
        self._active -= 1
        self._end_if_done()

    def _on_fed(self, _: object) -> None:
        self._is_fed = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._is_fed and not self._active:
            self._done.put_nowait(None)


async def _iterate(items: AsyncIterable[T]) -> AsyncGenerator[T, None]:
    async for item in items:
        yield item
