"""Keys in front of the HTTP transport."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from a2r.errors import ConfigError
from a2r.logs import get_logger
from a2r.server.keys import KeyRing


@dataclass(frozen=True, kw_only=True)
class KeyGuard:
    """Lets requests through that carry a key; a session belongs to the key that opened it."""

    app: ASGIApp
    keys: KeyRing

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
        owner = self.keys.owner(key.strip()) if scheme.lower() == "bearer" else None
        if owner is None:
            told = {"WWW-Authenticate": "Bearer"}
            refusal = PlainTextResponse("A key is needed: Authorization: Bearer KEY", 401, told)
            await refusal(scope, receive, send)
            return
        user = AuthenticatedUser(AccessToken(token="", client_id=owner, scopes=[]))
        await self.app({**scope, "user": user}, receive, send)
