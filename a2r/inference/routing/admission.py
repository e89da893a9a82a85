"""Admission control: start as many runs as keep the endpoints busy; the others wait cheaply."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from a2r._internal.futures import set_from_any_thread

# A run that is cancelled after its admission never makes the calls reserved for it.
RESERVATION_SECONDS = 5.0
MIN_RUNS = 64
# A run that does not fit must not block the runs behind it.
MAX_RUNS_SCANNED = 16


@dataclass(eq=False)
class PendingRun:
    """A run that waits: the number of its calls, and the load below which it may start."""

    run_id: str
    calls: int
    capacity: int
    admitted: asyncio.Future[None]


@dataclass
class AdmissionController:
    """Admits runs while fewer calls are open than twice the capacity, or only few runs are.

    Every sample is a task, which takes about 25 KB while it waits for an endpoint; a run that is
    not admitted takes a tenth of that. Up to `min_runs` runs are admitted whatever the number of
    their calls, so that a small one shares the endpoints with the large ones before it. Runs with
    a capacity of their own do not hold up the others. Safe across threads and event loops.
    """

    min_runs: int = MIN_RUNS
    open_calls: int = 0
    _open_runs: Counter[str | None] = field(default_factory=Counter)
    _reserved: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    _pending: deque[PendingRun] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def admit(self, run_id: str, calls: int, capacity: int) -> None:
        """Wait until a run that will make `calls` calls may start.

        `capacity` is the number of calls that the endpoints serve at once.
        """
        future = asyncio.get_running_loop().create_future()
        pending = PendingRun(run_id, calls, 2 * capacity, future)
        with self._lock:
            self._pending.append(pending)
            self._admit_next()
        try:
            while not pending.admitted.done():
                await asyncio.wait([pending.admitted], timeout=RESERVATION_SECONDS)
                with self._lock:
                    self._admit_next()
        except BaseException:
            self._withdraw(pending)
            raise

    def _withdraw(self, pending: PendingRun) -> None:
        """Remove a run that will make no calls, waiting or just admitted."""
        with self._lock:
            if pending in self._pending:
                self._pending.remove(pending)
            else:
                self._reserved.pop(pending.run_id, None)
            self._admit_next()

    @contextmanager
    def call(self, run_id: str | None) -> Iterator[None]:
        """Count a call of a run while it is open."""
        with self._lock:
            self.open_calls += 1
            self._open_runs[run_id] += 1
            self._consume_reservation(run_id)
        try:
            yield
        finally:
            with self._lock:
                self.open_calls -= 1
                self._open_runs[run_id] -= 1
                if not self._open_runs[run_id]:
                    del self._open_runs[run_id]
                self._admit_next()

    def _admit_next(self) -> None:
        if not self._pending:
            return
        now = time.monotonic()
        while self._reserved and next(iter(self._reserved.values()))[1] < now:
            self._reserved.popitem(last=False)
        load = self.open_calls + sum(calls for calls, _ in self._reserved.values())
        runs = len(self._open_runs.keys() | self._reserved.keys())
        for pending in list(islice(self._pending, MAX_RUNS_SCANNED)):
            if pending.admitted.done():
                self._pending.remove(pending)
                continue
            if load >= pending.capacity and runs >= self.min_runs:
                continue
            self._pending.remove(pending)
            self._reserved[pending.run_id] = (pending.calls, now + RESERVATION_SECONDS)
            load, runs = load + pending.calls, runs + 1
            set_from_any_thread(pending.admitted)

    def _consume_reservation(self, run_id: str | None) -> None:
        if run_id is None or run_id not in self._reserved:
            return
        calls, until = self._reserved[run_id]
        if calls > 1:
            self._reserved[run_id] = (calls - 1, until)
        else:
            del self._reserved[run_id]
