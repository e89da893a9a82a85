"""One call over its attempts, and the reply it ends in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.reasoning_parser import Piece
from a2r.inference.call_errors import CallFault
from a2r.inference.transport.completion_request import StreamOptions
from a2r.inference.transport.stream_accumulator import Transcript
from a2r.inference.types import STATUS_OF_FINISH, Progress, Reply, Request
from a2r.result import Fault
from a2r.usage import Usage

OnProgress = Callable[[Progress], None]


class CallFailedError(Exception):
    """One request of a call failed; `free` says that the failure used up none of its retries."""

    def __init__(self, fault: CallFault, *, free: bool = False) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.free = free


class CallRefusedError(Exception):
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
    usage: Usage = field(default_factory=Usage)
    endpoint: str | None = None
    transcript: Transcript = field(default_factory=Transcript)
    tried: list[str] = field(default_factory=list)
    paid: int = 0
    asked: StreamOptions = "continuous"
    refused_since: float | None = None
    last_fault: CallFault | None = None
    max_tokens: int | None = None

    def seconds(self) -> float:
        """Wall time since the call began."""
        return time.monotonic() - self.started

    def failed_with(self, fault: CallFault, *, free: bool, answered_at: float) -> None:
        """Note a failure of a request, to an endpoint that last answered anybody at `answered_at`.

        While the endpoint answers others, it is only a matter of waiting.
        """
        self.last_fault = fault
        self.paid += not free
        if self.refused_since is not None and answered_at > self.refused_since:
            self.refused_since = None
        if free and self.refused_since is None:
            self.refused_since = time.monotonic()

    def shorten(self, fault: CallFault, limit: int | None) -> bool:
        """Ask for a shorter reply from now on, where that is all that a context lacks room for.

        `limit` is the role's own; returns whether it is worth asking again.
        """
        asked = self.max_tokens or limit
        if fault.room is None or asked is None or fault.room >= asked:
            return False
        self.max_tokens = fault.room
        return True

    def own_settings(self) -> dict[str, Any]:
        """What its next request asks for beside its role's sampling."""
        own = {**self.request.own_settings(), "max_tokens": self.max_tokens}
        return {name: value for name, value in own.items() if value is not None}

    def was_refused_for(self) -> float:
        """For how many seconds endpoints have kept it waiting that answered nobody else either."""
        return 0.0 if self.refused_since is None else time.monotonic() - self.refused_since

    def progress(self, piece: Piece) -> Progress:
        """How far the call is, with what a piece of the stream added."""
        return Progress(
            text=piece.answer,
            thinking=piece.thinking,
            pieces=self.transcript.pieces,
            seconds=self.seconds(),
            attempt=max(1, len(self.tried)),
        )

    def request_id(self) -> str | None:
        """What names its request under way to the endpoint: each of a call's has its own."""
        name, again = self.request.id, len(self.tried) - 1
        return f"{name}-again-{again}" if name and again > 0 else name

    def times(self) -> str:
        """How often it was tried, where that is more than once."""
        attempts = len(self.tried)
        return f" (after {attempts} attempts)" if attempts > 1 else ""


def finished(call: Call) -> Reply:
    """The reply of a call whose last request came back whole."""
    transcript = call.transcript
    text, thinking = transcript.parts()
    status = STATUS_OF_FINISH.get(transcript.finish_reason or "", "answered")
    return Reply(
        status=status if text or status != "answered" else "abstained",
        text=text,
        thinking=thinking,
        finish_reason=transcript.finish_reason,
        usage=call.usage,
        reasoning_tokens=transcript.reasoning_tokens(),
        seconds=call.seconds(),
        endpoint=call.endpoint,
        fault="content_filter" if transcript.finish_reason == "content_filter" else None,
    )


def failed(call: Call, fault: CallFault) -> Reply:
    """The reply of a call whose last request failed."""
    text, thinking = call.transcript.parts()
    return Reply(
        status="failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint}: {fault.message}{call.times()}",
        fault=fault.fault,
    )


def cut_off(call: Call, reason: str, fault: Fault) -> Reply:
    """The reply of a call that was ended from outside, or kept from going on."""
    text, thinking = call.transcript.parts()
    return Reply(
        status="cancelled",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=reason,
        fault=fault,
    )


def out_of_time(call: Call, *, question: bool) -> Reply:
    """The reply of a call that a deadline ended: the question's, or the sample's own."""
    text, thinking = call.transcript.parts()
    limit = "the question's deadline passed" if question else "the sample's deadline passed"
    last = f"; before that: {call.last_fault.message}{call.times()}" if call.last_fault else ""
    return Reply(
        status="cancelled" if question else "failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint or 'no endpoint'}: {limit}{last}",
        fault="deadline",
    )
