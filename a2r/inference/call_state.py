"""The state of one call over its attempts, and its final reply."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.reasoning import ReasoningPart
from a2r.config import RoleConfig
from a2r.inference.call_errors import CallError
from a2r.inference.finish_reasons import UNSTATED, is_stated, normalize, reply_status
from a2r.inference.reply_endings import describe_ending, is_refused
from a2r.inference.transport.completion_request import StreamOptions
from a2r.inference.transport.credentials import redact_request
from a2r.inference.transport.log_probabilities import summarize
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import CallProgress, ChatMessage, ModelReply, Request
from a2r.result import ErrorType
from a2r.usage import Usage

OnProgress = Callable[[CallProgress], None]
NO_USAGE = Usage()
# vLLM refuses to continue a message and to start a new one, which is its default.
CONTINUE_MESSAGE = {"continue_final_message": True, "add_generation_prompt": False}


class CallFailedError(Exception):
    """One request of a call failed; `free` means that the failure uses no retry."""

    def __init__(self, error: CallError, *, free: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.free = free


class CallRejectedError(Exception):
    """The `pre_send_check` of a call rejected a request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Call:
    """The state of one call over its attempts.

    `tried_endpoints` has one entry per request, `accumulator` the last request's reply, and
    `stream_options` what that request was sent with; `continues` means that it continued an
    assistant's message. `retries_used` counts the failures that used a retry; `waiting_since` is
    the time of the first failure that did not. `max_tokens` is set if the role's own limit does not
    fit into the context. `prompt_estimates` are the prompt tokens counted for requests whose number
    no server has reported yet. Times are `time.monotonic()` seconds.
    """

    request: Request
    started: float
    usage: Usage = NO_USAGE
    endpoint: str | None = None
    accumulator: StreamAccumulator = field(default_factory=StreamAccumulator)
    tried_endpoints: list[str] = field(default_factory=list)
    retries_used: int = 0
    stream_options: StreamOptions = "continuous"
    continues: bool = False
    waiting_since: float | None = None
    last_error: CallError | None = None
    max_tokens: int | None = None
    prompt_estimates: list[int] = field(default_factory=list)

    def seconds(self) -> float:
        """Return the wall time since the start of the call."""
        return time.monotonic() - self.started

    def record_failure(self, error: CallError, *, free: bool, answered_at: float) -> None:
        """Record a failed request; `answered_at` is when its endpoint last answered any request.

        An endpoint that answers other requests is alive, so the waiting time starts again.
        """
        self.last_error = error
        self.retries_used += not free
        if self.waiting_since is not None and answered_at > self.waiting_since:
            self.waiting_since = None
        if free and self.waiting_since is None:
            self.waiting_since = time.monotonic()

    def reduce_max_tokens(self, error: CallError, limit: int | None) -> bool:
        """Lower `max_tokens` to what the context has left; return whether a retry makes sense.

        `limit` is the role's `max_tokens`.
        """
        requested = self.max_tokens or limit
        if error.max_reply_tokens is None or requested is None:
            return False
        if error.max_reply_tokens >= requested:
            return False
        self.max_tokens = error.max_reply_tokens
        return True

    def overrides(self) -> dict[str, Any]:
        """Return the sampling parameters in which the next request differs from its role."""
        values = {**self.request.overrides(), "max_tokens": self.max_tokens}
        given = {name: value for name, value in values.items() if value is not None}
        return given | CONTINUE_MESSAGE if self.continues else given

    def messages(self) -> list[ChatMessage]:
        """Return the messages of the next request."""
        return self.request.prompt(continues=self.continues)

    def waiting_seconds(self) -> float:
        """Return how many seconds the call has waited for endpoints that answer no request."""
        return 0.0 if self.waiting_since is None else time.monotonic() - self.waiting_since

    def progress(self, delta: ReasoningPart) -> CallProgress:
        """Return the progress of the call, with a new delta of the stream."""
        return CallProgress(
            text=delta.answer,
            thinking=delta.thinking,
            deltas=self.accumulator.deltas,
            seconds=self.seconds(),
            attempt=max(1, len(self.tried_endpoints)),
            retracts=delta.retracts,
        )

    def request_id(self) -> str | None:
        """Return the ID of the current request: each attempt of a call has its own."""
        request_id, retry = self.request.id, len(self.tried_endpoints) - 1
        return f"{request_id}-again-{retry}" if request_id and retry > 0 else request_id

    def attempts_suffix(self) -> str:
        """Return " (after N attempts)", or an empty string for a single attempt."""
        attempts = len(self.tried_endpoints)
        return f" (after {attempts} attempts)" if attempts > 1 else ""


def finished_reply(call: Call, role: RoleConfig) -> ModelReply:
    """Return the reply of a call of a role whose last request completed."""
    accumulator = call.accumulator
    text, thinking = _split(call)
    # A continued text is complete with the words that it continues.
    cue = call.request.continuation.cue if call.request.continuation else ""
    status = reply_status(accumulator.finish_reason, f"{cue} {text}" if text else "")
    if not text and (
        status == "answered" or not (thinking or is_stated(accumulator.finish_reason))
    ):
        status = "abstained"
    error = describe_ending(accumulator, status, text, thinking)
    if error is not None:
        # A gateway that refuses a request may repeat it.
        error = redact_request(error, role, call.tried_endpoints[-1])
    return ModelReply(
        status=status,
        text=text,
        thinking=thinking,
        finish_reason=accumulator.finish_reason,
        usage=call.usage,
        reasoning_tokens=accumulator.reasoning_tokens(),
        seconds=call.seconds(),
        endpoint=call.endpoint,
        logprobs=summarize(accumulator.logprobs),
        error=error,
        error_type="content_filter" if is_refused(accumulator, text) else None,
    )


def _split(call: Call) -> tuple[str, str]:
    """Return the answer part and the thinking of a complete reply."""
    text, thinking = call.accumulator.split()
    continuation = call.request.continuation
    if continuation is None or not call.continues:
        return text, thinking
    text = continuation.without_echo(text)
    if not text and normalize(call.accumulator.finish_reason or "") in (
        "stop",
        UNSTATED,
    ):
        # A reasoning parser that waits for the end of the thinking finds none in a continued text.
        return thinking, ""
    return text, thinking


def failed_reply(call: Call, error: CallError) -> ModelReply:
    """Return the reply of a call whose last request failed."""
    text, thinking = call.accumulator.split()
    return ModelReply(
        status="failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint}: {error.message}{call.attempts_suffix()}",
        error_type=error.error_type,
    )


def cancelled_reply(call: Call, reason: str, error_type: ErrorType) -> ModelReply:
    """Return the reply of a call that was cancelled from outside or not sent."""
    text, thinking = call.accumulator.split()
    return ModelReply(
        status="cancelled",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=reason,
        error_type=error_type,
    )


def timed_out_reply(call: Call, *, question_deadline: bool) -> ModelReply:
    """Return the reply of a call that exceeded the question's or the sample's deadline."""
    text, thinking = call.accumulator.split()
    limit = (
        "the question's deadline passed" if question_deadline else "the sample's deadline passed"
    )
    last = (
        f"; before that: {call.last_error.message}{call.attempts_suffix()}"
        if call.last_error
        else ""
    )
    return ModelReply(
        status="cancelled" if question_deadline else "failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint or 'no endpoint'}: {limit}{last}",
        error_type="deadline",
    )
