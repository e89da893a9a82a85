"""Write responses: complete, split, truncated, or reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import NoReturn

from aiohttp import web

from tests.fault_server.behavior import Behavior
from tests.fault_server.generation import ActiveRequest
from tests.fault_server.payloads import encode

LINGER_RST = struct.pack("ii", 1, 0)


async def wait_forever() -> NoReturn:
    """Wait until the end of the connection cancels the handler."""
    while True:
        await asyncio.get_running_loop().create_future()


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection with a RST."""
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
        transport.abort()


async def reset_connection(active: ActiveRequest) -> NoReturn:
    """Reset the connection of a request."""
    active.log.close_request(active.record, "reset")
    reset(active.request.transport)
    await wait_forever()


async def close_connection(active: ActiveRequest) -> NoReturn:
    """Close the connection of a request cleanly before the end of the response."""
    active.log.close_request(active.record, "cut")
    if active.request.transport is not None:
        active.request.transport.close()
    await wait_forever()


def split_block(block: bytes, behavior: Behavior) -> list[bytes]:
    """Split a block into the parts that are written separately."""
    if behavior.write_size is not None:
        size = behavior.write_size
        return [block[start : start + size] for start in range(0, len(block), size)]
    if not behavior.split_utf8:
        return [block]
    lead_bytes = [index for index, byte in enumerate(block) if byte >= 0xC0]
    borders = [0, *(index + 1 for index in lead_bytes), len(block)]
    return [block[a:b] for a, b in pairwise(borders)]


async def write_split(response: web.StreamResponse, block: bytes, behavior: Behavior) -> None:
    """Write a block in parts, with a pause between them."""
    first, *others = split_block(block, behavior)
    await response.write(first)
    for part in others:
        await asyncio.sleep(behavior.write_pause)
        await response.write(part)


class EventWriter:
    """Writes server-sent events in the format of a behavior."""

    def __init__(self, response: web.StreamResponse, behavior: Behavior) -> None:
        self._response = response
        self._behavior = behavior
        self._end = behavior.line_end * 2
        self._buffer: list[str] = []

    async def write_event(self, data: str) -> None:
        """Write an event, with the comments and blank events before it."""
        comment = f": ping{self._end}" if self._behavior.comments else ""
        blank = f"data:{self._end}" if self._behavior.blank_events else ""
        self._buffer.append(f"{comment}{blank}data: {data}{self._end}")
        if len(self._buffer) >= self._behavior.coalesce:
            await self.flush()

    async def write_raw(self, event: str) -> None:
        """Write an event as it is, without `data:`."""
        self._buffer.append(f"{event}{self._end}")
        await self.flush()

    async def write_keep_alive(self, kind: str) -> None:
        """Write a comment or a blank event immediately."""
        line = ": ping" if kind == "comments" else "data:"
        self._buffer.append(f"{line}{self._end}")
        await self.flush()

    async def flush(self) -> None:
        """Write the buffered events."""
        if self._buffer:
            block = encode("".join(self._buffer))
            self._buffer.clear()
            await write_split(self._response, block, self._behavior)


async def write_body(
    active: ActiveRequest,
    body: bytes,
    *,
    status: int,
    headers: dict[str, str],
    complete: Callable[[], None],
) -> web.StreamResponse:
    """Write an unstreamed body; `complete` is called before its last byte is sent."""
    behavior = active.behavior
    active.log.start_response(active.record, status)
    if behavior.is_unmodified:
        complete()
        return web.Response(body=body, status=status, headers=headers)
    if behavior.truncate == "body":
        body = body[: len(body) // 2]
    response = web.StreamResponse(status=status, headers=headers)
    if behavior.endless is None:
        response.content_length = len(body)
    await response.prepare(active.request)
    if behavior.hang == "after_headers":
        await wait_forever()
    await write_split(response, _truncate_body(body, behavior), behavior)
    if behavior.reset is not None:
        await reset_connection(active)
    if behavior.hang is not None:
        await wait_forever()
    if behavior.truncate == "connection":
        await close_connection(active)
    while behavior.endless is not None:
        await asyncio.sleep(behavior.ping_interval)
        await response.write(b" ")
    complete()
    await response.write_eof()
    return response


def _truncate_body(body: bytes, behavior: Behavior) -> bytes:
    """Return the part of a body before the fault; an endless body lacks its last byte."""
    if behavior.reset == "before_done" or behavior.endless is not None:
        return body[:-1]
    complete = behavior.reset is None and behavior.hang is None
    return body if complete and behavior.truncate != "connection" else body[: len(body) // 2]
