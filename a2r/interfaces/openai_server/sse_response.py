"""Server-sent events as a response that leaves no garbage behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from a2r.interfaces.http.disconnect import ClientDisconnectedError

HEADERS = {"Cache-Control": "no-store", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
COMMENT = b": ping\n\n"


class SSEResponse(StreamingResponse):
    """Sends events as they come, each written already; comments while there are none for long.

    The response of sse-starlette has three tasks and a cancel scope for each stream, whose
    exceptions refer to each other: some 170 objects that only the garbage collector ends, by
    stopping the event loop for half a second under 200 streams. Who hangs up is noticed by
    `while_connected`.

    Args:
        events: closed at the end, however it comes.
        ping: after how many seconds without an event a comment is sent.
        stuck: after how many seconds a client that takes nothing counts as gone.
    """

    def __init__(self, events: AsyncGenerator[bytes, None], *, ping: float, stuck: float) -> None:
        super().__init__(events, headers=HEADERS, media_type="text/event-stream")
        self.events = events
        self.ping = ping
        self.send_timeout = stuck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything.

        Raises:
            ClientGoneError: the client takes nothing any more.
        """
        heartbeat = KeepAlive(send, self.ping)
        async with aclosing(self.events) as events:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            try:
                heartbeat.start()
                async for event in events:
                    await self._send(send, event)
                    heartbeat.touch()
            finally:
                heartbeat.stop()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, event: bytes) -> None:
        try:
            async with asyncio.timeout(self.send_timeout):
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except TimeoutError as error:
            raise ClientDisconnectedError from error


class KeepAlive:
    """Sends a comment whenever nothing else was sent for so many seconds."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch from now on."""
        self.touch()
        self._timer = self._loop.call_later(self._seconds, self._check)

    def touch(self) -> None:
        """Something was sent."""
        self._last = self._loop.time()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()

    def _check(self) -> None:
        left = self._last + self._seconds - self._loop.time()
        if left <= 0:
            left = self._seconds
            if self._beating is None or self._beating.done():
                self._beating = self._loop.create_task(self._beat())
        self._timer = self._loop.call_later(left, self._check)

    async def _beat(self) -> None:
        await self._send({"type": "http.response.body", "body": COMMENT, "more_body": True})
        self.touch()
