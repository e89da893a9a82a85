"""The connections of a server: their number, and how long a slow client may hold one."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from a2r.interfaces.http.connection_log import ConnectionLog
from a2r.interfaces.http.settings import ServerSettings

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 20\r\nconnection: close\r\nretry-after: 1\r\n\r\ntoo many connections"
)
# Asyncio accepts up to `backlog` connections before it serves those that are open, and logs as many
# errors if there are no file descriptors.
ACCEPTS = 64


@dataclass(kw_only=True)
class ConnectionGuard:
    """Limits the connections, and closes those of slow clients.

    At the limit, a new connection takes the place of the one that has waited longest without a
    complete request; a client at its own limit only of its own ones. `connections` are ordered by
    their last data. The limit leaves half of the file descriptors to the endpoints and files.
    """

    settings: ServerSettings
    log: ConnectionLog
    connections: OrderedDict[GuardedConnection, None] = field(default_factory=OrderedDict)
    clients: Counter[str] = field(default_factory=Counter)

    @property
    def max_connections(self) -> int:
        """The number of connections that may be open."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors == resource.RLIM_INFINITY:
            return self.settings.max_connections
        return max(1, min(self.settings.max_connections, descriptors // 2))

    @property
    def max_client_connections(self) -> int:
        """The number of connections that one client address may have open."""
        most = self.max_connections
        return min(most, self.settings.max_client_connections or max(1, most * 3 // 4))

    def admit(self, connection: GuardedConnection) -> bool:
        """Add a connection, in place of an idle one if there are too many; whether it may stay."""
        if self.clients[connection.client] >= self.max_client_connections:
            admitted = self._close_idle(connection.client)
        else:
            admitted = len(self.connections) < self.max_connections or self._close_idle(None)
        if admitted:
            self.connections[connection] = None
            self.clients[connection.client] += 1
        return admitted

    def remove(self, connection: GuardedConnection) -> None:
        """Remove a connection that is closed."""
        if connection in self.connections:
            del self.connections[connection]
            self.clients[connection.client] -= 1
            if not self.clients[connection.client]:
                del self.clients[connection.client]

    def _close_idle(self, client: str | None) -> bool:
        for connection in self.connections:
            if not connection.is_active and client in (None, connection.client):
                self.log.note("closed to make room for others")
                connection.abort()
                self.remove(connection)
                return True
        self.log.note("refused: all connections have requests")
        return False


class GuardedConnection(asyncio.Protocol):
    """uvicorn's HTTP protocol for one connection, with limits of time.

    `head_seconds` limit the time from the connection, or from the first byte of a later request, to
    the complete head; `write_seconds` how long a client may read nothing of what is sent to it.
    """

    def __init__(self, *, guard: ConnectionGuard, **options: Any) -> None:
        """Wrap a protocol of uvicorn, made from `options`."""
        self._guard = guard
        self._protocol: Any = AutoHTTPProtocol(**options)
        self._transport: asyncio.Transport | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._refused = False
        self.client = ""

    @property
    def is_active(self) -> bool:
        """Whether a request with a complete head is not answered yet."""
        cycle = self._protocol.cycle
        return cycle is not None and not cycle.response_complete

    def abort(self) -> None:
        """Close the connection at once."""
        if self.is_active:
            # Nothing more is written to a connection that is closed.
            self._protocol.cycle.disconnected = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a connection, or refuse it."""
        # The transports of uvloop have the methods, but not the class.
        self._transport = transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if peer else ""
        if not self._guard.admit(self):
            self._refused = True
            transport.write(FULL)
            transport.close()
            return
        self._protocol.connection_made(transport)
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        """Pass data on; limit the time of a head that is not complete."""
        if self._refused:
            return
        if self in self._guard.connections:
            self._guard.connections.move_to_end(self)
        self._protocol.data_received(data)
        if self.is_active:
            self._stop_head_timer()
        elif self._head_timer is None and self._protocol.timeout_keep_alive_task is None:
            self._start_head_timer()

    def eof_received(self) -> bool | None:
        """Pass the end of the client's data on."""
        return None if self._refused else self._protocol.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """End the timers."""
        self._guard.remove(self)
        self._stop_head_timer()
        self._stop_write_timer()
        if not self._refused:
            self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        """Stop writing until the client reads."""
        if self._refused:
            return
        self._protocol.pause_writing()
        self._write_timer = self._call_later(
            self._guard.settings.write_seconds, "closed: the client does not read its reply"
        )

    def resume_writing(self) -> None:
        """Go on writing."""
        self._stop_write_timer()
        if not self._refused:
            self._protocol.resume_writing()

    def _start_head_timer(self) -> None:
        self._head_timer = self._call_later(
            self._guard.settings.head_seconds, "closed: no complete request in time"
        )

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _call_later(self, seconds: float, reason: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._end, reason)

    def _end(self, reason: str) -> None:
        self._guard.log.note(reason)
        self.abort()


def guarded(config: uvicorn.Config, settings: ServerSettings, log: ConnectionLog) -> uvicorn.Config:
    """Guard the connections of a server; returns its config."""
    guard = ConnectionGuard(settings=settings, log=log)
    config.http = partial(GuardedConnection, guard=guard)  # type: ignore[assignment]
    config.backlog = ACCEPTS
    return config
