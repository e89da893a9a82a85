"""Access from web pages of other origins (CORS), for the origins that the operator names."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from a2r._internal.request_ids import REQUEST_ID_HEADER
from a2r.interfaces.http.origins import is_allowed_origin

EXPOSED_HEADERS = (REQUEST_ID_HEADER, "Retry-After")


@dataclass(frozen=True, kw_only=True)
class CorsMiddleware:
    """Answers preflight requests of allowed origins, and adds the headers to every reply to them.

    A preflight request has no key, so this comes before the authentication. Requests of other
    origins pass unchanged.
    """

    app: ASGIApp
    allowing: CORSMiddleware
    origins: tuple[str, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        allowed = origin is not None and is_allowed_origin(origin, self.origins)
        await (self.allowing if allowed else self.app)(scope, receive, send)


def with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """The application with access from the web pages of these origins; unchanged without any."""
    if not origins:
        return app
    allowing = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=EXPOSED_HEADERS,
        allow_private_network=True,
    )
    return CorsMiddleware(app=app, allowing=allowing, origins=origins)
