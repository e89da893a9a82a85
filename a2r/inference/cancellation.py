"""Cutting off a call that runs, from another task or thread, so that what it spent is kept."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from types import TracebackType

from a2r.result import ErrorType


@dataclass
class CancelToken:
    """A switch for one call: `cut` ends it, before or after it began, with a reason."""

    reason: str | None = None
    error_type: ErrorType = "stopped"
    _scope: tuple[asyncio.AbstractEventLoop, asyncio.Timeout] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self, reason: str, fault: ErrorType = "stopped") -> None:
        """End the call; the first reason stays."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason, self.error_type = reason, fault
            if self._scope is not None:
                loop, _ = self._scope
                loop.call_soon_threadsafe(self._end)

    def scope(self, seconds: float) -> Scope:
        """Run a call that `cut` can end, and that the time ends in any case.

        Raises:
            TimeoutError: it was cut off, or the time is over.
        """
        return Scope(self, seconds)

    def _end(self) -> None:
        """End what runs now; it may have come to its end by itself meanwhile."""
        if self._scope is not None:
            loop, scope = self._scope
            if not scope.expired():
                scope.reschedule(loop.time())


class Scope:
    """The scope of a call that a switch can end; entered once."""

    def __init__(self, stop: CancelToken, seconds: float) -> None:
        self._stop = stop
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        """Begin; what was cut before ends at its first wait."""
        loop, stop, timeout = asyncio.get_running_loop(), self._stop, self._timeout
        await timeout.__aenter__()
        with stop._lock:
            stop._scope = (loop, timeout)
            if stop.reason is not None:
                timeout.reschedule(loop.time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        with self._stop._lock:
            self._stop._scope = None
        await self._timeout.__aexit__(kind, error, trace)
