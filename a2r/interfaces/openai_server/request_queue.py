"""How many requests run at once, and how many may wait for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from a2r.interfaces.openai_server.api_errors import queue_full, shutting_down

SMOOTHING = 0.2
INITIAL_SECONDS = 5.0
MAX_RETRY_AFTER = 60


@dataclass
class ConcurrencyLimiter:
    """Places for `most` requests at once; `queue` more wait, first come first served.

    It belongs to one event loop.
    """

    capacity: int
    queue: int
    running: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    _drains: float | None = None
    _seconds: float = INITIAL_SECONDS

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """A place, waited for in the queue.

        Raises:
            ApiError: the queue is full; or the time that `close` left is over.
        """
        async with self._until_drained():
            await self._enter()
            begun = time.monotonic()
            try:
                yield
            finally:
                self._seconds += SMOOTHING * (time.monotonic() - begun - self._seconds)
                self._leave()

    def drain(self, seconds: float) -> None:
        """Let what runs or waits go on for some seconds; what is left then ends with an error."""
        self._drains = asyncio.get_running_loop().time() + seconds
        for limit in self._limits:
            limit.reschedule(self._drains)

    def retry_after(self) -> int:
        """The seconds after which a place may be free, by how long requests took of late."""
        ahead = (self.waiting + 1) / self.capacity
        return max(1, min(MAX_RETRY_AFTER, math.ceil(ahead * self._seconds)))

    @asynccontextmanager
    async def _until_drained(self) -> AsyncIterator[None]:
        limit = asyncio.timeout_at(self._drains)
        try:
            async with limit:
                self._limits.add(limit)
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise shutting_down() from error
        finally:
            self._limits.discard(limit)

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
                # It was given a place at the very moment it gave up.
                self._leave()
            elif turn in self._waiting:
                # It is not, where it gave up and was passed over in the same moment.
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        """Give the place to the one that waits longest, or free it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1
