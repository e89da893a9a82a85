"""Reading an async generator from synchronous code, whether or not an event loop runs already."""

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
class _End:
    """No item follows; `error` is what ended the generator, if anything did."""

    error: BaseException | None


def iterate_sync(begin: Callable[[], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
    """The items of the generator that `begin` makes, as they come.

    It runs in an event loop of its own in a thread, also while nobody asks for the next item.
    Closing this, or an interrupt of the caller, cancels it and waits until it has cleaned up.
    """
    items: SimpleQueue[T | _End] = SimpleQueue()
    cancel: Future[Callable[[], Any]] = Future()

    async def pump() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel.set_result(partial(loop.call_soon_threadsafe, task.cancel))
        async with aclosing(begin()) as stream:
            async for item in stream:
                items.put(item)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(_work, pump, items, cancel), name="a2r"
    )
    thread.start()
    try:
        while not isinstance(item := items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        # The loop of a generator that has ended by itself is closed, and refuses.
        with suppress(RuntimeError):
            cancel.result()()
        thread.join()


def _work(
    pump: Callable[[], Any], items: SimpleQueue[Any], cancel: Future[Callable[[], Any]]
) -> None:
    error: BaseException | None = None
    try:
        asyncio.run(pump())
    except BaseException as raised:  # noqa: BLE001 - handed over to the caller's thread
        error = raised
    if not cancel.done():
        cancel.set_result(lambda: None)
    items.put(_End(error=error))


def run_sync(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine that `begin` makes to its end and return its result.

    Under a running loop (a notebook, a sync tool called from async code) it gets a loop of its
    own in a thread; an interrupt of the caller cancels it and waits until it has cleaned up.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(begin())
    return _run_in_thread(begin)


def _run_in_thread(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
    outcome: Future[T] = Future()
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def told() -> T:
        running.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await begin()

    def work() -> None:
        try:
            outcome.set_result(asyncio.run(told()))
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
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
