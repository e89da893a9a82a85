"""Counting what a request spent: as the server told, and marked as an estimate where it did not."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from a2r.config import RoleConfig
from a2r.inference.call_errors import CallError
from a2r.inference.transport.stream_accumulator import (
    StreamAccumulator,
    count_or_none,
    reasoning_tokens,
)
from a2r.inference.types import Request
from a2r.result import Role
from a2r.usage import Usage, UsageByRole, estimate_tokens

MILLION = 1_000_000


def request_usage(
    transcript: StreamAccumulator,
    request: Request,
    role: RoleConfig,
    *,
    seconds: float = 0.0,
    tokens_per_second: float | None = None,
) -> Usage:
    """The usage of one request that the server took: as reported, estimated where it is not.

    Of a stream that was cut off, the last count that the server told holds, and is marked
    `estimated`; where it told none, what was received is counted. Of a request without a stream
    nothing is received before its end: there it is what an endpoint of that pace
    (`tokens_per_second`) writes in so many `seconds`.
    """
    reported = transcript.reported_usage
    # No prompt has no tokens, nor has a text: a server that says so does not count.
    prompt = count_or_none(reported.get("prompt_tokens")) or None
    completion = count_or_none(reported.get("completion_tokens"))
    if completion == 0 and transcript.deltas:
        completion = None
    cut_off = transcript.finish_reason is None
    estimated = prompt is None or completion is None or transcript.usage_stale or cut_off
    if prompt is None:
        prompt = sum(estimate_tokens(m["content"]) for m in request.messages)
    if completion is None or transcript.usage_stale:
        seen = max(estimate_tokens(transcript.received_text()), transcript.deltas)
        completion = max(seen, completion or 0)
    if completion == 0 and cut_off and tokens_per_second is not None:
        completion = max(1, round(seconds * tokens_per_second))
        completion = min(completion, role.sampling.max_tokens or completion)
    return Usage(
        calls=1,
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=reasoning_tokens(reported),
        cost=request_cost(prompt, completion, role),
        estimated=estimated,
    )


def zero_usage(fault: CallError, transcript: StreamAccumulator) -> Usage | None:
    """The usage of a request that cannot have cost any tokens; `None` for one that may have."""
    if not (fault.reached and transcript.sent):
        return Usage()
    return None if fault.generated else Usage(calls=1)


def request_cost(prompt: int, completion: int, role: RoleConfig) -> float | None:
    """The cost in the currency of the role's price; `None` where a price is unknown."""
    if role.price.input is None or role.price.output is None:
        return None
    return (prompt * role.price.input + completion * role.price.output) / MILLION


@dataclass
class Ledger:
    """Everything that was spent through some models, however it ended; safe across threads."""

    _usage: dict[Role, Usage] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, role: Role, usage: Usage) -> None:
        """Enter what a request spent."""
        with self._lock:
            spent = self._usage.get(role)
            self._usage[role] = usage if spent is None else spent + usage

    def total(self) -> UsageByRole:
        """What was spent so far."""
        with self._lock:
            explorer = self._usage.get("explorer", Usage())
            synthesizer = self._usage.get("synthesizer", Usage())
        return UsageByRole(explorer=explorer, synthesizer=synthesizer, total=explorer + synthesizer)
