"""Slots of the worker processes, which go to the comparison that has used the least time."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field


@dataclass(order=True)
class _Waiter:
    used: float
    number: int
    granted: bool = field(default=False, compare=False)
    abandoned: bool = field(default=False, compare=False)


class WorkerSlots:
    """A counting semaphore with least attained service (Nuyens and Wierman, 2008); thread-safe.

    A clustering that has used no time yet passes those that have used much, so that an easy
    question waits for at most one request of the hard ones.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiters: list[_Waiter] = []
        self._numbers = itertools.count()
        self._condition = threading.Condition()

    def acquire(self, *, used: float, timeout: float) -> bool:
        """Take a slot; whether one was free in time. `used` and `timeout` are in seconds."""
        deadline = time.monotonic() + timeout
        with self._condition:
            waiter = _Waiter(used=used, number=next(self._numbers))
            heapq.heappush(self._waiters, waiter)
            self._grant()
            while not waiter.granted:
                left = deadline - time.monotonic()
                if left <= 0:
                    waiter.abandoned = True
                    return False
                self._condition.wait(left)
            return True

    def release(self) -> None:
        """Give a slot back."""
        with self._condition:
            self._free += 1
            self._grant()

    def _grant(self) -> None:
        while self._free and self._waiters:
            waiter = heapq.heappop(self._waiters)
            if waiter.abandoned:
                continue
            waiter.granted = True
            self._free -= 1
        self._condition.notify_all()
