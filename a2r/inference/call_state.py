"""One call over its attempts, and the reply it ends in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.reasoning_parser import ReasoningPart
from a2r.inference.call_errors import CallError
from a2r.inference.transport.completion_request import StreamOptions
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import STATUS_BY_FINISH_REASON, CallProgress, ModelReply, Request
from a2r.result import ErrorType
from a2r.usage import Usage

OnProgress = Callable[[CallProgress], None]
NOTHING = Usage()


class CallFailedError(Exception):
    """One request of a call failed; `free` says that the failure used up none of its retries."""

    def __init__(self, fault: CallError, *, free: bool = False) -> None:
        super().__init__(fault.message)
        self.error = fault
        self.free = free


class CallRejectedError(Exception):
    """A request was kept from being sent, for a reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Call:
    """The state of one call over its attempts.

    `tried` names the endpoint of each request; `paid` counts the failures that used up a retry,
    `asked` are the stream options that its last request was sent with; `refused_since` is when
    the first of the failures came that used up none; `max_tokens` is the limit of the reply where
    a context has no room for the role's own.
    """

    request: Request
    started: float
    usage: Usage = NOTHING
    endpoint: str | None = None
    transcript: StreamAccumulator = field(default_factory=StreamAccumulator)
    tried_endpoints: list[str] = field(default_factory=list)
    retries_used: int = 0
    stream_options: StreamOptions = "continuous"
    waiting_since: float | None = None
    last_error: CallError | None = None
    max_tokens: int | None = None

    def seconds(self) -> float:
        """Wall time since the call began."""
        return time.monotonic() - self.started

    def record_failure(self, fault: CallError, *, free: bool, answered_at: float) -> None:
        """Note a failure of a request, to an endpoint that last answered anybody at `answered_at`.

        While the endpoint answers others, it is only a matter of waiting.
        """
        self.last_error = fault
        self.retries_used += not free
        if self.waiting_since is not None and answered_at > self.waiting_since:
            self.waiting_since = None
        if free and self.waiting_since is None:
            self.waiting_since = time.monotonic()

    def reduce_max_tokens(self, fault: CallError, limit: int | None) -> bool:
        """Ask for a shorter reply from now on, where that is all that a context lacks room for.

        `limit` is the role's own; returns whether it is worth asking again.
        """
        asked = self.max_tokens or limit
        if fault.room is None or asked is None or fault.room >= asked:
            return False
        self.max_tokens = fault.room
        return True

    def overrides(self) -> dict[str, Any]:
        """What its next request asks for beside its role's sampling."""
        own = {**self.request.overrides(), "max_tokens": self.max_tokens}
        return {name: value for name, value in own.items() if value is not None}

    def waiting_seconds(self) -> float:
        """For how many seconds endpoints have kept it waiting that answered nobody else either."""
        return 0.0 if self.waiting_since is None else time.monotonic() - self.waiting_since

    def progress(self, piece: ReasoningPart) -> CallProgress:
        """How far the call is, with what a piece of the stream added."""
        return CallProgress(
            text=piece.answer,
            thinking=piece.thinking,
            deltas=self.transcript.deltas,
            seconds=self.seconds(),
            attempt=max(1, len(self.tried_endpoints)),
        )

    def request_id(self) -> str | None:
        """What names its request under way to the endpoint: each of a call's has its own."""
        name, again = self.request.id, len(self.tried_endpoints) - 1
        return f"{name}-again-{again}" if name and again > 0 else name

    def attempts_suffix(self) -> str:
        """How often it was tried, where that is more than once."""
        attempts = len(self.tried_endpoints)
        return f" (after {attempts} attempts)" if attempts > 1 else ""


def finished_reply(call: Call) -> ModelReply:
    """The reply of a call whose last request came back whole."""
    transcript = call.transcript
    text, thinking = transcript.split()
    status = STATUS_BY_FINISH_REASON.get(transcript.finish_reason or "", "answered")
    return ModelReply(
        status=status if text or status != "answered" else "abstained",
        text=text,
        thinking=thinking,
        finish_reason=transcript.finish_reason,
        usage=call.usage,
        reasoning_tokens=transcript.reasoning_tokens(),
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error_type="content_filter" if transcript.finish_reason == "content_filter" else None,
    )


def failed_reply(call: Call, fault: CallError) -> ModelReply:
    """The reply of a call whose last request failed."""
    text, thinking = call.transcript.split()
    return ModelReply(
        status="failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint}: {fault.message}{call.attempts_suffix()}",
        error_type=fault.error_type,
    )


def cancelled_reply(call: Call, reason: str, fault: ErrorType) -> ModelReply:
    """The reply of a call that was ended from outside, or kept from going on."""
    text, thinking = call.transcript.split()
    return ModelReply(
        status="cancelled",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=reason,
        error_type=fault,
    )


def timed_out_reply(call: Call, *, question: bool) -> ModelReply:
    """The reply of a call that a deadline ended: the question's, or the sample's own."""
    text, thinking = call.transcript.split()
    limit = "the question's deadline passed" if question else "the sample's deadline passed"
    last = (
        f"; before that: {call.last_error.message}{call.attempts_suffix()}"
        if call.last_error
        else ""
    )
    return ModelReply(
        status="cancelled" if question else "failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint or 'no endpoint'}: {limit}{last}",
        error_type="deadline",
    )
