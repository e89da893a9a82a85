"""Chat completion requests to one endpoint, and the stream of their responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from a2r._internal.idle_timer import IdleTimer
from a2r._internal.reasoning import ReasoningPart
from a2r._internal.request_ids import REQUEST_ID_HEADER
from a2r._internal.urls import join_url
from a2r.inference.transport.http_sessions import HttpSessions, read_limited
from a2r.inference.transport.sse import BYTE_ORDER_MARK, EventDecoder, parse_json
from a2r.inference.transport.stream_accumulator import (
    ErrorInStreamError,
    MalformedReplyError,
    StreamAccumulator,
)

BATCH_BYTES = 1 << 14
MAX_REPLY_BYTES = 64 << 20
UNEXPECTED_VALUES = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
EVENT = b"data:"
STREAM_STARTS = (b"data:", b"event:", b"error:", b"id:", b"retry:", b":")
# After `[DONE]`, only the end of the HTTP body is left to read.
END_SECONDS = 1.0
StreamOptions = Literal["continuous", "final", "none"]
FALLBACKS: Mapping[StreamOptions, StreamOptions] = {"continuous": "final", "final": "none"}
OPTIONS: Mapping[StreamOptions, dict[str, bool]] = {
    "continuous": {"include_usage": True, "continuous_usage_stats": True},
    "final": {"include_usage": True},
    "none": {},
}


class BrokenStreamError(Exception):
    """The stream ended without a finish reason and without `[DONE]`."""


class IdleTimeoutError(Exception):
    """The stream started and then sent nothing for `idle_timeout` seconds."""


@dataclass
class StreamCapabilities:
    """The stream options that an endpoint supports; `continuous` is specific to vLLM."""

    options: StreamOptions = "continuous"

    def downgrade(self, message: str, requested: StreamOptions) -> bool:
        """Drop the option that an error message names; return whether a retry makes sense.

        `requested` is what the rejected request was sent with: of several requests that are
        rejected at once, only the first changes the options.
        """
        if "stream_options" not in message and "continuous_usage_stats" not in message:
            return False
        if self.options == requested:
            self.options = FALLBACKS.get(requested, requested)
        return self.options != requested


@dataclass(frozen=True, kw_only=True)
class CompletionTransport:
    """Sends chat completion requests to one endpoint.

    `idle_timeout` is how many seconds a stream may send nothing after its first data;
    `capabilities` are those of the endpoint, shared by all its requests.
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
        accumulator: StreamAccumulator,
        *,
        emit_deltas: bool,
        request_id: str | None = None,
    ) -> AsyncGenerator[ReasoningPart, None]:
        """Send a request and read its response into `accumulator`.

        If `watched`, yield the delta of each read; otherwise yield nothing and decode the stream
        in batches, which takes a tenth of the CPU.

        Raises:
            StatusError: the server responded with an error status.
            ErrorInStreamError: the server sent an error in place of a chunk.
            MalformedReplyError: the response is not a chat completion.
            BrokenStreamError: the stream ended without a finish reason and without `[DONE]`.
            IdleTimeoutError: the stream sent nothing for `idle_timeout` seconds.
            aiohttp.ClientError: the connection failed.
        """
        body = json.dumps(self._with_stream_options(payload)).encode()
        url = join_url(self.base_url, "/chat/completions")
        id_header = {} if request_id is None else {REQUEST_ID_HEADER: request_id}
        async with self.http.post(
            url, {**self.headers, **id_header}, body, accumulator
        ) as response:
            if response.content_type != "text/event-stream":
                _add_full_reply(
                    await read_limited(response, MAX_REPLY_BYTES), response, accumulator
                )
            else:
                accumulator.streamed = True
                is_awaited = emit_deltas or accumulator.on_first_choice is not None
                decoder = EventDecoder(batch=1 if is_awaited else BATCH_BYTES)
                async for _ in _read_stream(response, decoder, accumulator, self.idle_timeout):
                    if emit_deltas:
                        yield accumulator.take_delta()
                _check_end(decoder, accumulator)
        if emit_deltas:
            yield accumulator.take_delta()
            yield accumulator.flush()

    def _with_stream_options(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        if not self.stream:
            return dict(payload)
        options = OPTIONS[self.capabilities.options]
        stream_options: dict[str, Any] = {"stream_options": options} if options else {}
        return {**payload, "stream": True, **stream_options}


async def _read_stream(
    response: aiohttp.ClientResponse,
    decoder: EventDecoder,
    accumulator: StreamAccumulator,
    idle_timeout: float,
) -> AsyncIterator[None]:
    """Read a stream into the accumulator; yield after every read."""
    timer: IdleTimer | None = None
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        response.close()

    try:
        async for data in response.content.iter_any():
            # The time to the first data is limited by deadline.call.
            if timer is not None:
                timer.touch()
            elif not response.content.is_eof():
                timer = IdleTimer(idle_timeout, expire)
            accumulator.events += data.count(EVENT)
            _add_chunks(decoder.feed(data), decoder, accumulator)
            yield
            if decoder.done:
                await _read_to_end(response)
                break
    except BaseException as error:
        # Tokens that were received before the interruption are counted.
        with suppress(MalformedReplyError, ErrorInStreamError):
            received = _unread(response) if isinstance(error, asyncio.CancelledError) else b""
            _add_chunks(decoder.feed(received) + decoder.finish(), decoder, accumulator)
        if expired and isinstance(error, Exception):
            raise IdleTimeoutError from error
        raise
    finally:
        if timer is not None:
            timer.stop()
    _add_chunks(decoder.finish(), decoder, accumulator)
    if expired:
        raise IdleTimeoutError


def _unread(response: aiohttp.ClientResponse) -> bytes:
    """Return the data that arrived in the step that cancelled its reader."""
    # aiohttp refuses to read from a connection that failed.
    return response.content.read_nowait() if response.content.exception() is None else b""


def _add_chunks(values: list[Any], decoder: EventDecoder, accumulator: StreamAccumulator) -> None:
    for value in values:
        _add_chunk(value, accumulator)
    if decoder.malformed:
        raise MalformedReplyError("invalid JSON in stream")
    if decoder.done:
        accumulator.end()


def _add_chunk(chunk: object, accumulator: StreamAccumulator) -> None:
    try:
        accumulator.add(chunk)
    except MalformedReplyError:
        raise
    except UNEXPECTED_VALUES as error:
        raise MalformedReplyError(f"unexpected value: {error}") from error


def _add_full_reply(
    body: bytes, response: aiohttp.ClientResponse, accumulator: StreamAccumulator
) -> None:
    if body.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(STREAM_STARTS):
        # A stream without its content type.
        accumulator.streamed = True
        decoder = EventDecoder()
        _add_chunks(decoder.feed(body) + decoder.finish(), decoder, accumulator)
        _check_end(decoder, accumulator)
        return
    if not body.strip():
        raise MalformedReplyError("an empty response")
    try:
        completion = parse_json(body)
    except (ValueError, RecursionError) as error:
        raise MalformedReplyError(f"invalid JSON in {response.content_type}") from error
    _add_chunk(completion, accumulator)
    accumulator.adopt_other_choice()
    accumulator.end()
    accumulator.check_choices()


def _check_end(decoder: EventDecoder, accumulator: StreamAccumulator) -> None:
    """Check the end of a stream.

    Raises:
        MalformedReplyError: it ended without any choice.
        ErrorInStreamError: its finish reason is an error of the server.
        BrokenStreamError: it ended without a finish reason and without `[DONE]`.
    """
    accumulator.adopt_other_choice()
    if decoder.done:
        accumulator.end()
    if decoder.done or accumulator.skipped:
        accumulator.check_choices()
    if accumulator.finish_reason is None:
        raise BrokenStreamError
    accumulator.check_choices()


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Read to the end of the body, so that the connection can be reused."""
    if response.content.is_eof():
        await response.content.read()
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await response.content.read()
