"""Which questions may begin: as many as keep the endpoints busy, and the others wait cheaply."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from a2r._internal.futures import wake

# A question that is cancelled after it was let in never begins the calls that it announced.
BELIEVED_SECONDS = 5.0


@dataclass(eq=False)
class Entrant:
    """A question that waits: how many calls it will make, and below what load it may begin."""

    question: str
    calls: int
    capacity: int
    admitted: asyncio.Future[None]


@dataclass
class Admission:
    """Lets questions begin while fewer calls are open than the endpoints can take, twice over.

    Every sample is a task of its own, which costs some 25 KB while it waits for a place; a
    question that has not begun costs a tenth of one sample. Safe across threads and loops.
    """

    open_calls: int = 0
    _announced: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    _entrants: deque[Entrant] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def admit(self, question: str, calls: int, capacity: int) -> None:
        """Wait until a question may begin that will make so many calls.

        `capacity` is how many calls the endpoints can take at once.
        """
        future = asyncio.get_running_loop().create_future()
        entrant = Entrant(question, calls, 2 * capacity, future)
        with self._lock:
            self._entrants.append(entrant)
            self._let_in()
        try:
            while not entrant.admitted.done():
                await asyncio.wait([entrant.admitted], timeout=BELIEVED_SECONDS)
                with self._lock:
                    self._let_in()
        except BaseException:
            self._withdraw(entrant)
            raise

    def _withdraw(self, entrant: Entrant) -> None:
        """A question that will make no calls, whether it waits or was let in just now."""
        with self._lock:
            if entrant in self._entrants:
                self._entrants.remove(entrant)
            else:
                self._announced.pop(entrant.question, None)
            self._let_in()

    @contextmanager
    def call(self, question: str | None) -> Iterator[None]:
        """A call of a question, from its beginning to its end."""
        with self._lock:
            self.open_calls += 1
            self._keep_word(question)
        try:
            yield
        finally:
            with self._lock:
                self.open_calls -= 1
                self._let_in()

    def _let_in(self) -> None:
        now = time.monotonic()
        while self._announced and next(iter(self._announced.values()))[1] < now:
            self._announced.popitem(last=False)
        load = self.open_calls + sum(calls for calls, _ in self._announced.values())
        while self._entrants and (
            self._entrants[0].admitted.done() or load < self._entrants[0].capacity
        ):
            entrant = self._entrants.popleft()
            if not entrant.admitted.done():
                self._announced[entrant.question] = (entrant.calls, now + BELIEVED_SECONDS)
                load += entrant.calls
                wake(entrant.admitted)

    def _keep_word(self, question: str | None) -> None:
        if question is None or question not in self._announced:
            return
        calls, until = self._announced[question]
        if calls > 1:
            self._announced[question] = (calls - 1, until)
        else:
            del self._announced[question]
