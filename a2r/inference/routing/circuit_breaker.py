"""The circuit of an endpoint: open after repeated failure, and half-open again by itself."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAILURES = 5
FIRST_SECONDS = 0.25
LONGEST_SECONDS = 15.0
JITTER = 0.25


@dataclass
class Circuit:
    """Closed: requests go. Open: none go. Half-open: one goes, as a trial.

    It opens after `FAILURES` failures in a row, or at once when nobody listens. It stays open for
    a jittered time that doubles with every trial that fails. `unreachable` says that it opened
    because nobody listened. Times are of a monotonic clock.
    """

    failures: int = 0
    trials: int = 0
    open_until: float | None = None
    on_trial: bool = False
    unreachable: bool = False

    def admits(self, now: float) -> bool:
        """Whether a request may go now."""
        return self.open_until is None or (now >= self.open_until and not self.on_trial)

    @property
    def closed(self) -> bool:
        """Whether requests go freely."""
        return self.open_until is None

    def begin(self) -> bool:
        """A request goes out; whether it is a trial."""
        self.on_trial = self.open_until is not None
        return self.on_trial

    def succeeded(self) -> None:
        """An answer came, of whatever kind: the endpoint works."""
        self.failures = self.trials = 0
        self.open_until, self.on_trial = None, False

    def failed(self, now: float, *, at_once: bool, trial: bool) -> bool:
        """A request failed; whether the circuit is open after it."""
        self.failures += 1
        of_trial, self.on_trial = trial and self.on_trial, self.on_trial and not trial
        if of_trial or (self.closed and (at_once or self.failures >= FAILURES)):
            self.unreachable = at_once
            seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2**self.trials)
            self.trials += 1
            self.open_until = now + seconds * random.uniform(1 - JITTER, 1 + JITTER)
        return not self.closed

    def abandoned(self, *, trial: bool) -> None:
        """A request was cancelled, which says nothing of the endpoint."""
        if trial:
            self.on_trial = False
