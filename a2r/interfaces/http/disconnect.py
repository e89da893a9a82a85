"""Cancel work when the client that requested it disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive, Send

from a2r._internal.task_isolation import cancel_and_wait


class ClientDisconnectedError(Exception):
    """The client closed its connection before the response was complete."""


@dataclass
class TrackedSend:
    """A send channel that records whether the response has started and whether it is complete."""

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
    work: Coroutine[Any, Any, None], receive: Receive, send: TrackedSend
) -> None:
    """Run the work; if the client disconnects, cancel it and wait until it has ended.

    Raises:
        ClientDisconnectedError: the client disconnected before the response was complete.
    """
    work_task = asyncio.ensure_future(work)
    disconnect_task = asyncio.ensure_future(_disconnects_early(receive, send))
    try:
        await asyncio.wait({work_task, disconnect_task}, return_when=asyncio.FIRST_COMPLETED)
        is_early = disconnect_task.done() and disconnect_task.result()
        if is_early and not work_task.done():
            await cancel_and_wait([work_task])
            raise ClientDisconnectedError
        await work_task
        # ASGI servers accept and discard what is sent after a disconnect.
        if is_early:
            raise ClientDisconnectedError
    finally:
        # This task itself may be cancelled, as when the server shuts down.
        await cancel_and_wait([work_task, disconnect_task])


async def _disconnects_early(receive: Receive, send: TrackedSend) -> bool:
    """Wait for a disconnect, which ASGI servers also report after the response is sent."""
    await wait_for_disconnect(receive)
    return not send.complete


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client of a receive channel has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
