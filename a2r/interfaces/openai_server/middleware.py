"""The middleware: request ID and access log; origin, API key, and limits of the body."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2r._internal.logging import get_logger
from a2r._internal.request_ids import REQUEST_ID_HEADER
from a2r._internal.text import one_line
from a2r.errors import ConfigError
from a2r.interfaces.http.api_keys import ApiKeyStore
from a2r.interfaces.http.disconnect import ClientDisconnectedError
from a2r.interfaces.http.request_body import BodyTooLargeError, read_body, replay_body
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import (
    ApiError,
    body_timeout,
    body_too_large,
    internal_error,
    invalid_api_key,
    missing_api_key,
)
from a2r.interfaces.openai_server.completion_response import CLIENT_CLOSED_REQUEST, error_response
from a2r.interfaces.openai_server.metrics import Metrics
from a2r.interfaces.openai_server.origin_check import check_origin
from a2r.interfaces.openai_server.paths import normalize_path
from a2r.interfaces.openai_server.request_log import (
    SCOPE_KEY,
    RequestContext,
    get_request_context,
    new_request_context,
)

PROTECTED_PATHS = "/v1/"


@dataclass(frozen=True, kw_only=True)
class AccessLogMiddleware:
    """Assigns a request ID, counts each request, and logs one line when it ends."""

    app: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = new_request_context(Headers(scope=scope).get(REQUEST_ID_HEADER))
        scope[SCOPE_KEY] = context
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = context.request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:  # noqa: BLE001 - logged, and sent in the API's error format
            get_logger().exception("request failed", request_id=context.request_id)
            if not status:
                await error_response(internal_error(), context)(scope, receive, send_with_id)
        finally:
            self._log(scope, context, context.status or status or CLIENT_CLOSED_REQUEST)

    def _log(self, scope: Scope, context: RequestContext, status: int) -> None:
        model = context.model or ""
        seconds = context.seconds()
        self.metrics.requests.labels(model, str(status), str(context.stream).lower()).inc()
        if context.runs:
            self.metrics.seconds.labels(model, "request").observe(seconds)
        optional = {
            "key": context.key,
            "model": context.model,
            "run": ",".join(context.runs) or None,
            "decisions": ",".join(context.decisions) or None,
            "error": context.error,
        }
        # The tracker of the connections counts slow clients, which must not fill the log.
        log = get_logger().info if context.is_complete else get_logger().debug
        log(
            "request",
            method=scope["method"],
            path=one_line(scope["path"]),
            status=status,
            seconds=round(seconds, 3),
            request_id=context.request_id,
            **{name: value for name, value in optional.items() if value is not None},
        )


@dataclass(frozen=True, kw_only=True)
class AuthMiddleware:
    """Rejects requests to /v1 without a valid key, and bodies that are too large or too slow.

    Trailing slashes of the path are ignored. Without keys, when only this machine is served, it
    rejects foreign `Host` and `Origin` headers.
    """

    app: ASGIApp
    settings: ServerSettings
    keys: ApiKeyStore | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or reject it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = {**scope, "path": normalize_path(scope["path"])}
        try:
            if self.settings.loopback_only:
                check_origin(Headers(scope=scope), self.settings.cors_origins)
            if scope["path"].startswith(PROTECTED_PATHS):
                await self._check_key(scope)
            body = await self._body(scope, receive)
        except ApiError as error:
            await error_response(error, get_request_context(scope))(scope, receive, send)
            return
        except ClientDisconnectedError:
            context = get_request_context(scope)
            context.status, context.is_complete = CLIENT_CLOSED_REQUEST, False
            return
        await self.app(scope, replay_body(body, receive), send)

    async def _check_key(self, scope: Scope) -> None:
        if self.keys is None:
            return
        authorization = Headers(scope=scope).get("authorization", "")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise missing_api_key()
        try:
            await asyncio.to_thread(self.keys.load)
        except ConfigError as error:
            # Keys that were loaded before may have been revoked since: reject all requests.
            get_logger().error("cannot read key file", error=str(error))
            message = "The server cannot check API keys at the moment."
            raise ApiError(503, message, type="server_error", code="keys_unreadable") from error
        owner = self.keys.lookup(key.strip())
        if owner is None:
            raise invalid_api_key(key.strip())
        get_request_context(scope).key = owner

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Read the complete body within the limits, before the application sees the request."""
        limits = self.settings
        try:
            return await read_body(
                scope, receive, max_bytes=limits.body_bytes, seconds=limits.body_seconds
            )
        except BodyTooLargeError as error:
            raise body_too_large(limits.body_bytes) from error
        except TimeoutError as error:
            get_request_context(scope).is_complete = False
            raise body_timeout(limits.body_seconds) from error
