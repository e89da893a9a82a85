"""One exchange with an endpoint: a request goes out, its reply is read into a transcript."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from a2r._internal.idle_timer import IdleTimer
from a2r._internal.reasoning_parser import ReasoningPart
from a2r._internal.request_ids import REQUEST_ID_HEADER
from a2r.inference.transport.http_sessions import HttpSessions, read_limited
from a2r.inference.transport.sse import EventDecoder
from a2r.inference.transport.stream_accumulator import (
    ErrorInStreamError,
    MalformedReplyError,
    StreamAccumulator,
)

BATCH_BYTES = 1 << 14
MAX_REPLY_BYTES = 64 << 20
UNEXPECTED_VALUES = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
# After the stream has said that it is done, nothing but its formal end is still to come.
END_SECONDS = 1.0
StreamOptions = Literal["continuous", "final", "none"]
FALLBACKS: Mapping[StreamOptions, StreamOptions] = {"continuous": "final", "final": "none"}
OPTIONS: Mapping[StreamOptions, dict[str, bool]] = {
    "continuous": {"include_usage": True, "continuous_usage_stats": True},
    "final": {"include_usage": True},
    "none": {},
}


class BrokenStreamError(Exception):
    """A stream that ended without a finish reason."""


class IdleTimeoutError(Exception):
    """A stream that had begun and then brought nothing for too long."""


@dataclass
class StreamCapabilities:
    """Which stream options an endpoint understands; an OpenAI server knows no `continuous`."""

    options: StreamOptions = "continuous"

    def downgrade(self, told: str, asked: StreamOptions) -> bool:
        """Do without the option that a refusal names; whether it is worth asking again.

        `asked` is what the refused request was sent with: of several that are refused at once,
        the first one changes the dialect.
        """
        if "stream_options" not in told and "continuous_usage_stats" not in told:
            return False
        if self.options == asked:
            self.options = FALLBACKS.get(asked, asked)
        return self.options != asked


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """What an exchange needs to know of its endpoint: sessions, URL, headers, and dialect.

    `silence` is how many seconds a stream that has begun may bring nothing.
    """

    http: HttpSessions
    base_url: str
    headers: Mapping[str, str]
    stream: bool = True
    idle_timeout: float = 120.0
    capabilities: StreamCapabilities = field(default_factory=StreamCapabilities)

    async def stream_deltas(
        self,
        payload: Mapping[str, Any],
        transcript: StreamAccumulator,
        *,
        watched: bool,
        request_id: str | None = None,
    ) -> AsyncGenerator[ReasoningPart, None]:
        """Send a request and read its reply into the transcript.

        Gives what each read added where somebody watches; else nothing, and decodes the stream in
        batches, which costs a tenth.

        Raises:
            StatusError: the server refused.
            ErrorInStreamError, MalformedReplyError, BrokenStreamError, SilenceError: what it sent.
            aiohttp.ClientError: the connection failed.
        """
        body = json.dumps(self._with_stream(payload)).encode()
        url = f"{self.base_url}/chat/completions"
        own = {} if request_id is None else {REQUEST_ID_HEADER: request_id}
        async with self.http.post(url, {**self.headers, **own}, body, transcript) as response:
            if response.content_type != "text/event-stream":
                _add_full_reply(await read_limited(response, MAX_REPLY_BYTES), response, transcript)
            else:
                transcript.streamed = True
                decoder = EventDecoder(batch=1 if watched else BATCH_BYTES)
                async for _ in _read(response, decoder, transcript, self.idle_timeout):
                    if watched:
                        yield transcript.take_delta()
                if transcript.finish_reason is None:
                    raise BrokenStreamError
        if watched:
            yield transcript.take_delta()
            yield transcript.flush()

    def _with_stream(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        if not self.stream:
            return dict(payload)
        options = OPTIONS[self.capabilities.options]
        asked: dict[str, Any] = {"stream_options": options} if options else {}
        return {**payload, "stream": True, **asked}


async def _read(
    response: aiohttp.ClientResponse,
    decoder: EventDecoder,
    transcript: StreamAccumulator,
    silence: float,
) -> AsyncIterator[None]:
    """Read a stream into the transcript; gives a turn after every read."""
    timer: IdleTimer | None = None
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        response.close()

    try:
        async for data in response.content.iter_any():
            # Not before the first data: how long a server may take to begin is deadline.call.
            if timer is not None:
                timer.touch()
            elif not response.content.is_eof():
                timer = IdleTimer(silence, expire)
            _add(decoder.feed(data), decoder, transcript)
            yield
            if decoder.done:
                await _read_to_end(response)
                break
    except BaseException as error:
        # Tokens that were received before the interruption are counted.
        with suppress(MalformedReplyError, ErrorInStreamError):
            received = _unread(response) if isinstance(error, asyncio.CancelledError) else b""
            _add(decoder.feed(received) + decoder.finish(), decoder, transcript)
        if expired and isinstance(error, Exception):
            raise IdleTimeoutError from error
        raise
    finally:
        if timer is not None:
            timer.stop()
    _add(decoder.finish(), decoder, transcript)
    if expired:
        raise IdleTimeoutError


def _unread(response: aiohttp.ClientResponse) -> bytes:
    """Return the data that arrived in the step that cancelled its reader."""
    # aiohttp refuses to read from a connection that failed.
    return response.content.read_nowait() if response.content.exception() is None else b""


def _add(values: list[Any], decoder: EventDecoder, transcript: StreamAccumulator) -> None:
    for value in values:
        _add_chunk(value, transcript)
    if decoder.malformed:
        raise MalformedReplyError("its stream holds what is no JSON")


def _add_chunk(chunk: object, transcript: StreamAccumulator) -> None:
    try:
        transcript.add(chunk)
    except MalformedReplyError:
        raise
    except UNEXPECTED_VALUES as error:
        raise MalformedReplyError(f"an odd value in it: {error}") from error


def _add_full_reply(
    body: bytes, response: aiohttp.ClientResponse, transcript: StreamAccumulator
) -> None:
    if body.lstrip().startswith((b"data:", b"event:", b": ")):
        # A stream that is not called one.
        transcript.streamed = True
        decoder = EventDecoder()
        _add(decoder.feed(body) + decoder.finish(), decoder, transcript)
        if transcript.finish_reason is None:
            raise BrokenStreamError
        return
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise MalformedReplyError(f"{kind} in {response.content_type}") from error
    _add_chunk(whole, transcript)
    if transcript.choices == 0:
        raise MalformedReplyError("it holds no message")


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Read to the end, so that the connection can serve the next request."""
    if response.content.is_eof():
        await response.content.read()
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await response.content.read()
