"""uvicorn's HTTP protocol with limits for slow clients."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from a2r.interfaces.http.connection_tracker import SCOPE_EXTENSION, ConnectionTracker, Wait

MAX_HEAD_BYTES = 64 << 10
REFUSAL_BODY = (
    b'{"error": {"message": "Too many connections; close some of them or retry later.", "type":'
    b' "rate_limit_error", "param": null, "code": "too_many_connections"}}'
)
REFUSAL = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(REFUSAL_BODY), REFUSAL_BODY)
)


class TrackedServerState(ServerState):
    """The state that all connections of a server share, with their tracker."""

    def __init__(self, tracker: ConnectionTracker) -> None:
        super().__init__()
        self.tracker = tracker


class TrackedHttpProtocol(HttpToolsProtocol):
    """A connection that reports to a tracker what it waits for, and limits the size of a head.

    uvicorn closes connections that are idle after a response. It limits neither the time nor the
    size of a head, nor the time in which a client reads a response.
    """

    def __init__(
        self,
        config: Config,
        server_state: TrackedServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.tracker = server_state.tracker
        self.client_address = ""
        self._head_bytes: int | None = None

    def waits_for(self) -> Wait | None:
        """What the server waits for; `None` while a request is processed."""
        if self.flow.write_paused or self.transport.is_closing():
            return "read"
        # uvicorn declares it as always set.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None:
            return "head"
        if cycle.response_complete:
            return "next_head"
        return "body" if cycle.more_body else None

    def unsent_bytes(self) -> int:
        """The bytes of the response that are buffered because the client does not read them."""
        return self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close the connection at once and discard its buffers."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head, or refuse the connection."""
        super().connection_made(transport)
        self.client_address = self.client[0] if self.client else ""
        if not self.tracker.add(self):
            transport.write(REFUSAL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.tracker.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request, and refuse a head that is too long."""
        super().data_received(data)
        if self._head_bytes is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request head exceeds {MAX_HEAD_BYTES} bytes.")
            self.tracker.update(self)

    def on_message_begin(self) -> None:
        """Count the bytes of a head."""
        super().on_message_begin()
        self.scope["extensions"] = {SCOPE_EXTENSION: {"tracker": self.tracker}}
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._head_bytes = None
        super().on_headers_complete()
        self.tracker.update(self)

    def on_message_complete(self) -> None:
        """Note that the body is complete."""
        super().on_message_complete()
        self.tracker.update(self)

    def on_response_complete(self) -> None:
        """Wait for the next request, or until the client has read the response."""
        super().on_response_complete()
        self.tracker.update(self)

    def pause_writing(self) -> None:
        """Wait until the client has read a part of the response."""
        super().pause_writing()
        self.tracker.update(self)

    def resume_writing(self) -> None:
        """Continue the response."""
        super().resume_writing()
        self.tracker.update(self)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self.tracker.update(self)
