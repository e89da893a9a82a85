"""The circuit of an endpoint: open after repeated failure, and half-open again by itself."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAILURE_THRESHOLD = 5
INITIAL_SECONDS = 0.25
MAX_SECONDS = 15.0
JITTER = 0.25


@dataclass
class CircuitBreaker:
    """Closed: requests go. Open: none go. Half-open: one goes, as a trial.

    It opens after `FAILURES` failures in a row, or at once when nobody listens. It stays open for
    a jittered time that doubles with every trial that fails. `unreachable` says that it opened
    because nobody listened. Times are of a monotonic clock.
    """

    failures: int = 0
    probes: int = 0
    open_until: float | None = None
    half_open: bool = False
    unreachable: bool = False

    def allows(self, now: float) -> bool:
        """Whether a request may go now."""
        return self.open_until is None or (now >= self.open_until and not self.half_open)

    @property
    def closed(self) -> bool:
        """Whether requests go freely."""
        return self.open_until is None

    def start(self) -> bool:
        """A request goes out; whether it is a trial."""
        self.half_open = self.open_until is not None
        return self.half_open

    def on_success(self) -> None:
        """An answer came, of whatever kind: the endpoint works."""
        self.failures = self.probes = 0
        self.open_until, self.half_open = None, False

    def on_failure(self, now: float, *, at_once: bool, trial: bool) -> bool:
        """A request failed; whether the circuit is open after it."""
        self.failures += 1
        of_trial, self.half_open = trial and self.half_open, self.half_open and not trial
        if of_trial or (self.closed and (at_once or self.failures >= FAILURE_THRESHOLD)):
            self.unreachable = at_once
            seconds = min(MAX_SECONDS, INITIAL_SECONDS * 2**self.probes)
            self.probes += 1
            self.open_until = now + seconds * random.uniform(1 - JITTER, 1 + JITTER)
        return not self.closed

    def on_abandoned(self, *, trial: bool) -> None:
        """A request was cancelled, which says nothing of the endpoint."""
        if trial:
            self.half_open = False
