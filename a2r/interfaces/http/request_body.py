"""Read the body of a request within limits of its size and its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2r.interfaces.http.connection_tracker import SCOPE_EXTENSION, ConnectionTracker
from a2r.interfaces.http.disconnect import ClientDisconnectedError


class BodyTooLargeError(Exception):
    """The body of a request exceeds the limit."""


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int, seconds: float) -> bytes:
    """Read the complete body of a request.

    Raises:
        BodyTooLargeError: it has, or announces, more than `max_bytes`.
        TimeoutError: it has not arrived within `seconds`.
        ClientDisconnectedError: the client disconnected.
    """
    length = Headers(scope=scope).get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > max_bytes:
        raise BodyTooLargeError
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, max_bytes)
    except TimeoutError:
        # Only this project's servers have a tracker.
        extension = scope.get("extensions", {}).get(SCOPE_EXTENSION, {})
        tracker: ConnectionTracker | None = extension.get("tracker")
        if tracker is not None:
            tracker.count("slow_bodies")
        raise


async def _read(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise BodyTooLargeError
        if not message.get("more_body", False):
            return b"".join(parts)


def replay_body(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """A receive channel that returns a body that has been read already, then the next messages."""
    replayed = False

    async def receive_replayed() -> Message:
        nonlocal replayed
        if not replayed:
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return receive_replayed


@dataclass(frozen=True, kw_only=True)
class BodyLimitMiddleware:
    """Rejects bodies that are too large or too slow, before the application sees the request."""

    app: ASGIApp
    max_bytes: int
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or reject it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        close = {"Connection": "close"}
        try:
            body = await read_body(scope, receive, max_bytes=self.max_bytes, seconds=self.seconds)
        except BodyTooLargeError:
            text = f"The request body may have at most {self.max_bytes} bytes"
            await PlainTextResponse(text, 413, close)(scope, receive, send)
        except TimeoutError:
            text = f"The request body did not arrive within {self.seconds:g} seconds"
            await PlainTextResponse(text, 408, close)(scope, receive, send)
        except ClientDisconnectedError:
            return
        else:
            await self.app(scope, replay_body(body, receive), send)
