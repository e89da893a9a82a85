"""A uvicorn server that survives slow clients, and its limit of open files."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from a2r.interfaces.http.connection_tracker import ConnectionLimits, ConnectionTracker
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.http.sockets import BACKLOG
from a2r.interfaces.http.uvicorn_protocol import TrackedHttpProtocol, TrackedServerState

MAX_CONNECTIONS = 4096
MAX_OPEN_FILES = 65536
# Asyncio accepts as many connections in a row as its backlog. When it runs out of file
# descriptors, it fails and logs as often, so it gets a small one.
ACCEPTS_IN_A_ROW = 16
ACCEPT_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# uvicorn calls `on_tick` ten times a second.
TICKS_PER_CHECK = 5
UVICORN_LOGGER = "uvicorn.error"
# What uvicorn logs for a request that is not HTTP, or asks for a WebSocket.
INVALID_REQUEST_MESSAGES = (
    "Invalid HTTP request",
    "Unsupported upgrade request",
    "No supported WebSocket library",
)


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files to the hard one, at most to `MAX_OPEN_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


def connection_limits(settings: ServerSettings) -> ConnectionLimits:
    """The limits of connections; defaults depend on the limit of open files.

    Half of the files are left to the calls to endpoints, the stores and the engine.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    total = settings.max_connections or max(1, min(MAX_CONNECTIONS, files // 2))
    return ConnectionLimits(
        total=total,
        per_client=settings.max_client_connections or max(1, total // 2),
        head_seconds=settings.head_seconds,
        send_seconds=settings.send_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )


def uvicorn_config(app: ASGIApp, settings: ServerSettings, **options: Any) -> uvicorn.Config:
    """The configuration that all servers share; `options` are those of one server."""
    return uvicorn.Config(
        app,
        http=TrackedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=ACCEPTS_IN_A_ROW,
        timeout_keep_alive=settings.keep_alive_seconds,
        **options,
    )


class UvicornServer(uvicorn.Server):
    """A uvicorn server that limits connections and ends those of slow clients."""

    def __init__(self, config: uvicorn.Config, settings: ServerSettings) -> None:
        super().__init__(config)
        self.tracker = ConnectionTracker(connection_limits(settings))
        self.server_state = TrackedServerState(self.tracker)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        logging.getLogger(UVICORN_LOGGER).addFilter(self._is_logged)
        await super().startup(sockets)
        for listener in sockets or ():
            # Asyncio has shortened the queue of the kernel to its own backlog.
            listener.listen(BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and wait for the open ones."""
        await super().shutdown(sockets)
        logging.getLogger(UVICORN_LOGGER).removeFilter(self._is_logged)

    async def on_tick(self, counter: int) -> bool:
        """Check the connections, and whether the server shall exit."""
        if counter % TICKS_PER_CHECK == 0:
            self.tracker.check()
        return await super().on_tick(counter)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "socket" in context and isinstance(error, OSError) and error.errno in ACCEPT_ERRORS:
            self.tracker.on_accept_error()
        else:
            loop.default_exception_handler(context)

    def _is_logged(self, record: logging.LogRecord) -> bool:
        is_invalid = str(record.msg).startswith(INVALID_REQUEST_MESSAGES)
        if is_invalid:
            self.tracker.count("invalid_requests")
        return not is_invalid
