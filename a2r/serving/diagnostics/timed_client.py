"""Send requests to one endpoint as a role does, and measure the latency."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from a2r._internal.reasoning import ReasoningPart
from a2r._internal.urls import join_url
from a2r.config import RoleConfig
from a2r.config.roles import SamplingConfig
from a2r.inference.call_errors import (
    Redaction,
    connection_error_reason,
    is_complete_despite,
    to_call_error,
)
from a2r.inference.endpoint_api import or_none, parse_model_list, prompt_tokens
from a2r.inference.transport.completion_request import StreamCapabilities
from a2r.inference.transport.credentials import redact_request
from a2r.inference.transport.loop_clients import LoopClients, headers
from a2r.inference.transport.stream_accumulator import (
    MalformedReplyError,
    StreamAccumulator,
    count_or_none,
)
from a2r.inference.types import ChatMessage

MODELS_TIMEOUT_SECONDS = 15.0


class EndpointError(Exception):
    """A request to an endpoint failed; `status` is the HTTP status of the response, if any."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class TimedReply:
    """A reply and its timing: `first`, `last` and `end` are seconds since the request.

    `continuous_usage` is true if the endpoint reports usage during the stream.
    """

    transcript: StreamAccumulator = field(default_factory=StreamAccumulator)
    first: float | None = None
    last: float | None = None
    end: float | None = None
    continuous_usage: bool = False
    _started: float = field(default_factory=time.monotonic)

    @property
    def tokens(self) -> int | None:
        """The completion tokens that the endpoint reports; `None` if it reports none."""
        return count_or_none(self.transcript.reported_usage.get("completion_tokens"))

    @property
    def first_or_end(self) -> float | None:
        """Seconds to the first visible token; to the end of a reply without one."""
        return self.end if self.first is None else self.first

    @property
    def speed(self) -> float | None:
        """Tokens per second after the first token; `None` if there are too few tokens."""
        count = self.transcript.deltas if self.tokens is None else self.tokens
        if not self.transcript.streamed or self.first is None or self.last is None or count < 2:
            return None
        seconds = self.last - self.first
        return (count - 1) / seconds if seconds > 0 else None

    def on_delta(self, _: ReasoningPart) -> None:
        """Record the arrival of a chunk."""
        self.last = time.monotonic() - self._started
        self.first = self.last if self.first is None else self.first
        transcript = self.transcript
        streaming = transcript.streamed and transcript.finish_reason is None
        if streaming and self.tokens is not None and not transcript.usage_stale:
            self.continuous_usage = True

    def finish(self) -> None:
        """Record the end of the reply."""
        self.end = time.monotonic() - self._started


@dataclass(frozen=True, kw_only=True)
class TimedClient:
    """A client of one endpoint with the settings of a role.

    `reply_seconds` limits a reply, `idle_timeout` the seconds between two of its chunks.
    """

    clients: LoopClients
    endpoint: str
    role: RoleConfig
    reply_seconds: float
    idle_timeout: float
    capabilities: StreamCapabilities = field(default_factory=StreamCapabilities)

    async def models(self) -> dict[str, int | None]:
        """The models that the endpoint lists, each with its context length in tokens if known.

        Raises:
            EndpointError: the request failed, or the endpoint answered with an error.
        """
        url = join_url(self.endpoint, "/models")
        try:
            response = await self.clients.http.get(url, self._headers(), MODELS_TIMEOUT_SECONDS)
        except Exception as error:
            raise self._to_endpoint_error(error, MODELS_TIMEOUT_SECONDS) from error
        return parse_model_list(response) or {}

    async def tokenize(self, messages: Sequence[ChatMessage]) -> tuple[int, int] | None:
        """The prompt tokens and the context length, from vLLM's `/tokenize`; `None` without it."""
        http, model = self.clients.http, self.role.model
        return await or_none(prompt_tokens(http, self.endpoint, self._headers(), model, messages))

    async def chat(self, messages: Sequence[ChatMessage], sampling: SamplingConfig) -> TimedReply:
        """The reply to a chat request with other sampling settings than the role's.

        Like the inference client, it leaves out request options that the endpoint does not support.

        Raises:
            EndpointError: the request failed, was refused, or the response is malformed.
        """
        role = self.role.with_sampling(sampling)
        while True:
            options = self.capabilities.options
            try:
                return await self._send(role, messages)
            except EndpointError as error:
                # The endpoint may accept the request with fewer options.
                refused = error.status in (400, 422)
                if not (refused and self.capabilities.downgrade(str(error), options)):
                    raise

    async def _send(self, role: RoleConfig, messages: Sequence[ChatMessage]) -> TimedReply:
        model = self.clients.chat_model(role, self.endpoint, self.capabilities, self.idle_timeout)
        seed: dict[str, Any] = {}
        if role.sampling.seed is not None:
            seed["seed"] = role.sampling.seed
        reply = TimedReply()
        try:
            async with asyncio.timeout(self.reply_seconds):
                asked = [dict(message) for message in messages]
                await model.run(asked, reply.transcript, reply.on_delta, **seed)
        except Exception as error:
            if not is_complete_despite(to_call_error(error), reply.transcript):
                raise self._to_endpoint_error(error, self.reply_seconds) from error
        reply.finish()
        return reply

    def _headers(self) -> Mapping[str, str]:
        return headers(self.role, self.endpoint)

    def _to_endpoint_error(self, error: Exception, seconds: float) -> EndpointError:
        redacted = partial(redact_request, role=self.role, url=self.endpoint)
        return EndpointError(_error_message(error, seconds, redacted), to_call_error(error).status)


def _error_message(error: Exception, seconds: float, redacted: Redaction) -> str:
    if reason := connection_error_reason(error):
        return reason
    match error:
        case TimeoutError():
            return f"no response within {seconds:g} s"
        case MalformedReplyError():
            return redacted(str(error))
    return to_call_error(error, redacted).message
