"""Read a blocking iterator in a thread, as an asynchronous iterator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
MAX_READ_AHEAD = 256


class _End:
    """The end of the iterator, with its error if it has one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


async def stream_in_thread(start: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
    """Yield the items of an iterator that a thread reads, at most `MAX_READ_AHEAD` ahead.

    The thread is a daemon: one that waits for input does not keep the process alive.
    """
    loop, items = asyncio.get_running_loop(), asyncio.Queue[T | _End]()
    free, closed = threading.Semaphore(MAX_READ_AHEAD), threading.Event()

    def put(item: T | _End) -> None:
        if not closed.is_set() and not loop.is_closed():
            loop.call_soon_threadsafe(items.put_nowait, item)

    def read() -> None:
        error: BaseException | None = None
        try:
            for item in start():
                free.acquire()
                if closed.is_set():
                    return
                put(item)
        except BaseException as raised:  # noqa: BLE001 - raised again by the reader
            error = raised
        put(_End(error))

    threading.Thread(target=read, name="a2r-reader", daemon=True).start()
    try:
        while not isinstance(item := await items.get(), _End):
            yield item
            free.release()
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        free.release()
