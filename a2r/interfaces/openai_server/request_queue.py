"""How many requests run at once, and how many may wait for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from a2r.interfaces.openai_server.api_errors import shutting_down, too_busy

MEMORY = 0.2
FIRST_GUESS = 5.0
LONGEST = 60


@dataclass
class Places:
    """Places for `most` requests at once; `queue` more wait, first come first served.

    It belongs to one event loop.
    """

    most: int
    queue: int
    running: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    _ends: float | None = None
    _seconds: float = FIRST_GUESS

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, waited for in the queue.

        Raises:
            ApiError: the queue is full; or the time that `close` left is over.
        """
        async with self._until_closed():
            await self._enter()
            begun = time.monotonic()
            try:
                yield
            finally:
                self._seconds += MEMORY * (time.monotonic() - begun - self._seconds)
                self._leave()

    def close(self, seconds: float) -> None:
        """Let what runs or waits go on for some seconds; what is left then ends with an error."""
        self._ends = asyncio.get_running_loop().time() + seconds
        for limit in self._limits:
            limit.reschedule(self._ends)

    def retry_after(self) -> int:
        """The seconds after which a place may be free, by how long requests took of late."""
        ahead = (self.waiting + 1) / self.most
        return max(1, min(LONGEST, math.ceil(ahead * self._seconds)))

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        limit = asyncio.timeout_at(self._ends)
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
        if self.running < self.most and not self._waiting:
            self.running += 1
            return
        if self.waiting >= self.queue:
            raise too_busy(self.retry_after())
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
