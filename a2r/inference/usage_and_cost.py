"""Usage and cost of requests: as reported by the server, otherwise estimated and marked so."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
    accumulator: StreamAccumulator,
    request: Request,
    role: RoleConfig,
    *,
    seconds: float = 0.0,
    tokens_per_second: float | None = None,
    known_prompt: int | None = None,
) -> Usage:
    """Return the usage of one request that reached the server.

    The counts are the server's. Of an interrupted stream, the last reported counts are used and
    marked `estimated`; without any report, the received text is counted. A request without
    streaming receives nothing before its end: if it is interrupted, its completion tokens are
    estimated as `seconds` times `tokens_per_second`. `known_prompt` is what the server has reported
    for another request with the same prompt.
    """
    reported = accumulator.reported_usage
    # Neither a prompt nor a text has 0 tokens: a server that reports 0 does not count.
    prompt = count_or_none(reported.get("prompt_tokens")) or None
    completion = count_or_none(reported.get("completion_tokens"))
    if completion == 0 and accumulator.deltas:
        completion = None
    interrupted = accumulator.finish_reason is None
    estimated = prompt is None or completion is None or accumulator.usage_stale or interrupted
    if prompt is None:
        prompt = known_prompt or sum(estimate_tokens(m["content"]) for m in request.prompt())
    if completion is None or accumulator.usage_stale:
        received = max(estimate_tokens(accumulator.received_text()), accumulator.deltas)
        completion = max(received, completion or 0)
    if completion == 0 and interrupted and tokens_per_second is not None:
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


def prompt_correction(estimates: Sequence[int], known: int, role: RoleConfig) -> Usage:
    """Return what to add to the usage of requests whose prompt tokens become known.

    `estimates` are the prompt tokens that were counted for them, one for each request.
    """
    missing = known * len(estimates) - sum(estimates)
    return Usage(prompt_tokens=missing, cost=request_cost(missing, 0, role))


def zero_usage(error: CallError, accumulator: StreamAccumulator) -> Usage | None:
    """Return the usage of a failed request without tokens; `None` if it may have used some."""
    if not (error.reached and accumulator.request_sent):
        return Usage()
    # An error in the middle of a stream does not undo the tokens before it.
    generated = error.generated or accumulator.deltas or accumulator.reported_usage
    return None if generated else Usage(calls=1)


def request_cost(prompt: int, completion: int, role: RoleConfig) -> float | None:
    """Return the cost in the currency of the role's price; `None` if a price is unknown."""
    if role.price.input is None or role.price.output is None:
        return None
    return (prompt * role.price.input + completion * role.price.output) / MILLION


@dataclass
class Ledger:
    """The usage of all requests of a client, failed and cancelled ones included; thread-safe."""

    _usage: dict[Role, Usage] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, role: Role, usage: Usage) -> None:
        """Add the usage of a request."""
        with self._lock:
            total = self._usage.get(role)
            self._usage[role] = usage if total is None else total + usage

    def total(self) -> UsageByRole:
        """Return the usage so far."""
        with self._lock:
            explorer = self._usage.get("explorer", Usage())
            synthesizer = self._usage.get("synthesizer", Usage())
        return UsageByRole(explorer=explorer, synthesizer=synthesizer, total=explorer + synthesizer)
