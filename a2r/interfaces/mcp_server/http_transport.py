"""MCP over streamable HTTP."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import uvicorn
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2r._internal.logging import get_logger
from a2r._internal.urls import bracket_host, is_loopback_host
from a2r.errors import ConfigError
from a2r.interfaces.http.api_keys import ApiKeyStore
from a2r.interfaces.mcp_server.lifecycle import serve_until_signal
from a2r.interfaces.mcp_server.server import A2RMCPServer
from a2r.interfaces.mcp_server.server_state import ServerState

PATH = "/mcp"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# For what is left when the runs are done or cancelled: replies on their way.
CLOSE_SECONDS = 2
ENDED = (anyio.ClosedResourceError, anyio.BrokenResourceError)


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: it raises what it caught again, and would die of it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@dataclass(frozen=True, kw_only=True)
class IgnoreClosedSessions:
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


def _is_error(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], ENDED)


def application(server: A2RMCPServer, host: str) -> ASGIApp:
    """The server as an ASGI application, for one run.

    On loopback it takes no requests that a foreign web page sends through the user's browser
    (DNS rebinding).
    """
    served = server.streamable_http_app(
        streamable_http_path=PATH, host=host, transport_security=_protection(host)
    )
    return IgnoreClosedSessions(app=served)


async def serve_http(
    application: ASGIApp, desk: ServerState, listener: socket.socket, *, grace: float
) -> None:
    """Serve clients until a signal comes; what runs then has `grace` seconds to finish."""
    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(grace) + CLOSE_SECONDS,
    )
    serving = _Uvicorn(config)
    logging.getLogger("mcp.server.streamable_http").addFilter(_is_error)

    async def end() -> None:
        serving.should_exit = True
        await desk.drain(grace)
        # The streams that wait for nothing end with this, and uvicorn takes each for a fault.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        serving.handle_exit(signal.SIGTERM, None)

    await serve_until_signal(serving.serve(sockets=[listener]), end)


def _protection(host: str) -> TransportSecuritySettings | None:
    if not is_loopback_host(host):
        return None
    names = dict.fromkeys((*LOOPBACK, bracket_host(host)))
    hosts = [form for name in names for form in (name, f"{name}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{form}" for form in hosts]
    )


@dataclass(frozen=True, kw_only=True)
class KeyGuard:
    """Lets requests through that carry a key; a session belongs to the key that opened it."""

    app: ASGIApp
    keys: ApiKeyStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await asyncio.to_thread(self.keys.load)
        except ConfigError as error:
            get_logger().error("the keys cannot be read", error=str(error))
            await PlainTextResponse("The keys cannot be read", 503)(scope, receive, send)
            return
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        owner = self.keys.lookup(key.strip()) if scheme.lower() == "bearer" else None
        if owner is None:
            told = {"WWW-Authenticate": "Bearer"}
            refusal = PlainTextResponse("A key is needed: Authorization: Bearer KEY", 401, told)
            await refusal(scope, receive, send)
            return
        user = AuthenticatedUser(AccessToken(token="", client_id=owner, scopes=[]))
        await self.app({**scope, "user": user}, receive, send)
