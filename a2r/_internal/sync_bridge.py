"""Running async code from synchronous code, with or without a running event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _StreamEnd:
    """The end of the stream; `error` is the exception that ended it, if any."""

    error: BaseException | None


def iterate_sync(start: Callable[[], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
    """Yield the items of the async generator that `start` creates.

    It runs in a separate thread with its own event loop, also between two items. Closing this
    generator, or an interrupt of the caller, cancels it and waits for its cleanup.
    """
    items: SimpleQueue[T | _StreamEnd] = SimpleQueue()
    cancel: Future[Callable[[], Any]] = Future()

    async def pump() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel.set_result(partial(loop.call_soon_threadsafe, task.cancel))
        async with aclosing(start()) as stream:
            async for item in stream:
                items.put(item)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(_run_pump, pump, items, cancel), name="a2r"
    )
    thread.start()
    try:
        while not isinstance(item := items.get(), _StreamEnd):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        # The event loop of a generator that has ended is closed, and raises RuntimeError.
        with suppress(RuntimeError):
            cancel.result()()
        thread.join()


def _run_pump(
    pump: Callable[[], Any], items: SimpleQueue[Any], cancel: Future[Callable[[], Any]]
) -> None:
    error: BaseException | None = None
    try:
        asyncio.run(pump())
    except BaseException as raised:  # noqa: BLE001 - raised in the caller's thread
        error = raised
    if not cancel.done():
        cancel.set_result(lambda: None)
    items.put(_StreamEnd(error=error))


def run_sync(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine that `start` creates and return its result.

    If an event loop is running (a notebook, a sync tool called from async code), it runs in a
    thread with its own event loop; an interrupt of the caller cancels it and waits for its
    cleanup.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(start())
    return _run_in_thread(start)


def _run_in_thread(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    outcome: Future[T] = Future()
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def run() -> T:
        running.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await start()

    def work() -> None:
        try:
            outcome.set_result(asyncio.run(run()))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            outcome.set_exception(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="a2r")
    thread.start()
    try:
        return outcome.result()
    except KeyboardInterrupt:
        loop, task = running.result()
        if task is not None and thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
