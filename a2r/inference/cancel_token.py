"""Cancel a running call from another task or thread and still get its reply and usage."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from types import TracebackType

from a2r.result import ErrorType


@dataclass
class CancelToken:
    """Cancels one call, before or after its start, with a reason."""

    reason: str | None = None
    error_type: ErrorType = "stopped"
    _scope: tuple[asyncio.AbstractEventLoop, asyncio.Timeout] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self, reason: str, error_type: ErrorType = "stopped") -> None:
        """Cancel the call; later calls do not change the reason."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason, self.error_type = reason, error_type
            if self._scope is not None:
                loop, _ = self._scope
                loop.call_soon_threadsafe(self._expire)

    def scope(self, seconds: float) -> Scope:
        """Return the scope to run the call in, with a timeout in seconds.

        Raises:
            TimeoutError: on exit, if the call was cancelled or timed out.
        """
        return Scope(self, seconds)

    def _expire(self) -> None:
        """Let the running scope time out now, unless it has finished or expired already."""
        if self._scope is not None:
            loop, scope = self._scope
            if not scope.expired():
                scope.reschedule(loop.time())


class Scope:
    """The scope of a call that a token can cancel; not reusable."""

    def __init__(self, token: CancelToken, seconds: float) -> None:
        self._token = token
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        """Start the timeout; a call that is cancelled already ends at its first await."""
        loop, token, timeout = asyncio.get_running_loop(), self._token, self._timeout
        await timeout.__aenter__()
        with token._lock:
            token._scope = (loop, timeout)
            if token.reason is not None:
                timeout.reschedule(loop.time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Detach the token and stop the timeout."""
        with self._token._lock:
            self._token._scope = None
        await self._timeout.__aexit__(kind, error, trace)
