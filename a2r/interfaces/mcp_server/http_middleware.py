"""Middleware of the HTTP transport: API keys and closed sessions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import anyio
from cachetools import LRUCache
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2r._internal.logging import get_logger
from a2r.errors import ConfigError
from a2r.interfaces.http.api_keys import ApiKeyStore

CLOSED_SESSION_ERRORS = (anyio.ClosedResourceError, anyio.BrokenResourceError)
SESSION_HEADER = "mcp-session-id"
MAX_SESSIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class ApiKeyMiddleware:
    """Rejects requests without a valid key; a session belongs to the key that opened it.

    The SDK checks the owner of a session only in newer versions.
    """

    app: ASGIApp
    keys: ApiKeyStore
    _owners: LRUCache[str, str] = field(default_factory=lambda: LRUCache(MAX_SESSIONS))

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
        session = Headers(scope=scope).get(SESSION_HEADER)
        if session is not None and self._owners.get(session) != owner:
            await PlainTextResponse("There is no such session", 404)(scope, receive, send)
            return

        async def send_and_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                opened = Headers(raw=message["headers"]).get(SESSION_HEADER)
                if opened is not None:
                    self._owners.setdefault(opened, owner)
            await send(message)

        user = AuthenticatedUser(AccessToken(token="", client_id=owner, scopes=[]))
        await self.app({**scope, "user": user}, receive, send_and_record)


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
