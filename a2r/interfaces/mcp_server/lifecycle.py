"""Work that ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio
from starlette.requests import Request

from a2r._internal.signals import SignalHandler
from a2r._internal.task_isolation import cancel_and_wait
from a2r.errors import InterruptedRunError
from a2r.interfaces.http.disconnect import ClientDisconnectedError, disconnected

T = TypeVar("T")


class ServerShutdownError(Exception):
    """The server ends, and has cancelled what still ran."""


async def await_or_cancel(task: asyncio.Task[T], request: Request | None) -> T:
    """The result of a task, which is cancelled with the caller, or when the client is gone.

    Args:
        task: the work, in a task of its own: the SDK cancels again and again whatever still runs
            in its scope, which would cut off how a run cleans up after itself.
        request: the HTTP request that waits for the result, where there is one.

    Raises:
        ClientGoneError: the client hung up.
        ServerEndsError: the task was cancelled by somebody else.
    """
    waited: set[asyncio.Future[Any]] = {task}
    if request is not None:
        waited.add(asyncio.ensure_future(disconnected(request.receive)))
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnectedError
    finally:
        with anyio.CancelScope(shield=True):
            await cancel_and_wait(waited)
    if task.cancelled():
        raise ServerShutdownError
    return task.result()


async def serve_until_signal(
    serving: Coroutine[Any, Any, None], end: Callable[[], Awaitable[None]]
) -> None:
    """Serve to the end, which the first SIGINT, SIGTERM or SIGHUP brings about through `end`.

    A second one ends the process at once; the engine's servers notice that it is gone.
    """
    with SignalHandler(_exit_now) as interrupts:
        await interrupts.run_until_signal(_shut_down(serving, end))


async def _shut_down(
    serving: Coroutine[Any, Any, None], end: Callable[[], Awaitable[None]]
) -> None:
    task = asyncio.create_task(serving)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await end()
        await task
        raise


def _exit_now() -> None:
    os._exit(InterruptedRunError.exit_code)
