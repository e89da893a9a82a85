"""A response of server-sent events with keep-alive comments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from a2r._internal.idle_timer import IdleTimer

HEADERS = {"Cache-Control": "no-store", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
COMMENT = b": ping\n\n"


class SSEResponse(StreamingResponse):
    """Sends encoded events as they arrive, and comments while there are none.

    The response of sse-starlette has three tasks and a cancel scope per stream, whose exceptions
    refer to each other: some 170 objects per stream that only the garbage collector frees, and it
    blocks the event loop for half a second under 200 streams. This class does not listen for a
    disconnect: `while_connected` does. Nor does it limit the time in which the client reads an
    event: `ConnectionTracker` does.

    Args:
        events: the encoded events; closed at the end, also after an error.
        ping_interval: seconds without an event after which a comment is sent.
    """

    def __init__(self, events: AsyncGenerator[bytes, None], *, ping_interval: float) -> None:
        super().__init__(events, headers=HEADERS, media_type="text/event-stream")
        self.events = events
        self.ping_interval = ping_interval

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events."""
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
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                    keep_alive.touch()
            finally:
                keep_alive.stop()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


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
