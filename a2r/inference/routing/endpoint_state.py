"""The state of one endpoint: load, health, concurrency limit, and stream capabilities."""

from __future__ import annotations

from dataclasses import dataclass, field

from a2r._internal.reasoning import Tag
from a2r.inference.call_errors import CallError
from a2r.inference.retry_after_pause import overload_pause
from a2r.inference.routing.adaptive_limit import AdaptiveLimit
from a2r.inference.routing.circuit_breaker import CircuitBreaker
from a2r.inference.routing.role_endpoints import EndpointGroup
from a2r.inference.transport.completion_request import StreamCapabilities
from a2r.result import Role

THROUGHPUT_SMOOTHING = 0.2


@dataclass
class EndpointState:
    """The state of an endpoint, shared by all calls. Times are `time.monotonic()` seconds.

    `outstanding` is the number of requests in flight, `outstanding_by_group` that of each role
    and limit, `started` of all requests so far.
    `ever_responded` means that it has responded at least once, `answered_at` when it last
    succeeded. `overload_count` counts overload responses in a row, those of one burst as one.
    `tokens_per_second` is the measured throughput of one request, used for estimates.
    `continues_messages` says whether it continues an assistant's message, `None` while unknown.
    `openings` are the tags of thinking that its prompts open, by model and template.
    """

    name: str
    outstanding: int = 0
    outstanding_by_group: dict[EndpointGroup, int] = field(default_factory=dict)
    started: int = 0
    ever_responded: bool = False
    paused_until: float = float("-inf")
    overload_count: int = 0
    overloaded_at: float = float("-inf")
    answered_at: float = float("-inf")
    last_error: CallError | None = None
    tokens_per_second: float | None = None
    continues_messages: bool | None = None
    openings: dict[str, Tag | None] = field(default_factory=dict)
    circuit: CircuitBreaker = field(default_factory=CircuitBreaker)
    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    stream_capabilities: StreamCapabilities = field(default_factory=StreamCapabilities)

    def usable(self, now: float) -> bool:
        """Whether it accepts requests now, apart from the concurrency limit."""
        return now >= self.paused_until and self.circuit.allows(now)

    def has_room(self, group: EndpointGroup) -> bool:
        """Whether the limits of a role and of the endpoint allow one more request.

        Groups of one role differ if a question has a limit of its own; then the largest limit
        holds for all of them together, and each has its own.
        """
        if not self.limit.allows(self.outstanding):
            return False
        own = self.outstanding_by_group.get(group, 0)
        if own >= group.max_concurrency or own == self.outstanding:
            return own < group.max_concurrency
        limits = [g.max_concurrency for g in self.outstanding_by_group if g.role == group.role]
        return self.outstanding_calls(group.role) < max([group.max_concurrency, *limits])

    def outstanding_calls(self, role: Role) -> int:
        """The number of requests of a role in flight."""
        return sum(n for group, n in self.outstanding_by_group.items() if group.role == role)

    def next_change(self) -> float | None:
        """Return when it may be usable again; `None` while a probe is in flight."""
        if self.circuit.half_open:
            return None
        return max(self.paused_until, self.circuit.open_until or float("-inf"))

    def start_call(self, group: EndpointGroup) -> bool:
        """Record the start of a request; return whether it is a probe of a half-open circuit."""
        self.outstanding += 1
        self.outstanding_by_group[group] = self.outstanding_by_group.get(group, 0) + 1
        self.started += 1
        return self.circuit.start() if not self.circuit.closed else False

    def finish_call(
        self,
        group: EndpointGroup,
        *,
        started: float,
        is_probe: bool,
        error: CallError | None,
        now: float,
    ) -> None:
        """Record the end of a request, with its error if it failed."""
        self._end_call(group)
        self.last_error = error or self.last_error
        if error is None or (error.status is not None and error.status < 500):
            self.ever_responded = True
            self.circuit.on_success()
        if error is None:
            self.overload_count, self.answered_at = 0, now
            self.limit.on_success()
        elif error.overloaded:
            self.ever_responded = True
            self.circuit.on_abandoned(is_probe=is_probe)
            self._on_overload(error, started, now)
        elif error.transient:
            self.ever_responded = self.ever_responded or error.error_type not in (
                "unreachable",
                "timeout",
            )
            self.circuit.on_failure(now, unreachable=not error.reached, is_probe=is_probe)
        else:
            self.circuit.on_abandoned(is_probe=is_probe)

    def mark_recovered(self) -> None:
        """Record a response to a probe, which closes the circuit of an unreachable endpoint.

        After failed requests, only a successful request closes the circuit.
        """
        self.ever_responded = True
        if self.circuit.unreachable:
            self.circuit.on_success()

    def mark_streaming(self) -> None:
        """Record the first piece of the reply to a probe, which closes the circuit on trial."""
        self.ever_responded = True
        self.circuit.on_first_piece()

    def release_unused(self, group: EndpointGroup, *, is_probe: bool) -> None:
        """Record the end of a request without outcome, such as a cancelled one."""
        self._end_call(group)
        self.circuit.on_abandoned(is_probe=is_probe)

    def record_throughput(self, tokens: int, seconds: float) -> None:
        """Update the measured throughput with a request."""
        if tokens > 0 and seconds > 0:
            rate = tokens / seconds
            mean = rate if self.tokens_per_second is None else self.tokens_per_second
            self.tokens_per_second = mean + THROUGHPUT_SMOOTHING * (rate - mean)

    def _end_call(self, group: EndpointGroup) -> None:
        self.outstanding -= 1
        outstanding = self.outstanding_by_group.pop(group) - 1
        if outstanding:
            self.outstanding_by_group[group] = outstanding

    def _on_overload(self, error: CallError, started: float, now: float) -> None:
        if started >= self.overloaded_at:
            self.overload_count += 1
            self.overloaded_at = now
        self.limit.on_overload(outstanding=self.outstanding + 1, started=started, now=now)
        pause = overload_pause(error.retry_after, self.overload_count)
        self.paused_until = max(self.paused_until, now + pause)
