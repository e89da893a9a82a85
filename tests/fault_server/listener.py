"""A listener that can stop and restart on the same port."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable, Collection

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from tests.fault_server.request_log import RequestLog
from tests.fault_server.response_writer import reset

BACKLOG = 4096
MAX_BODY_BYTES = 256 << 20
SHUTDOWN_SECONDS = 0.2

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to a port; connections are refused until it listens."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


def allow_connections(count: int) -> None:
    """Raise the limit of open sockets to `count`, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class Connections(web.Server):
    """aiohttp's low-level server; it counts connections and can abort them all."""

    def __init__(
        self, handler: Handler, log: RequestLog, in_flight: Collection[asyncio.Transport | None]
    ) -> None:
        super().__init__(handler, request_factory=self._request, handler_cancellation=True)
        self._log = log
        self._in_flight = in_flight
        self._open: dict[RequestHandler, asyncio.Transport] = {}
        self.rejecting = False

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open[handler] = transport
        self._log.connection_changed(1)
        if self.rejecting:
            reset(transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if self._open.pop(handler, None) is not None:
            self._log.connection_changed(-1)

    def abort_all(self) -> None:
        """Close all connections like a killed process: with a RST if there is unread data."""
        for transport in list(self._open.values()):
            if transport in self._in_flight:
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
            message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES
        )


class Listener:
    """Opens and closes one port; call its methods in the server's event loop."""

    def __init__(
        self,
        sock: socket.socket,
        handler: Handler,
        log: RequestLog,
        in_flight: Collection[asyncio.Transport | None],
    ) -> None:
        self._socket = sock
        self._address: tuple[str, int] = sock.getsockname()
        self._log = log
        self._server: asyncio.Server | None = None
        self.connections = Connections(handler, log, in_flight)

    async def start(self) -> None:
        if self._server is None:
            self.connections.rejecting = False
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self.connections, sock=self._socket, backlog=BACKLOG
            )
            self._log.server_up()

    async def stop(self) -> None:
        """Refuse new connections and abort the open ones."""
        if self._server is not None:
            self.connections.rejecting = True
            self._server.close()
            self._server = None
            self._socket = bind_socket(*self._address)
            self._log.downs += 1
            self._log.server_down()
            self.connections.abort_all()

    async def close(self) -> None:
        """Close the port and wait for the handlers."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self._log.server_down()
        self.connections.abort_all()
        await self.connections.shutdown(SHUTDOWN_SECONDS)
