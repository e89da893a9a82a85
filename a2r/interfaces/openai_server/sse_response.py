"""A response of server-sent events with keep-alive comments and a send timeout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from a2r._internal.idle_timer import IdleTimer
from a2r.interfaces.http.disconnect import ClientDisconnectedError

HEADERS = {"Cache-Control": "no-store", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
COMMENT = b": ping\n\n"


class SSEResponse(StreamingResponse):
    """Sends encoded events as they arrive, and comments while there are none.

    The response of sse-starlette has three tasks and a cancel scope per stream, whose exceptions
    refer to each other: some 170 objects per stream that only the garbage collector frees, and it
    blocks the event loop for half a second under 200 streams. This class does not listen for a
    disconnect: `while_connected` does.

    Args:
        events: the encoded events; closed at the end, also after an error.
        ping_interval: seconds without an event after which a comment is sent.
        send_timeout: seconds after which a client that does not read counts as disconnected.
    """

    def __init__(
        self, events: AsyncGenerator[bytes, None], *, ping_interval: float, send_timeout: float
    ) -> None:
        super().__init__(events, headers=HEADERS, media_type="text/event-stream")
        self.events = events
        self.ping_interval = ping_interval
        self.send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events.

        Raises:
            ClientDisconnectedError: the client does not read any more.
        """
        async with aclosing(self.events) as events:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            keep_alive = KeepAlive(send, self.ping_interval)
            try:
                async for event in events:
                    await self._send(send, event)
                    keep_alive.touch()
            finally:
                keep_alive.stop()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, event: bytes) -> None:
        try:
            async with asyncio.timeout(self.send_timeout):
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except TimeoutError as error:
            raise ClientDisconnectedError from error


class KeepAlive:
    """Sends a comment whenever nothing was sent for `seconds`."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._timer = IdleTimer(seconds, self._start_comment)
        self._comment: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """Record that something was sent."""
        self._timer.touch()

    def stop(self) -> None:
        """Send no more comments."""
        self._timer.stop()
        if self._comment is not None:
            self._comment.cancel()

    def _start_comment(self) -> None:
        if self._comment is None or self._comment.done():
            self._comment = asyncio.get_running_loop().create_task(self._send_comment())

    async def _send_comment(self) -> None:
        await self._send({"type": "http.response.body", "body": COMMENT, "more_body": True})
        self.touch()
