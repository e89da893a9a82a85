"""MCP over streamable HTTP."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2r.logs import get_logger
from a2r.mcp_server.desk import Desk
from a2r.mcp_server.ending import until_asked
from a2r.mcp_server.server import Server
from a2r.server.listening import bracketed
from a2r.server.settings import is_loopback_host

PATH = "/mcp"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# For what is left when the runs are done or cancelled: replies on their way.
LAST_SECONDS = 2
ENDED = (anyio.ClosedResourceError, anyio.BrokenResourceError)


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: it raises what it caught again, and would die of it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@dataclass(frozen=True, kw_only=True)
class EndedSessions:
    """Takes it that a session ends while a message to it is on its way: a client just left.

    The SDK has replied by then, finds that nobody reads the message, and replies once more.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        whole = False

        async def sending(message: Message) -> None:
            nonlocal whole
            if not whole:
                await send(message)
            body = message["type"] == "http.response.body"
            whole = whole or (body and not message.get("more_body", False))

        try:
            await self.app(scope, receive, sending)
        except* ENDED:
            get_logger().info("a message came for a session that has ended")


def _is_a_fault(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], ENDED)


def application(server: Server, host: str) -> ASGIApp:
    """The server as an ASGI application, for one run.

    On loopback it takes no requests that a foreign web page sends through the user's browser
    (DNS rebinding).
    """
    served = server.streamable_http_app(
        streamable_http_path=PATH, host=host, transport_security=_protection(host)
    )
    return EndedSessions(app=served)


async def serve_http(
    application: ASGIApp, desk: Desk, listener: socket.socket, *, grace: float
) -> None:
    """Serve clients until a signal comes; what runs then has `grace` seconds to finish."""
    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(grace) + LAST_SECONDS,
    )
    serving = _Uvicorn(config)
    logging.getLogger("mcp.server.streamable_http").addFilter(_is_a_fault)

    async def end() -> None:
        serving.should_exit = True
        await desk.finish(grace)
        # The streams that wait for nothing end with this, and uvicorn takes each for a fault.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        serving.handle_exit(signal.SIGTERM, None)

    await until_asked(serving.serve(sockets=[listener]), end)


def _protection(host: str) -> TransportSecuritySettings | None:
    if not is_loopback_host(host):
        return None
    names = dict.fromkeys((*LOOPBACK, bracketed(host)))
    hosts = [form for name in names for form in (name, f"{name}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{form}" for form in hosts]
    )
