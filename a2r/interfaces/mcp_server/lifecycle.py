"""Cancel calls whose client is gone, and shut the server down on a signal."""

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
from a2r.interfaces.http.disconnect import ClientDisconnectedError, wait_for_disconnect

T = TypeVar("T")


class ServerShutdownError(Exception):
    """The server is shutting down, and has cancelled the call."""


async def await_or_cancel(task: asyncio.Task[T], request: Request | None) -> T:
    """Wait for a task, and cancel it if the caller is cancelled or the client disconnects.

    Args:
        task: the work, outside of the SDK's cancel scope: that would cancel it repeatedly, and
            interrupt its cleanup.
        request: the HTTP request of the client; `None` over stdio.

    Returns:
        The task's result.

    Raises:
        ClientDisconnectedError: the client disconnected.
        ServerShutdownError: the task was cancelled by the server.
    """
    pending: set[asyncio.Future[Any]] = {task}
    if request is not None:
        pending.add(asyncio.ensure_future(wait_for_disconnect(request.receive)))
    try:
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnectedError
    finally:
        with anyio.CancelScope(shield=True):
            await cancel_and_wait(pending)
    if task.cancelled():
        raise ServerShutdownError
    return task.result()


async def serve_until_signal(
    serve: Coroutine[Any, Any, None], shut_down: Callable[[], Awaitable[None]]
) -> None:
    """Serve until the server ends by itself, or a SIGINT, SIGTERM or SIGHUP.

    The first signal calls `shut_down`, a second one exits the process at once; the servers of the
    embedded engine then exit by themselves.
    """
    with SignalHandler(_exit_now) as signals:
        await signals.run_until_signal(_serve(serve, shut_down))


async def _serve(
    serve: Coroutine[Any, Any, None], shut_down: Callable[[], Awaitable[None]]
) -> None:
    task = asyncio.create_task(serve)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await shut_down()
        await task
        raise


def _exit_now() -> None:
    os._exit(InterruptedRunError.exit_code)
