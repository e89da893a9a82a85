"""Running a coroutine from synchronous code, whether or not an event loop runs already."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def run_blocking(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
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
