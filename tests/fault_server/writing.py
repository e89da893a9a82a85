"""Bytes on their way out, whole, cut, or broken off."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import NoReturn

from aiohttp import web

from tests.fault_server.behaviour import Behaviour
from tests.fault_server.generation import Exchange
from tests.fault_server.wire import encoded

HARD = struct.pack("ii", 1, 0)


async def never() -> NoReturn:
    """Wait for the end of the connection, which cancels whoever waits."""
    while True:
        await asyncio.get_running_loop().create_future()


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with a RST, whatever is still to be sent or read."""
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
        transport.abort()


async def break_off(exchange: Exchange) -> NoReturn:
    """Reset the connection of a request."""
    exchange.books.leave(exchange.record, "reset")
    reset(exchange.request.transport)
    await never()


async def close_early(exchange: Exchange) -> NoReturn:
    """Close the connection of a request in order, yet before the reply's end."""
    exchange.books.leave(exchange.record, "cut")
    if exchange.request.transport is not None:
        exchange.request.transport.close()
    await never()


def cut(block: bytes, behaviour: Behaviour) -> list[bytes]:
    """A block as the pieces that go out one by one."""
    if behaviour.write_size is not None:
        size = behaviour.write_size
        return [block[start : start + size] for start in range(0, len(block), size)]
    if not behaviour.split_utf8:
        return [block]
    inside = [place for place, byte in enumerate(block) if byte >= 0xC0]
    borders = [0, *(place + 1 for place in inside), len(block)]
    return [block[a:b] for a, b in pairwise(borders)]


async def write_cut(response: web.StreamResponse, block: bytes, behaviour: Behaviour) -> None:
    """Write a block in its pieces, with a pause after all but the last."""
    first, *others = cut(block, behaviour)
    await response.write(first)
    for piece in others:
        await asyncio.sleep(behaviour.write_pause)
        await response.write(piece)


class EventWriter:
    """Writes server-sent events in the dress that a behaviour gives them."""

    def __init__(self, response: web.StreamResponse, behaviour: Behaviour) -> None:
        self._response = response
        self._behaviour = behaviour
        self._end = behaviour.line_end * 2
        self._held: list[str] = []

    async def event(self, data: str) -> None:
        """One event, with the comments and blank events before it."""
        comment = f": ping{self._end}" if self._behaviour.comments else ""
        blank = f"data:{self._end}" if self._behaviour.blank_events else ""
        self._held.append(f"{comment}{blank}data: {data}{self._end}")
        if len(self._held) >= self._behaviour.coalesce:
            await self.flush()

    async def nothing(self, kind: str) -> None:
        """A comment or a blank event, at once."""
        line = ": ping" if kind == "comments" else "data:"
        self._held.append(f"{line}{self._end}")
        await self.flush()

    async def flush(self) -> None:
        """Write what has been held back."""
        if self._held:
            block = encoded("".join(self._held))
            self._held.clear()
            await write_cut(self._response, block, self._behaviour)


async def write_body(
    exchange: Exchange,
    body: bytes,
    *,
    status: int,
    headers: dict[str, str],
    complete: Callable[[], None],
) -> web.StreamResponse:
    """Write a body that isn't streamed; `complete` is called before its last byte leaves."""
    behaviour = exchange.behaviour
    exchange.books.answer(exchange.record, status)
    if behaviour.writes_plainly:
        complete()
        return web.Response(body=body, status=status, headers=headers)
    if behaviour.truncate == "body":
        body = body[: len(body) // 2]
    response = web.StreamResponse(status=status, headers=headers)
    if behaviour.endless is None:
        response.content_length = len(body)
    await response.prepare(exchange.request)
    if behaviour.hang == "after_headers":
        await never()
    await write_cut(response, _sent(body, behaviour), behaviour)
    if behaviour.reset is not None:
        await break_off(exchange)
    if behaviour.hang is not None:
        await never()
    if behaviour.truncate == "connection":
        await close_early(exchange)
    while behaviour.endless is not None:
        await asyncio.sleep(behaviour.ping_interval)
        await response.write(b" ")
    complete()
    await response.write_eof()
    return response


def _sent(body: bytes, behaviour: Behaviour) -> bytes:
    """As much of a body as leaves before the fault; a body without end lacks its last byte."""
    if behaviour.reset == "before_done" or behaviour.endless is not None:
        return body[:-1]
    whole = behaviour.reset is None and behaviour.hang is None
    return body if whole and behaviour.truncate != "connection" else body[: len(body) // 2]
