"""Setting a future from any thread or event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress


def set_from_any_thread(future: asyncio.Future[None]) -> None:
    """Set the result of the future to `None`, in its event loop."""
    loop = future.get_loop()
    if _is_running_here(loop):
        _set_result(future)
        return
    # No task waits in a loop that is closed.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_set_result, future)


def _set_result(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
