"""MCP over streamable HTTP."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from a2r._internal.urls import bracket_host, is_loopback_host
from a2r.interfaces.http.request_body import BodyLimitMiddleware
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.http.uvicorn_server import (
    UvicornServer,
    raise_open_files_limit,
    uvicorn_config,
)
from a2r.interfaces.mcp_server.http_middleware import CLOSED_SESSION_ERRORS, IgnoreClosedSessions
from a2r.interfaces.mcp_server.lifecycle import serve_until_signal
from a2r.interfaces.mcp_server.sdk import SDKServer
from a2r.interfaces.mcp_server.server_state import ServerState

MCP_PATH = "/mcp"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
# Time to send the last responses after the runs have finished or been cancelled.
CLOSE_SECONDS = 2
SESSION_LOGGERS = ("mcp.server.streamable_http", "mcp.server.streamable_http_manager")


class _Server(UvicornServer):
    """Without signal handlers: uvicorn would raise a handled signal again after its shutdown."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _is_relevant(record: logging.LogRecord) -> bool:
    error = None if record.exc_info is None else record.exc_info[1]
    if isinstance(error, BaseExceptionGroup):
        return error.split(CLOSED_SESSION_ERRORS)[1] is not None
    return not isinstance(error, CLOSED_SESSION_ERRORS)


def create_app(server: SDKServer, settings: ServerSettings) -> ASGIApp:
    """The server as an ASGI application, which can be run once.

    On a loopback host it rejects foreign `Host` and `Origin` headers, so that web pages cannot
    reach it through a browser (DNS rebinding).
    """
    app = server.http_app(MCP_PATH, _transport_security(settings.host))
    return BodyLimitMiddleware(
        app=IgnoreClosedSessions(app=app),
        max_bytes=settings.body_bytes,
        seconds=settings.body_seconds,
    )


async def serve_http(
    app: ASGIApp, state: ServerState, listener: socket.socket, settings: ServerSettings
) -> None:
    """Serve clients until a signal; running calls then have `settings.grace` seconds to finish."""
    raise_open_files_limit()
    config = uvicorn_config(
        app,
        settings,
        log_level="warning",
        timeout_graceful_shutdown=math.ceil(settings.grace) + CLOSE_SECONDS,
    )
    uvicorn_server = _Server(config, settings)
    for name in SESSION_LOGGERS:
        logging.getLogger(name).addFilter(_is_relevant)

    async def shut_down() -> None:
        uvicorn_server.should_exit = True
        await state.drain(settings.grace)
        # This closes the idle event streams, each of which uvicorn would log as an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        uvicorn_server.handle_exit(signal.SIGTERM, None)

    try:
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
