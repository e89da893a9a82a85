"""One endpoint as a role of a run asks it, and how fast it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.reasoning_parser import ReasoningPart
from a2r.config import RoleConfig
from a2r.config.roles import SamplingConfig
from a2r.inference.call_errors import connection_error_reason, is_complete_despite, to_call_error
from a2r.inference.endpoint_api import or_none, parse_model_list, prompt_tokens
from a2r.inference.transport.completion_request import StreamCapabilities
from a2r.inference.transport.credentials import redact_key
from a2r.inference.transport.loop_clients import LoopClients, headers
from a2r.inference.transport.stream_accumulator import (
    MalformedReplyError,
    StreamAccumulator,
    count_or_none,
)
from a2r.inference.types import ChatMessage

ANSWER_SECONDS = 15.0


class EndpointError(Exception):
    """An endpoint could not be asked, or refused; `status` is its HTTP status, if it had one."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class TimedReply:
    """A reply and when it came: `first`, `last` and `end` are seconds since the request.

    `counted_along` says that the tokens spent were told while the reply was under way.
    """

    transcript: StreamAccumulator = field(default_factory=StreamAccumulator)
    first: float | None = None
    last: float | None = None
    end: float | None = None
    continuous_usage: bool = False
    _started: float = field(default_factory=time.monotonic)

    @property
    def tokens(self) -> int | None:
        """The tokens of the reply as the endpoint told them."""
        return count_or_none(self.transcript.reported_usage.get("completion_tokens"))

    @property
    def first_or_end(self) -> float | None:
        """Seconds to the first token; to the end where the only one was a tag that is not shown."""
        return self.end if self.first is None else self.first

    @property
    def speed(self) -> float | None:
        """Tokens a second after the first one; `None` where too little came to tell."""
        count = self.transcript.deltas if self.tokens is None else self.tokens
        if not self.transcript.streamed or self.first is None or self.last is None or count < 2:
            return None
        seconds = self.last - self.first
        return (count - 1) / seconds if seconds > 0 else None

    def on_delta(self, _: ReasoningPart) -> None:
        """A piece of it came."""
        self.last = time.monotonic() - self._started
        self.first = self.last if self.first is None else self.first
        transcript = self.transcript
        under_way = transcript.streamed and transcript.finish_reason is None
        if under_way and self.tokens is not None and not transcript.usage_stale:
            self.continuous_usage = True

    def finish(self) -> None:
        """All of it is there."""
        self.end = time.monotonic() - self._started


@dataclass(frozen=True, kw_only=True)
class TimedClient:
    """An endpoint and the role that asks it.

    A reply may take `reply_seconds`, and once begun bring nothing for `silence` of them.
    """

    clients: LoopClients
    endpoint: str
    role: RoleConfig
    reply_seconds: float
    idle_timeout: float
    capabilities: StreamCapabilities = field(default_factory=StreamCapabilities)

    async def models(self) -> dict[str, int | None]:
        """The models that the endpoint lists, each with its context in tokens if that is told.

        Raises:
            EndpointFault: it could not be asked, or answered with an error.
        """
        url, sent = f"{self.endpoint}/models", headers(self.role, self.endpoint)
        try:
            listing = await self.clients.http.get(url, sent, ANSWER_SECONDS)
        except Exception as error:
            raise self._post(error, ANSWER_SECONDS) from error
        return parse_model_list(listing) or {}

    async def tokenized(self, messages: Sequence[ChatMessage]) -> tuple[int, int] | None:
        """The tokens of a prompt and of the context, as vLLM's `/tokenize` counts."""
        sent = headers(self.role, self.endpoint)
        return await or_none(
            prompt_tokens(self.clients.http, self.endpoint, sent, self.role.model, messages)
        )

    async def chat(self, messages: Sequence[ChatMessage], sampling: SamplingConfig) -> TimedReply:
        """The reply to a request with the role's other settings, in the endpoint's own dialect.

        Raises:
            EndpointFault: it could not be asked, refused, or sent what is no reply.
        """
        role = RoleConfig.model_validate({**self.role.model_dump(), "sampling": sampling})
        while True:
            asked = self.capabilities.options
            try:
                return await self._get(role, messages)
            except EndpointError as fault:
                # A refused request may be one of which a simpler form is understood.
                refused = fault.status in (400, 422)
                if not (refused and self.capabilities.downgrade(str(fault), asked)):
                    raise

    async def _get(self, role: RoleConfig, messages: Sequence[ChatMessage]) -> TimedReply:
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
                raise self._post(error, self.reply_seconds) from error
        reply.finish()
        return reply

    def _post(self, error: Exception, seconds: float) -> EndpointError:
        message = redact_key(_why(error, seconds), self.role, self.endpoint)
        return EndpointError(message, to_call_error(error).status)


def _why(error: Exception, seconds: float) -> str:
    """What went wrong, with the endpoint as the subject of the sentence."""
    if reason := connection_error_reason(error):
        return reason
    match error:
        case TimeoutError():
            return f"it did not answer within {seconds:g} s"
        case MalformedReplyError():
            return str(error)
    return to_call_error(error).message
