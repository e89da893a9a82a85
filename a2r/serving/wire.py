"""What `a2r check` says to an endpoint over HTTP, and what it hears."""

from __future__ import annotations

import asyncio
import json
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp

from a2r.config import RoleConfig
from a2r.models.keys import api_key, without_key

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
LONGEST_MESSAGE = 300
LONGEST_BODY = 1 << 20
THINKING_FIELDS = ("reasoning", "reasoning_content")


class EndpointFault(Exception):  # noqa: N818 - a finding about an endpoint, no failure of a2r
    """An endpoint could not be asked, or refused; `status` is its HTTP status, if it had one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Streamed:
    """A reply as it came: `first`, `last` and `end` are seconds since the request."""

    first: float | None = None
    last: float | None = None
    end: float | None = None
    pieces: int = 0
    tokens: int | None = None
    counted_along: bool = False
    streamed: bool = True
    thinking: str = ""
    text: str = ""

    @property
    def first_or_end(self) -> float | None:
        """Seconds to the first token; to the end where the only one was a tag that is not shown."""
        return self.end if self.first is None else self.first

    @property
    def speed(self) -> float | None:
        """Tokens a second after the first one; `None` where too little came to tell."""
        count = self.pieces if self.tokens is None else self.tokens
        if not self.streamed or self.first is None or self.last is None or count < 2:
            return None
        seconds = self.last - self.first
        return (count - 1) / seconds if seconds > 0 else None

    def add(self, chunk: Mapping[str, Any], now: float) -> None:
        """Take one chunk of a stream, or a whole reply.

        Raises:
            EndpointFault: the chunk is an error.
        """
        if chunk.get("error"):
            raise EndpointFault(_told(chunk))
        usage = chunk.get("usage")
        choices = [each for each in _list(chunk.get("choices")) if isinstance(each, Mapping)]
        if isinstance(usage, Mapping) and isinstance(usage.get("completion_tokens"), int):
            self.tokens = usage["completion_tokens"]
            self.counted_along = self.counted_along or (self.streamed and bool(choices))
        for choice in choices:
            if choice.get("finish_reason"):
                self.end = now
            said = choice.get("delta") or choice.get("message")
            said = said if isinstance(said, Mapping) else {}
            thinking = next((str(said[name]) for name in THINKING_FIELDS if said.get(name)), "")
            text = str(said.get("content") or "")
            self.thinking += thinking
            self.text += text
            if thinking or text:
                self.pieces += 1
                self.first = now if self.first is None else self.first
                self.last = now


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One endpoint as a role asks it; user and password of its URL are in the headers."""

    session: aiohttp.ClientSession
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    role: RoleConfig

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> object:
        """The JSON that a path answers a GET with, or a POST where there is a body.

        `/tokenize` is beside the API's `/v1`, everything else below it.

        Raises:
            EndpointFault: it could not be asked, or answered with an error.
        """
        root = self.base_url.removesuffix("/v1") if path == "/tokenize" else self.base_url
        async with self._request(f"{root}{path}", body, ANSWER_SECONDS) as response:
            return await _read(response)

    async def chat(self, body: Mapping[str, Any], seconds: float) -> Streamed:
        """The reply to a chat request, read as it comes, `seconds` long at most.

        Raises:
            EndpointFault: it could not be asked, refused, or sent what is no reply.
        """
        begun = time.monotonic()
        reply = Streamed()
        async with self._request(f"{self.base_url}/chat/completions", body, seconds) as response:
            if response.content_type == "text/event-stream":
                async for event in _events(response):
                    reply.add(event, time.monotonic() - begun)
            else:
                reply.streamed = False
                whole = await _read(response)
                if not isinstance(whole, Mapping):
                    raise EndpointFault("its reply is no JSON object")
                reply.add(whole, time.monotonic() - begun)
        return reply

    @asynccontextmanager
    async def _request(
        self, url: str, body: Mapping[str, Any] | None, seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        method = "GET" if body is None else "POST"
        try:
            async with (
                asyncio.timeout(seconds),
                self.session.request(
                    method, url, json=body, headers=self.headers, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    told = _told(await _read(response))
                    message = f"HTTP {response.status}" + (f": {told}" if told else "")
                    raise EndpointFault(message, response.status)
                yield response
        except EndpointFault as fault:
            raise EndpointFault(without_key(str(fault), self.role), fault.status) from fault
        except aiohttp.ConnectionTimeoutError as error:
            raise EndpointFault(f"no connection within {CONNECT_SECONDS:g} s") from error
        except TimeoutError as error:
            raise EndpointFault(f"it did not answer within {seconds:g} s") from error
        except aiohttp.ClientError as error:
            raise EndpointFault(without_key(_why(error), self.role)) from error


def wire_to(
    endpoint: str, role: RoleConfig, sessions: Mapping[bool, aiohttp.ClientSession]
) -> Wire:
    """The wire to an endpoint, over the session without proxies (`True`) on this machine.

    Raises:
        ConfigError: the variable that the role's `api_key_env` names is not set.
    """
    parts = urlsplit(endpoint)
    authorization = f"Bearer {api_key(role)}"
    if parts.username is not None and role.api_key_env is None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        authorization = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    return Wire(
        session=sessions[_is_loopback(parts.hostname or "")],
        base_url=plain.geturl(),
        headers={"Authorization": authorization},
        role=role,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _read(response: aiohttp.ClientResponse) -> object:
    """The JSON of a body, its text where it is none; what is too long is cut."""
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LONGEST_BODY:
            break
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Mapping[str, Any]]:
    rest = b""
    async for piece in response.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > LONGEST_BODY:
            raise EndpointFault("its stream has no line ends")
        for line in lines:
            data = line.strip().removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            if line.startswith(b"data:") and data:
                try:
                    event = json.loads(data)
                except (ValueError, RecursionError) as error:
                    raise EndpointFault("its stream holds what is no JSON") from error
                if isinstance(event, Mapping):
                    yield event


def _told(body: object) -> str:
    """What an error's body says, on one line."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("detail") or json.dumps(error)
    line = " ".join(str(error or "").split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE - 1]}…"


def _why(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not trusted, or it speaks no TLS"
    if isinstance(error, aiohttp.ClientConnectorError):
        # The message names the address and Python's own words for a failed connect.
        number = error.os_error.errno
        return os.strerror(number).lower() if number and number > 0 else "it cannot be connected to"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection without an answer"
    return f"{type(error).__name__}: {_told(str(error))}"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
