"""A listener that goes down and comes back on the same port."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable, Collection

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from tests.fault_server.books import Books
from tests.fault_server.writing import reset

BACKLOG = 4096
MOST_BYTES = 256 << 20
SHUTDOWN_SECONDS = 0.2

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def bound(host: str, port: int) -> socket.socket:
    """A socket that holds a port, yet refuses connections as long as nobody listens on it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


def allow_connections(count: int) -> None:
    """Let this process hold so many sockets, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Connections(web.Server):
    """aiohttp's low-level server, which counts connections and can abort them all."""

    def __init__(
        self, handler: Handler, books: Books, under_way: Collection[asyncio.Transport | None]
    ) -> None:
        super().__init__(handler, request_factory=self._request, handler_cancellation=True)
        self._books = books
        self._under_way = under_way
        self._open: dict[RequestHandler, asyncio.Transport] = {}
        self.refuses = False

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open[handler] = transport
        self._books.connected(1)
        if self.refuses:
            reset(transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if self._open.pop(handler, None) is not None:
            self._books.connected(-1)

    def abort_all(self) -> None:
        """Close all as a killed process does: what it had not read yet ends with a RST."""
        for transport in list(self._open.values()):
            if transport in self._under_way:
                transport.abort()
            else:
                reset(transport)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=MOST_BYTES
        )


class Listener:
    """Opens and closes one port; all its methods belong to the server's loop."""

    def __init__(
        self,
        sock: socket.socket,
        handler: Handler,
        books: Books,
        under_way: Collection[asyncio.Transport | None],
    ) -> None:
        self._socket = sock
        self._address: tuple[str, int] = sock.getsockname()
        self._books = books
        self._server: asyncio.Server | None = None
        self.connections = Connections(handler, books, under_way)

    async def up(self) -> None:
        if self._server is None:
            self.connections.refuses = False
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self.connections, sock=self._socket, backlog=BACKLOG
            )
            self._books.go_up()

    async def down(self) -> None:
        """Refuse connections from now on and abort the open ones."""
        if self._server is not None:
            self.connections.refuses = True
            self._server.close()
            self._server = None
            self._socket = bound(*self._address)
            self._books.downs += 1
            self._books.go_down()
            self.connections.abort_all()

    async def close(self) -> None:
        """Close for good, and wait for the handlers to end."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self._books.go_down()
        self.connections.abort_all()
        await self.connections.shutdown(SHUTDOWN_SECONDS)
