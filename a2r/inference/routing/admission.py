"""Which questions may begin: as many as keep the endpoints busy, and the others wait cheaply."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from a2r._internal.futures import set_from_any_thread

# A question that is cancelled after it was let in never begins the calls that it announced.
RESERVATION_SECONDS = 5.0


@dataclass(eq=False)
class PendingRun:
    """A question that waits: how many calls it will make, and below what load it may begin."""

    run_id: str
    calls: int
    capacity: int
    admitted: asyncio.Future[None]


@dataclass
class AdmissionController:
    """Lets questions begin while fewer calls are open than the endpoints can take, twice over.

    Every sample is a task of its own, which costs some 25 KB while it waits for a place; a
    question that has not begun costs a tenth of one sample. Safe across threads and loops.
    """

    open_calls: int = 0
    _reserved: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    _pending: deque[PendingRun] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def admit(self, question: str, calls: int, capacity: int) -> None:
        """Wait until a question may begin that will make so many calls.

        `capacity` is how many calls the endpoints can take at once.
        """
        future = asyncio.get_running_loop().create_future()
        entrant = PendingRun(question, calls, 2 * capacity, future)
        with self._lock:
            self._pending.append(entrant)
            self._admit_next()
        try:
            while not entrant.admitted.done():
                await asyncio.wait([entrant.admitted], timeout=RESERVATION_SECONDS)
                with self._lock:
                    self._admit_next()
        except BaseException:
            self._withdraw(entrant)
            raise

    def _withdraw(self, entrant: PendingRun) -> None:
        """A question that will make no calls, whether it waits or was let in just now."""
        with self._lock:
            if entrant in self._pending:
                self._pending.remove(entrant)
            else:
                self._reserved.pop(entrant.run_id, None)
            self._admit_next()

    @contextmanager
    def call(self, question: str | None) -> Iterator[None]:
        """A call of a question, from its beginning to its end."""
        with self._lock:
            self.open_calls += 1
            self._consume_reservation(question)
        try:
            yield
        finally:
            with self._lock:
                self.open_calls -= 1
                self._admit_next()

    def _admit_next(self) -> None:
        now = time.monotonic()
        while self._reserved and next(iter(self._reserved.values()))[1] < now:
            self._reserved.popitem(last=False)
        load = self.open_calls + sum(calls for calls, _ in self._reserved.values())
        while self._pending and (
            self._pending[0].admitted.done() or load < self._pending[0].capacity
        ):
            entrant = self._pending.popleft()
            if not entrant.admitted.done():
                self._reserved[entrant.run_id] = (entrant.calls, now + RESERVATION_SECONDS)
                load += entrant.calls
                set_from_any_thread(entrant.admitted)

    def _consume_reservation(self, question: str | None) -> None:
        if question is None or question not in self._reserved:
            return
        calls, until = self._reserved[question]
        if calls > 1:
            self._reserved[question] = (calls - 1, until)
        else:
            del self._reserved[question]
