"""Serving until a signal asks for the end, which then comes in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from a2r.errors import InterruptedRunError
from a2r.serving.interrupts import Interrupts


async def until_asked(
    serving: Coroutine[Any, Any, None], end: Callable[[], Awaitable[None]]
) -> None:
    """Serve to the end, which the first SIGINT, SIGTERM or SIGHUP brings about through `end`.

    A second one ends the process at once; the engine's servers notice that it is gone.
    """
    with Interrupts(_at_once) as interrupts:
        await interrupts.unless_asked(_in_order(serving, end))


async def _in_order(serving: Coroutine[Any, Any, None], end: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(serving)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await end()
        await task
        raise


def _at_once() -> None:
    os._exit(InterruptedRunError.exit_code)
