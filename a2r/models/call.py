"""One call over its attempts, and the reply it ends in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from a2r.models.faults import CallFault
from a2r.models.reply import STATUS_OF_FINISH, Progress, Reply, Request, Transcript
from a2r.usage import Usage

OnProgress = Callable[[Progress], None]


class CallFailedError(Exception):
    """One request of a call failed."""

    def __init__(self, fault: CallFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass
class Call:
    """The state of one call over its attempts."""

    request: Request
    started: float
    usage: Usage = field(default_factory=Usage)
    endpoint: str | None = None
    transcript: Transcript = field(default_factory=Transcript)
    under_way: bool = False
    tried: list[str] = field(default_factory=list)

    def seconds(self) -> float:
        """Wall time since the call began."""
        return time.monotonic() - self.started


def tell(call: Call, added: tuple[str, str], on_progress: OnProgress) -> None:
    """Tell what a piece of the stream added, if it added anything."""
    text, thinking = added
    if text or thinking:
        on_progress(
            Progress(
                text=text, thinking=thinking, pieces=call.transcript.pieces, seconds=call.seconds()
            )
        )


def finished(call: Call) -> Reply:
    """The reply of a call whose last request came back whole."""
    transcript = call.transcript
    text, thinking = transcript.whole()
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
    )


def failed(call: Call, fault: CallFault) -> Reply:
    """The reply of a call whose last request failed."""
    attempts = len(call.tried)
    times = f" (after {attempts} attempts)" if attempts > 1 else ""
    return Reply(
        status="failed",
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint}: {fault.message}{times}",
        fault=fault.fault,
    )


def timed_out(call: Call, question: bool, call_seconds: float) -> Reply:
    """The reply of a call that a deadline ended: the question's, or its own."""
    text, thinking = call.transcript.whole()
    limit = "the question's deadline passed" if question else f"no reply within {call_seconds:g} s"
    return Reply(
        status="cancelled" if question else "failed",
        text=text,
        thinking=thinking,
        usage=call.usage,
        seconds=call.seconds(),
        endpoint=call.endpoint,
        error=f"{call.endpoint}: {limit}",
        fault="deadline" if question else "timeout",
    )
