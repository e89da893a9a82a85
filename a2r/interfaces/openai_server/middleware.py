"""What every request goes through: its id and log line, its key and origin, its body's size."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a2r._internal.logging import get_logger
from a2r._internal.request_ids import REQUEST_ID_HEADER
from a2r._internal.text import one_line
from a2r.errors import ConfigError
from a2r.interfaces.http.api_keys import ApiKeyStore
from a2r.interfaces.http.disconnect import ClientDisconnectedError
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import (
    ApiError,
    body_timeout,
    body_too_large,
    internal,
    no_key,
    wrong_key,
)
from a2r.interfaces.openai_server.completion_response import CLIENT_CLOSED_REQUEST, error_response
from a2r.interfaces.openai_server.metrics import Metrics
from a2r.interfaces.openai_server.origin_check import check_origin
from a2r.interfaces.openai_server.request_log import (
    STATE,
    RequestContext,
    get_request_context,
    new_request_context,
)

PROTECTED_PATHS = "/v1/"


@dataclass(frozen=True, kw_only=True)
class AccessLogMiddleware:
    """Gives each request an id, counts it, and writes a line when it is over."""

    app: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        note = new_request_context(Headers(scope=scope).get(REQUEST_ID_HEADER))
        scope[STATE] = note
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = note.request_id
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception:  # noqa: BLE001 - logged, and answered in the API's own shape
            get_logger().exception("request failed", request_id=note.request_id)
            if not status:
                await error_response(internal(), note)(scope, receive, sending)
        finally:
            self._write(scope, note, note.status or status or CLIENT_CLOSED_REQUEST)

    def _write(self, scope: Scope, note: RequestContext, status: int) -> None:
        model = note.model or ""
        seconds = note.seconds()
        self.metrics.requests.labels(model, str(status), str(note.stream).lower()).inc()
        if note.runs:
            self.metrics.seconds.labels(model, "request").observe(seconds)
        told = {
            "key": note.key,
            "model": note.model,
            "run": ",".join(note.runs) or None,
            "decisions": ",".join(note.decisions) or None,
            "error": note.error,
        }
        get_logger().info(
            "request",
            method=scope["method"],
            path=one_line(scope["path"]),
            status=status,
            seconds=round(seconds, 3),
            request_id=note.request_id,
            **{name: value for name, value in told.items() if value is not None},
        )


@dataclass(frozen=True, kw_only=True)
class AuthMiddleware:
    """Refuses requests to /v1 without a key, and bodies that are too big or too slow.

    Where there are no keys, because only this machine is served, all requests of others.
    """

    app: ASGIApp
    settings: ServerSettings
    keys: ApiKeyStore | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            if self.settings.is_loopback:
                check_origin(Headers(scope=scope))
            if scope["path"].startswith(PROTECTED_PATHS):
                await self._check_key(scope)
            body = await self._body(scope, receive)
        except ApiError as error:
            await error_response(error, get_request_context(scope))(scope, receive, send)
            return
        except ClientDisconnectedError:
            get_request_context(scope).status = CLIENT_CLOSED_REQUEST
            return
        await self.app(scope, _replay(body, receive), send)

    async def _check_key(self, scope: Scope) -> None:
        if self.keys is None:
            return
        given = Headers(scope=scope).get("authorization", "")
        scheme, _, key = given.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise no_key()
        try:
            await asyncio.to_thread(self.keys.load)
        except ConfigError as error:
            # What it held before may have been taken back: nobody gets in.
            get_logger().error("keys cannot be read", error=str(error))
            message = "The server cannot check API keys at the moment."
            raise ApiError(503, message, type="server_error", code="keys_unreadable") from error
        owner = self.keys.lookup(key.strip())
        if owner is None:
            raise wrong_key(key.strip())
        get_request_context(scope).key = owner

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body: it is read here, so that nothing bigger ever gets further."""
        most = self.settings.body_bytes
        told = Headers(scope=scope).get("content-length", "")
        if told.isascii() and told.isdigit() and int(told[:20]) > most:
            raise body_too_large(most)
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                return await _read(receive, most)
        except TimeoutError as error:
            raise body_timeout(self.settings.body_seconds) from error


async def _read(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise body_too_large(most)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """A receive channel that gives a body which was read, and then what comes after it."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return receiving
