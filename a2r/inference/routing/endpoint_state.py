"""What is known of one endpoint: its load, its health, its limit, and how it speaks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from a2r.inference.call_errors import CallFault
from a2r.inference.routing.adaptive_limit import AdaptiveLimit
from a2r.inference.routing.circuit_breaker import Circuit
from a2r.inference.transport.completion_request import Dialect

# A single refusal without a time to wait says little; several in a row say: not now.
REFUSALS = 3
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0
# Longer than that no server knows what it will be able to do.
LONGEST_TOLD = 3600.0
RATE_MEMORY = 0.2


@dataclass
class Endpoint:
    """The state of an endpoint, shared by every call to it. Times are of a monotonic clock.

    `outstanding` are the requests under way, `started` all that ever were; `seen` says that it
    has answered at all, `answered_at` when it last did. `refusals` counts the refusals in a row,
    those of one burst once. `tokens_per_second` is what a request gets, measured, for estimates.
    """

    name: str
    outstanding: int = 0
    started: int = 0
    seen: bool = False
    paused_until: float = float("-inf")
    refusals: int = 0
    refused_at: float = float("-inf")
    answered_at: float = float("-inf")
    last_fault: CallFault | None = None
    tokens_per_second: float | None = None
    circuit: Circuit = field(default_factory=Circuit)
    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    dialect: Dialect = field(default_factory=Dialect)

    def usable(self, now: float) -> bool:
        """Whether a request may go to it now, if there is room."""
        return now >= self.paused_until and self.circuit.admits(now)

    def next_change(self) -> float | None:
        """When it may be usable again; `None` while a trial is under way, which will tell."""
        if self.circuit.on_trial:
            return None
        return max(self.paused_until, self.circuit.open_until or float("-inf"))

    def begin(self) -> bool:
        """A request goes out; whether it is the trial of a half-open circuit."""
        self.outstanding += 1
        self.started += 1
        return self.circuit.begin() if not self.circuit.closed else False

    def end(self, *, started: float, trial: bool, fault: CallFault | None, now: float) -> None:
        """A request came back, answered or with a fault."""
        self.outstanding -= 1
        self.last_fault = fault or self.last_fault
        if fault is None or (fault.status is not None and fault.status < 500):
            self.seen = True
            self.circuit.succeeded()
        if fault is None:
            self.refusals, self.answered_at = 0, now
            self.limit.answered()
        elif fault.overloaded:
            self.seen = True
            self.circuit.abandoned(trial=trial)
            self._refused(fault, started, now)
        elif fault.transient:
            self.seen = self.seen or fault.fault not in ("unreachable", "timeout")
            self.circuit.failed(now, at_once=not fault.reached, trial=trial)
        else:
            self.circuit.abandoned(trial=trial)

    def found_up(self) -> None:
        """A cheap question was answered, which is all that is asked of one that was unreachable.

        One that failed at its work has to show that it works again.
        """
        self.seen = True
        if self.circuit.unreachable:
            self.circuit.succeeded()

    def abandon(self, *, trial: bool) -> None:
        """A request was given up, which says nothing of the endpoint."""
        self.outstanding -= 1
        self.circuit.abandoned(trial=trial)

    def wrote(self, tokens: int, seconds: float) -> None:
        """A request brought tokens in some seconds."""
        if tokens > 0 and seconds > 0:
            rate = tokens / seconds
            old = self.tokens_per_second
            self.tokens_per_second = rate if old is None else old + RATE_MEMORY * (rate - old)

    def _refused(self, fault: CallFault, started: float, now: float) -> None:
        if started >= self.refused_at:
            self.refusals += 1
            self.refused_at = now
        self.limit.overloaded(outstanding=self.outstanding + 1, started=started, now=now)
        pause = min(LONGEST_TOLD, fault.retry_after or 0.0)
        if self.refusals >= REFUSALS:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.refusals - REFUSALS, 10))
            pause = max(pause, longest * random.uniform(0.5, 1))
        self.paused_until = max(self.paused_until, now + pause)
