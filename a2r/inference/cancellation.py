"""Cutting off a call that runs, from another task or thread, so that what it spent is kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """Run a call that `cut` can end.

        Raises:
            TimeoutError: it was cut off.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as scope:
            with self._lock:
                self._scope = (loop, scope)
                if self.reason is not None:
                    scope.reschedule(loop.time())
            try:
                yield
            finally:
                with self._lock:
                    self._scope = None

    def _end(self) -> None:
        """End what runs now; it may have come to its end by itself meanwhile."""
        if self._scope is not None:
            loop, scope = self._scope
            scope.reschedule(loop.time())
