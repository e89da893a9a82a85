"""What is known of one endpoint: its load, its health, its limit, and how it speaks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from a2r.inference.call_errors import CallError
from a2r.inference.routing.adaptive_limit import AdaptiveLimit
from a2r.inference.routing.circuit_breaker import CircuitBreaker
from a2r.inference.transport.completion_request import StreamCapabilities

# A single refusal without a time to wait says little; several in a row say: not now.
OVERLOAD_THRESHOLD = 3
INITIAL_PAUSE = 0.25
MAX_PAUSE = 8.0
# Longer than that no server knows what it will be able to do.
MAX_RETRY_AFTER = 3600.0
RATE_MEMORY = 0.2


@dataclass
class EndpointState:
    """The state of an endpoint, shared by every call to it. Times are of a monotonic clock.

    `outstanding` are the requests under way, `started` all that ever were; `seen` says that it
    has answered at all, `answered_at` when it last did. `refusals` counts the refusals in a row,
    those of one burst once. `tokens_per_second` is what a request gets, measured, for estimates.
    """

    name: str
    outstanding: int = 0
    started: int = 0
    ever_responded: bool = False
    paused_until: float = float("-inf")
    overload_count: int = 0
    overloaded_at: float = float("-inf")
    answered_at: float = float("-inf")
    last_error: CallError | None = None
    tokens_per_second: float | None = None
    circuit: CircuitBreaker = field(default_factory=CircuitBreaker)
    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    stream_capabilities: StreamCapabilities = field(default_factory=StreamCapabilities)

    def usable(self, now: float) -> bool:
        """Whether a request may go to it now, if there is room."""
        return now >= self.paused_until and self.circuit.allows(now)

    def next_change(self) -> float | None:
        """When it may be usable again; `None` while a trial is under way, which will tell."""
        if self.circuit.half_open:
            return None
        return max(self.paused_until, self.circuit.open_until or float("-inf"))

    def start_call(self) -> bool:
        """A request goes out; whether it is the trial of a half-open circuit."""
        self.outstanding += 1
        self.started += 1
        return self.circuit.start() if not self.circuit.closed else False

    def finish_call(
        self, *, started: float, trial: bool, fault: CallError | None, now: float
    ) -> None:
        """A request came back, answered or with a fault."""
        self.outstanding -= 1
        self.last_error = fault or self.last_error
        if fault is None or (fault.status is not None and fault.status < 500):
            self.ever_responded = True
            self.circuit.on_success()
        if fault is None:
            self.overload_count, self.answered_at = 0, now
            self.limit.on_success()
        elif fault.overloaded:
            self.ever_responded = True
            self.circuit.on_abandoned(trial=trial)
            self._on_overload(fault, started, now)
        elif fault.transient:
            self.ever_responded = self.ever_responded or fault.error_type not in (
                "unreachable",
                "timeout",
            )
            self.circuit.on_failure(now, at_once=not fault.reached, trial=trial)
        else:
            self.circuit.on_abandoned(trial=trial)

    def mark_recovered(self) -> None:
        """A cheap question was answered, which is all that is asked of one that was unreachable.

        One that failed at its work has to show that it works again.
        """
        self.ever_responded = True
        if self.circuit.unreachable:
            self.circuit.on_success()

    def release_unused(self, *, trial: bool) -> None:
        """A request was given up, which says nothing of the endpoint."""
        self.outstanding -= 1
        self.circuit.on_abandoned(trial=trial)

    def record_throughput(self, tokens: int, seconds: float) -> None:
        """A request brought tokens in some seconds."""
        if tokens > 0 and seconds > 0:
            rate = tokens / seconds
            old = self.tokens_per_second
            self.tokens_per_second = rate if old is None else old + RATE_MEMORY * (rate - old)

    def _on_overload(self, fault: CallError, started: float, now: float) -> None:
        if started >= self.overloaded_at:
            self.overload_count += 1
            self.overloaded_at = now
        self.limit.on_overload(outstanding=self.outstanding + 1, started=started, now=now)
        pause = min(MAX_RETRY_AFTER, fault.retry_after or 0.0)
        if self.overload_count >= OVERLOAD_THRESHOLD:
            longest = min(
                MAX_PAUSE, INITIAL_PAUSE * 2 ** min(self.overload_count - OVERLOAD_THRESHOLD, 10)
            )
            pause = max(pause, longest * random.uniform(0.5, 1))
        self.paused_until = max(self.paused_until, now + pause)
