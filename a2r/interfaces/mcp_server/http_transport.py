"""MCP over streamable HTTP, with API keys."""

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

MCP_PATH = "/mcp"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
# Time to send the last responses after the runs have finished or been cancelled.
CLOSE_SECONDS = 2
CLOSED_SESSION_ERRORS = (anyio.ClosedResourceError, anyio.BrokenResourceError)


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: it would raise a handled signal again after its shutdown."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@dataclass(frozen=True, kw_only=True)
class IgnoreClosedSessions:
    """Ignores messages to a session whose client has just disconnected.

    The SDK accepts such a message with a response, then fails to deliver it to the session, and
    sends a second response.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        complete = False

        async def send_once(message: Message) -> None:
            nonlocal complete
            if not complete:
                await send(message)
            is_body = message["type"] == "http.response.body"
            complete = complete or (is_body and not message.get("more_body", False))

        try:
            await self.app(scope, receive, send_once)
        except* CLOSED_SESSION_ERRORS:
            get_logger().info("message to a closed session ignored")


def _is_relevant(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], CLOSED_SESSION_ERRORS)


def create_app(server: A2RMCPServer, host: str) -> ASGIApp:
    """The server as an ASGI application, which can be run once.

    On a loopback host it rejects foreign `Host` and `Origin` headers, so that web pages cannot
    reach it through a browser (DNS rebinding).
    """
    app = server.streamable_http_app(
        streamable_http_path=MCP_PATH, host=host, transport_security=_transport_security(host)
    )
    return IgnoreClosedSessions(app=app)


async def serve_http(
    app: ASGIApp, state: ServerState, listener: socket.socket, *, grace: float
) -> None:
    """Serve clients until a signal; running calls then have `grace` seconds to finish."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(grace) + CLOSE_SECONDS,
    )
    uvicorn_server = _Uvicorn(config)
    logging.getLogger("mcp.server.streamable_http").addFilter(_is_relevant)

    async def shut_down() -> None:
        uvicorn_server.should_exit = True
        await state.drain(grace)
        # This closes the idle event streams, each of which uvicorn would log as an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        uvicorn_server.handle_exit(signal.SIGTERM, None)

    await serve_until_signal(uvicorn_server.serve(sockets=[listener]), shut_down)


def _transport_security(host: str) -> TransportSecuritySettings | None:
    if not is_loopback_host(host):
        return None
    names = dict.fromkeys((*LOOPBACK_HOSTS, bracket_host(host)))
    hosts = [pattern for name in names for pattern in (name, f"{name}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{pattern}" for pattern in hosts]
    )


@dataclass(frozen=True, kw_only=True)
class ApiKeyMiddleware:
    """Rejects requests without a valid key; a session belongs to the key that opened it."""

    app: ASGIApp
    keys: ApiKeyStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or reject it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await asyncio.to_thread(self.keys.load)
        except ConfigError as error:
            get_logger().error("cannot read key file", error=str(error))
            response = PlainTextResponse("The server cannot check API keys at the moment", 503)
            await response(scope, receive, send)
            return
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        owner = self.keys.lookup(key.strip()) if scheme.lower() == "bearer" else None
        if owner is None:
            headers = {"WWW-Authenticate": "Bearer"}
            message = "A valid API key is required: send 'Authorization: Bearer KEY'"
            await PlainTextResponse(message, 401, headers)(scope, receive, send)
            return
        user = AuthenticatedUser(AccessToken(token="", client_id=owner, scopes=[]))
        await self.app({**scope, "user": user}, receive, send)
