"""Waking a task that waits for a future, from whichever thread or loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress


def wake(future: asyncio.Future[None]) -> None:
    """Let whoever waits for a future go on."""
    loop = future.get_loop()
    if _runs_here(loop):
        _tell(future)
        return
    # A loop that was closed without cancelling its tasks has nobody left to wake.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_tell, future)


def _tell(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
