"""A timer that fires after a period without activity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Calls `on_idle` after every `seconds` without a `touch`, until it is stopped.

    A timer that compares times when it fires is cheaper than one that is reset at every event.
    """

    def __init__(self, seconds: float, on_idle: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._last_touch = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._check)

    def touch(self) -> None:
        """Record activity."""
        self._last_touch = self._loop.time()

    def stop(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def _check(self) -> None:
        remaining = self._last_touch + self._seconds - self._loop.time()
        if remaining <= 0:
            remaining = self._seconds
            self._on_idle()
        self._timer = self._loop.call_later(remaining, self._check)
