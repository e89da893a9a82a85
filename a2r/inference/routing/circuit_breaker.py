"""The circuit breaker of an endpoint: open after repeated failures, half-open after a delay."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAILURE_THRESHOLD = 5
INITIAL_SECONDS = 0.25
MAX_SECONDS = 15.0
JITTER = 0.25


@dataclass
class CircuitBreaker:
    """Closed: requests pass. Open: no request passes. Half-open: one request passes as a probe.

    It opens after `FAILURE_THRESHOLD` failures in a row, or at once if the endpoint refuses
    connections (`unreachable`). It stays open for a jittered time, which doubles with every
    failed probe. A probe succeeds with the first piece of its reply, since the reply may take
    minutes; until a reply is complete, the next failure opens the circuit again. Times are
    `time.monotonic()` seconds.
    """

    failures: int = 0
    failed_probes: int = 0
    open_until: float | None = None
    half_open: bool = False
    unreachable: bool = False

    def allows(self, now: float) -> bool:
        """Whether a request may start now."""
        return self.open_until is None or (now >= self.open_until and not self.half_open)

    @property
    def closed(self) -> bool:
        """Whether all requests pass."""
        return self.open_until is None

    def start(self) -> bool:
        """Record the start of a request; return whether it is a probe."""
        self.half_open = self.open_until is not None
        return self.half_open

    def on_success(self) -> None:
        """Record a response of any kind: the endpoint works."""
        self.failures = self.failed_probes = 0
        self.open_until, self.half_open = None, False

    def on_first_piece(self) -> None:
        """Record that the reply to the probe has started: the endpoint works again, on trial."""
        self.failures = FAILURE_THRESHOLD - 1
        self.open_until, self.half_open = None, False

    def on_failure(self, now: float, *, unreachable: bool, is_probe: bool) -> bool:
        """Record a failed request; return whether the circuit is open now."""
        self.failures += 1
        probe_failed, self.half_open = is_probe and self.half_open, self.half_open and not is_probe
        if probe_failed or (self.closed and (unreachable or self.failures >= FAILURE_THRESHOLD)):
            self.unreachable = unreachable
            seconds = min(MAX_SECONDS, INITIAL_SECONDS * 2**self.failed_probes)
            self.failed_probes += 1
            self.open_until = now + seconds * random.uniform(1 - JITTER, 1 + JITTER)
        return not self.closed

    def on_abandoned(self, *, is_probe: bool) -> None:
        """Record a request without outcome, such as a cancelled one."""
        if is_probe:
            self.half_open = False
