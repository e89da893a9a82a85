"""A limit of concurrent requests with a bounded queue."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from a2r.interfaces.openai_server.api_errors import queue_full, shutting_down

# Weight of the latest request in the moving average of durations.
SMOOTHING = 0.2
INITIAL_SECONDS = 5.0
MAX_RETRY_AFTER = 60


@dataclass
class ConcurrencyLimiter:
    """Lets `capacity` requests run at once, and `queue` more wait in order of arrival.

    It belongs to one event loop.
    """

    capacity: int
    queue: int
    running: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _timeouts: set[asyncio.Timeout] = field(default_factory=set)
    _drain_deadline: float | None = None
    _average_seconds: float = INITIAL_SECONDS

    @property
    def waiting(self) -> int:
        """The number of requests in the queue."""
        return len(self._waiting)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Hold a slot, after waiting for it in the queue.

        Raises:
            ApiError: the queue is full, or the time that `drain` allows has passed.
        """
        async with self._until_drained():
            await self._enter()
            started_at = time.monotonic()
            try:
                yield
            finally:
                seconds = time.monotonic() - started_at
                self._average_seconds += SMOOTHING * (seconds - self._average_seconds)
                self._leave()

    def drain(self, seconds: float) -> None:
        """Give all requests, running or waiting, some seconds; the rest then end with an error."""
        self._drain_deadline = asyncio.get_running_loop().time() + seconds
        for timeout in self._timeouts:
            timeout.reschedule(self._drain_deadline)

    def retry_after(self) -> int:
        """The seconds until a slot may be free, estimated from the duration of past requests."""
        ahead = (self.waiting + 1) / self.capacity
        return max(1, min(MAX_RETRY_AFTER, math.ceil(ahead * self._average_seconds)))

    @asynccontextmanager
    async def _until_drained(self) -> AsyncIterator[None]:
        timeout = asyncio.timeout_at(self._drain_deadline)
        try:
            async with timeout:
                self._timeouts.add(timeout)
                yield
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise shutting_down() from error
        finally:
            self._timeouts.discard(timeout)

    async def _enter(self) -> None:
        if self.running < self.capacity and not self._waiting:
            self.running += 1
            return
        if self.waiting >= self.queue:
            raise queue_full(self.retry_after())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The slot was assigned in the same moment as the cancellation.
                self._leave()
            elif turn in self._waiting:
                # Otherwise `_leave` has removed the cancelled future already.
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        """Pass the slot to the request that has waited longest, or free it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1
