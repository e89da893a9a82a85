"""The HTTP sessions of one event loop, and requests over them."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from a2r._internal.urls import is_loopback_url, strip_credentials
from a2r.inference.transport.credentials import NO_KEY
from a2r.inference.transport.stream_accumulator import StreamAccumulator

CONNECT_SECONDS = 10.0
# uvicorn, and so vLLM, closes a connection that is idle for 5 s; a request on a connection that is
# just being closed is lost.
KEEP_ALIVE_SECONDS = 3.0
MAX_ERROR_BYTES = 1 << 16
MAX_BODY_BYTES = 16 << 20
RESETS = (errno.ECONNRESET, errno.EPIPE)
# A host that vanishes is noticed after a minute instead of the kernel's default of two hours.
KEEP_ALIVE_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class StatusError(Exception):
    """A response whose status is not 2xx; `body` is its JSON, else its text."""

    def __init__(self, status: int, reason: str, body: object, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.body = body
        self.headers = headers


@dataclass
class HttpSessions:
    """Sessions that live as long as their event loop.

    One session uses the proxies of the environment; the other, for loopback hosts, uses none. The
    user and password of a URL are removed from requests: pass them in `headers`.
    """

    _sessions: dict[bool, aiohttp.ClientSession] = field(default_factory=dict)
    _lifetimes: list[AsyncGenerator[None, None]] = field(default_factory=list)

    async def get(self, url: str, headers: Mapping[str, str], seconds: float) -> object:
        """Return the JSON (else the text) of a URL.

        Raises:
            TimeoutError: the response did not complete within `seconds`.
            StatusError: the server responded with an error status.
            aiohttp.ClientError: the request failed.
        """
        return await self.request_json(url, headers, seconds, None)

    async def request_json(
        self, url: str, headers: Mapping[str, str], seconds: float, payload: object
    ) -> object:
        """Like `get`, but POST `payload` as JSON unless it is `None`."""
        session = await self._session(url)
        method, body = ("GET", None) if payload is None else ("POST", json.dumps(payload))
        async with (
            asyncio.timeout(seconds),
            session.request(
                method,
                strip_credentials(url),
                headers=headers,
                data=body,
                allow_redirects=False,
            ) as response,
        ):
            await _raise_for_status(response)
            return _parse_json(await read_limited(response, MAX_BODY_BYTES))

    @asynccontextmanager
    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, accumulator: StreamAccumulator
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """POST a body and yield the response; leaving before its end closes the connection.

        Raises:
            StatusError: the server responded with an error status.
            aiohttp.ClientError: the request failed.
        """
        session = await self._session(url)
        payload = _Body(body, accumulator)
        try:
            async with session.post(
                strip_credentials(url), headers=headers, data=payload, allow_redirects=False
            ) as response:
                accumulator.response_started = True
                try:
                    await _raise_for_status(response)
                    yield response
                finally:
                    if not response.content.at_eof():
                        response.close()
        except (aiohttp.ClientError, OSError) as error:
            accumulator.was_reset = _is_reset(error) or _is_reset(payload.connection_error())
            raise

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        while self._lifetimes:
            await self._lifetimes.pop().aclose()
        self._sessions.clear()

    async def _session(self, url: str) -> aiohttp.ClientSession:
        loopback = is_loopback_url(url)
        if loopback not in self._sessions:
            session = _create_session(trust_env=not loopback)
            self._sessions[loopback] = session
            lifetime = _close_on_loop_shutdown(session)
            self._lifetimes.append(lifetime)
            await anext(lifetime)
        return self._sessions[loopback]


def _create_session(*, trust_env: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS, socket_factory=_create_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trust_env=trust_env,
    )


class _Body(aiohttp.BytesPayload):
    """A request body that sets `request_sent` of its accumulator when it has been written."""

    def __init__(self, value: bytes, accumulator: StreamAccumulator) -> None:
        super().__init__(value)
        self._accumulator = accumulator
        self._connection: object = None

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        self._connection = getattr(writer, "protocol", None)
        await super().write_with_length(writer, content_length)
        self._accumulator.request_sent = True
        if self._accumulator.on_sent is not None:
            self._accumulator.on_sent()

    def connection_error(self) -> BaseException | None:
        """Return the exception that ended the connection, if aiohttp exposes it."""
        exception = getattr(self._connection, "exception", None)
        error = exception() if callable(exception) else None
        return error if isinstance(error, BaseException) else None


def _create_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    sock = socket.socket(family=family, type=kind, proto=protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE_OPTIONS.items():
        # macOS and Windows do not have all of them.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def _is_reset(error: BaseException | None) -> bool:
    """Whether the server reset the connection, as a kernel does if data is left unread."""
    while error is not None:
        # aiohttp raises its own reset errors, without errno, for connections that closed cleanly.
        if getattr(error, "errno", None) in RESETS:
            return True
        error = error.__cause__ or error.__context__
    return False


async def _close_on_loop_shutdown(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    # A loop finalizes its started generators at shutdown (`shutdown_asyncgens`): the last moment
    # at which a session that lives as long as its loop can be closed.
    try:
        yield
    finally:
        await session.close()


async def read_limited(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body of a response, cut off after about `max_bytes`."""
    parts, size = [], 0
    async for data in response.content.iter_any():
        parts.append(data)
        size += len(data)
        if size > max_bytes:
            break
    return b"".join(parts)


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if 200 <= response.status < 300:
        return
    body = await read_limited(response, MAX_ERROR_BYTES)
    secret = response.request_info.headers.get("Authorization", "").rpartition(" ")[2]
    if secret and secret != NO_KEY:
        # Some servers repeat the key that they reject.
        body = body.replace(secret.encode(), b"[key]")
    raise StatusError(response.status, response.reason or "", _parse_json(body), response.headers)


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
