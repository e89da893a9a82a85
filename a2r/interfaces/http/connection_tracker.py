"""The open connections of a server: how many, which of them wait for their client, which end."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from a2r._internal.logging import get_logger

# What the server needs from the client of a connection: the head of its first or next request, the
# rest of a body, or that it reads the response.
Wait = Literal["head", "next_head", "body", "read"]
# A client that reads this much of its response within the time limit may continue.
MIN_READ_BYTES = 32 << 10
LOG_SECONDS = 60.0
# The extension of an ASGI scope that has the connection's `tracker`.
SCOPE_EXTENSION = "a2r.connection_tracker"


class TrackedConnection(Protocol):
    """A connection as the tracker sees it."""

    client_address: str

    def waits_for(self) -> Wait | None:
        """What the server waits for; `None` while a request is processed."""

    def unsent_bytes(self) -> int:
        """The bytes of the response that are buffered because the client does not read them."""

    def abort(self) -> None:
        """Close the connection at once and discard its buffers."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """The limits of a server's connections.

    Up to `total` connections are open, and up to `per_client` of one address. The head of a request
    may take `head_seconds`, from the connection on, or from the end of `keep_alive_seconds` after
    the previous response. A client that reads too little of its response for `send_seconds` is
    disconnected.
    """

    total: int
    per_client: int
    head_seconds: float
    send_seconds: float
    keep_alive_seconds: float


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    wait: Wait
    since: float
    unsent: int


@dataclass
class _Client:
    """The connections of one address: their number, and those that wait, longest first."""

    connections: int = 0
    waiting: OrderedDict[TrackedConnection, None] = field(default_factory=OrderedDict)


class ConnectionTracker:
    """Enforces the limits of connections.

    A connection beyond a limit takes the place of the one that has waited longest for its client,
    so that clients which send their requests at once are served whatever others do. Requests that
    are processed are never ended; if there are no others, the new connection is refused.

    Incidents are counted, and logged in one line at most once every `LOG_SECONDS`.
    """

    def __init__(
        self, limits: ConnectionLimits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._connections: dict[TrackedConnection, _Client] = {}
        self._clients: dict[str, _Client] = {}
        self._waiting: OrderedDict[TrackedConnection, _Waiting] = OrderedDict()
        self._incidents: Counter[str] = Counter()
        self._last_log: float | None = None
        self._seconds: Mapping[Wait, float] = {
            "head": limits.head_seconds,
            "next_head": limits.keep_alive_seconds + limits.head_seconds,
            # The application limits this time itself, to send a status.
            "body": math.inf,
            "read": limits.send_seconds,
        }

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    def add(self, connection: TrackedConnection) -> bool:
        """Count a new connection, or return `False` if there is no place for it."""
        client = self._clients.get(connection.client_address, _Client())
        if client.connections >= self.limits.per_client:
            has_place = self._evict(client.waiting)
        elif self.open_connections >= self.limits.total:
            has_place = self._evict(self._waiting)
        else:
            has_place = True
        if not has_place:
            self.count("refused")
            return False
        client = self._clients.setdefault(connection.client_address, client)
        client.connections += 1
        self._connections[connection] = client
        self.update(connection)
        return True

    def discard(self, connection: TrackedConnection) -> None:
        """Forget a connection that is closed."""
        client = self._connections.pop(connection, None)
        if client is None:
            return
        self._stop_waiting(connection, client)
        client.connections -= 1
        if not client.connections:
            del self._clients[connection.client_address]

    def update(self, connection: TrackedConnection) -> None:
        """Note what the server waits for now; waiting for something else starts anew."""
        client = self._connections.get(connection)
        if client is None:
            return
        wait = connection.waits_for()
        waiting = self._waiting.get(connection)
        if wait == (waiting and waiting.wait):
            return
        self._stop_waiting(connection, client)
        if wait is not None:
            self._start_waiting(connection, client, wait)

    def check(self) -> None:
        """End the connections whose clients are too slow, and log the incidents."""
        now = self._clock()
        for connection, client in list(self._connections.items()):
            self.update(connection)
            waiting = self._waiting.get(connection)
            if waiting is None or now - waiting.since < self._seconds[waiting.wait]:
                continue
            if waiting.wait != "read":
                self.count("slow_heads")
                self._end(connection)
            elif connection.unsent_bytes() > waiting.unsent - MIN_READ_BYTES:
                self.count("slow_reads")
                self._end(connection)
            else:
                self._stop_waiting(connection, client)
                self._start_waiting(connection, client, "read")
        self._log(now)

    def count(self, incident: str) -> None:
        """Count an incident for the log."""
        self._incidents[incident] += 1

    def on_accept_error(self) -> None:
        """Make place after a connection could not be accepted for lack of file descriptors."""
        self.count("not_accepted")
        self._evict(self._waiting)

    def _start_waiting(self, connection: TrackedConnection, client: _Client, wait: Wait) -> None:
        unsent = connection.unsent_bytes()
        self._waiting[connection] = _Waiting(wait=wait, since=self._clock(), unsent=unsent)
        client.waiting[connection] = None

    def _stop_waiting(self, connection: TrackedConnection, client: _Client) -> None:
        self._waiting.pop(connection, None)
        client.waiting.pop(connection, None)

    def _evict(self, waiting: Mapping[TrackedConnection, object]) -> bool:
        """End the connection that has waited longest; return whether there is one."""
        connection = next(iter(waiting), None)
        if connection is None:
            return False
        self.count("evicted")
        self._end(connection)
        return True

    def _end(self, connection: TrackedConnection) -> None:
        self.discard(connection)
        connection.abort()

    def _log(self, now: float) -> None:
        if not self._incidents or (
            self._last_log is not None and now - self._last_log < LOG_SECONDS
        ):
            return
        self._last_log = now
        get_logger().warning("slow clients", open=self.open_connections, **self._incidents)
        self._incidents.clear()
