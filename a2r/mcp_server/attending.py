"""Work that ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import anyio
from starlette.requests import Request

from a2r.server.connection import ClientGoneError, disconnected

T = TypeVar("T")


class ServerEndsError(Exception):
    """The server ends, and has cancelled what still ran."""


async def attended(task: asyncio.Task[T], request: Request | None) -> T:
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
            raise ClientGoneError
    finally:
        for each in waited:
            each.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait(waited)
    if task.cancelled():
        raise ServerEndsError
    return task.result()
