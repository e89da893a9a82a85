"""The concurrency limit of an endpoint, adapted to its overload responses (429, 503)."""

from __future__ import annotations

from dataclasses import dataclass

DECREASE = 0.5


@dataclass
class AdaptiveLimit:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989) below `max_concurrency`.

    After an overload response, the limit is half of the requests that were in flight; every
    `limit` successful responses raise it by one.
    """

    _limit: float | None = None
    _decreased_at: float = float("-inf")

    def allows(self, outstanding: int) -> bool:
        """Whether the adapted limit allows one more request beside those of all roles."""
        return self._limit is None or outstanding < max(1, int(self._limit))

    def effective(self, max_concurrency: int) -> int:
        """Return the limit in force; at least 1."""
        return (
            max_concurrency
            if self._limit is None
            else max(1, min(max_concurrency, int(self._limit)))
        )

    def on_success(self) -> None:
        """Record a successful response."""
        if self._limit is not None:
            self._limit += 1 / self._limit

    def on_overload(self, *, outstanding: int, started: float, now: float) -> None:
        """Record an overload response to a request that started at `started`.

        `outstanding` is the number of requests in flight. Responses to requests from before the
        last decrease are ignored.
        """
        if started < self._decreased_at:
            return
        self._decreased_at = now
        in_flight = outstanding if self._limit is None else min(outstanding, self._limit)
        self._limit = max(1.0, in_flight * DECREASE)
