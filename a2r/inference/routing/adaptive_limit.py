"""How many requests an endpoint may have at once: learnt from what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

DECREASE = 0.5


@dataclass
class AdaptiveLimit:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989), below a hard cap.

    Without a refusal there is no limit but the cap. After one, the limit is half of what was under
    way, and every limit's worth of answers raises it by one.
    """

    _limit: float | None = None
    _decreased_at: float = float("-inf")

    def room(self, outstanding: int, cap: int) -> bool:
        """Whether one more request may go out beside those under way."""
        return outstanding < self.is_below(cap)

    def is_below(self, cap: int) -> int:
        """The limit in force below a cap; at least one."""
        return cap if self._limit is None else max(1, min(cap, int(self._limit)))

    def on_success(self) -> None:
        """A request was answered."""
        if self._limit is not None:
            self._limit += 1 / self._limit

    def on_overload(self, *, outstanding: int, started: float, now: float) -> None:
        """A request was refused that had started at `started`, beside `outstanding` others.

        Refusals of requests from before the last decrease say nothing new.
        """
        if started < self._decreased_at:
            return
        self._decreased_at = now
        under_way = outstanding if self._limit is None else min(outstanding, self._limit)
        self._limit = max(1.0, under_way * DECREASE)
