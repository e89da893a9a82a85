"""Work that ends when the client that wants it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive, Send

from a2r._internal.task_isolation import cancel_and_wait


class ClientDisconnectedError(Exception):
    """The client closed its connection before it was answered."""


@dataclass
class TrackedSend:
    """A send channel that knows whether a response went through it, and whether all of it."""

    send: Send
    started: bool = False
    complete: bool = False

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        await self.send(message)
        self.started = True
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True


async def while_connected(
    work: Coroutine[Any, Any, None], receive: Receive, sent: TrackedSend
) -> None:
    """Do the work; when the client hangs up, cancel it and wait until it has ended.

    Raises:
        ClientGoneError: the client hung up before the whole response was sent.
    """
    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
        # A server also tells a disconnect once the response is sent.
        if not working.done() and not sent.complete:
            await cancel_and_wait([working])
            raise ClientDisconnectedError
        await working
    finally:
        # Also where this very task is cancelled, as at the end of the server.
        await cancel_and_wait([working, listening])


async def disconnected(receive: Receive) -> None:
    """Wait until the client of a receive channel has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
