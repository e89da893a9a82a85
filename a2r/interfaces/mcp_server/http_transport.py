"""MCP over streamable HTTP."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from a2r._internal.urls import bracket_host, is_loopback_host
from a2r.interfaces.http.connection_log import ConnectionLog
from a2r.interfaces.http.connections import guarded
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.http.sockets import listen
from a2r.interfaces.mcp_server.http_middleware import (
    CLOSED_SESSION_ERRORS,
    IgnoreClosedSessions,
    LimitBody,
)
from a2r.interfaces.mcp_server.lifecycle import serve_until_signal
from a2r.interfaces.mcp_server.sdk import SDKServer
from a2r.interfaces.mcp_server.server_state import ServerState

MCP_PATH = "/mcp"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
# Time to send the last responses after the runs have finished or been cancelled.
CLOSE_SECONDS = 2
SESSION_LOGGERS = ("mcp.server.streamable_http", "mcp.server.streamable_http_manager")


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: it would raise a handled signal again after its shutdown."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        for listener in sockets or ():
            # Asyncio listens again with the small backlog of the config.
            listen(listener)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _is_relevant(record: logging.LogRecord) -> bool:
    error = None if record.exc_info is None else record.exc_info[1]
    if isinstance(error, BaseExceptionGroup):
        return error.split(CLOSED_SESSION_ERRORS)[1] is not None
    return not isinstance(error, CLOSED_SESSION_ERRORS)


def create_app(server: SDKServer, host: str) -> ASGIApp:
    """The server as an ASGI application, which can be run once.

    On a loopback host it rejects foreign `Host` and `Origin` headers, so that web pages cannot
    reach it through a browser (DNS rebinding).
    """
    app = server.http_app(MCP_PATH, _transport_security(host))
    return IgnoreClosedSessions(app=LimitBody(app=app))


async def serve_http(
    app: ASGIApp, state: ServerState, listener: socket.socket, settings: ServerSettings
) -> None:
    """Serve clients until a signal; running calls then have `settings.grace` seconds to finish."""
    log = ConnectionLog()
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(settings.grace) + CLOSE_SECONDS,
    )
    uvicorn_server = _Uvicorn(guarded(config, settings, log))
    for name in SESSION_LOGGERS:
        logging.getLogger(name).addFilter(_is_relevant)

    async def shut_down() -> None:
        uvicorn_server.should_exit = True
        await state.drain(settings.grace)
        # This closes the idle event streams, each of which uvicorn would log as an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        uvicorn_server.handle_exit(signal.SIGTERM, None)

    try:
        with log.installed():
            await serve_until_signal(uvicorn_server.serve(sockets=[listener]), shut_down)
    finally:
        await state.close()


def _transport_security(host: str) -> TransportSecuritySettings | None:
    if not is_loopback_host(host):
        return None
    names = dict.fromkeys((*LOOPBACK_HOSTS, bracket_host(host)))
    hosts = [pattern for name in names for pattern in (name, f"{name}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{pattern}" for pattern in hosts]
    )
