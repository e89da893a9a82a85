"""How many requests run at once, and how many may wait for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from a2r.server.errors import too_busy

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
    _seconds: float = FIRST_GUESS

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, waited for in the queue.

        Raises:
            ApiError: the queue is full.
        """
        await self._enter()
        begun = time.monotonic()
        try:
            yield
        finally:
            self._seconds += MEMORY * (time.monotonic() - begun - self._seconds)
            self._leave()

    def retry_after(self) -> int:
        """The seconds after which a place may be free, by how long requests took of late."""
        ahead = (self.waiting + 1) / self.most
        return max(1, min(LONGEST, math.ceil(ahead * self._seconds)))

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
