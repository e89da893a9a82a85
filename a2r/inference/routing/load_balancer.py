"""Which endpoint a call goes to, and when: the places of all endpoints, and who waits for one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from a2r._internal.futures import set_from_any_thread
from a2r.inference.call_errors import CallError, unreachable_error
from a2r.inference.routing.endpoint_state import EndpointState

# A waiter whose wish cannot be met must not keep those behind it from a free endpoint.
MAX_WAITERS_SCANNED = 32
MAX_AFFINITIES = 4096


class NoEndpointError(Exception):
    """No endpoint of a group can be used, nor will one be in the time that is left."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, kw_only=True)
class EndpointGroup:
    """The endpoints that serve a role: names, weights, the cap of each, and its patience.

    `cap` is the most requests at once to one endpoint; `patience` how many seconds a call waits
    while none of the endpoints works; `tries` how often an endpoint that never answered is tried.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    max_concurrency: int
    wait_timeout: float
    max_attempts: int


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a call wants: the endpoint of its question, and none of those it has tried."""

    affinity: str | None
    tried_endpoints: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A place at an endpoint; `trial` says that its circuit is half-open."""

    endpoint: EndpointState
    started: float
    is_probe: bool


@dataclass(eq=False)
class Waiter:
    """A call that waits for a place; `lease` is set when it has one."""

    placement: Placement
    ready: asyncio.Future[None]
    since: float
    lease: Lease | None = None


@dataclass
class Queue:
    """Those who wait for a group's endpoints, in order; since when none of them works."""

    group: EndpointGroup
    waiters: OrderedDict[Waiter, None] = field(default_factory=OrderedDict)
    down_since: float | None = None

    def head(self) -> Waiter | None:
        """The one that waits longest."""
        return next(iter(self.waiters), None)


@dataclass
class LoadBalancer:
    """Gives calls their places: least outstanding work first, first come first served.

    It is shared by all event loops and threads that call the same models, so that no endpoint
    ever gets more than its cap. It knows nothing of what the calls are for.
    """

    _endpoints: dict[str, EndpointState] = field(default_factory=dict)
    _queues: dict[EndpointGroup, Queue] = field(default_factory=dict)
    _affinity: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def endpoint(self, name: str) -> EndpointState:
        """The endpoint of a name."""
        endpoint = self._endpoints.get(name)
        # Not `setdefault` alone, which makes one each time.
        return endpoint or self._endpoints.setdefault(name, EndpointState(name=name))

    def waiting(self) -> int:
        """How many calls wait for a place."""
        with self._lock:
            return sum(len(queue.waiters) for queue in self._queues.values())

    async def acquire(self, group: EndpointGroup, placement: Placement) -> Lease:
        """A place at an endpoint of the group, waited for where there is none.

        Raises:
            NoEndpointError: no endpoint can be used within the group's patience.
        """
        with self._lock:
            queue = self._queues.get(group)
            if queue is None:
                queue = self._queues[group] = Queue(group=group)
            if not queue.waiters:
                lease = self._lease(group, placement, time.monotonic())
                if lease is not None:
                    return lease
        return await self._wait(queue, placement)

    def release(self, lease: Lease, error: CallError | None) -> None:
        """Give a place back after an answer, or after a fault."""
        with self._lock:
            now = time.monotonic()
            lease.endpoint.finish_call(
                started=lease.started, is_probe=lease.is_probe, error=error, now=now
            )
            if lease.endpoint.circuit.closed:
                self._clear_outages(lease.endpoint)
            self._serve_all(lease.endpoint, now)

    def mark_recovered(self, lease: Lease) -> None:
        """The endpoint of a trial answers again; if nobody listened before, all may go there."""
        with self._lock:
            now = time.monotonic()
            lease.endpoint.mark_recovered()
            if lease.endpoint.circuit.closed:
                self._clear_outages(lease.endpoint)
            self._serve_all(lease.endpoint, now)

    def release_unused(self, lease: Lease) -> None:
        """Give a place back unused, or after a call that was cancelled."""
        with self._lock:
            lease.endpoint.release_unused(is_probe=lease.is_probe)
            self._serve_all(lease.endpoint, time.monotonic())

    async def _wait(self, queue: Queue, placement: Placement) -> Lease:
        loop = asyncio.get_running_loop()
        waiter = Waiter(placement, loop.create_future(), time.monotonic())
        with self._lock:
            queue.waiters[waiter] = None
        try:
            while True:
                if waiter.ready.done():
                    waiter.ready = loop.create_future()
                with self._lock:
                    seconds = self._seconds_until_recheck(queue, waiter)
                    if waiter.lease is not None:
                        return waiter.lease
                if seconds is None:
                    await waiter.ready
                else:
                    await asyncio.wait([waiter.ready], timeout=seconds)
        except BaseException:
            with self._lock:
                # Out of the queue first: from then on no other thread hands it a place.
                queue.waiters.pop(waiter, None)
                lease = waiter.lease
            if lease is not None:
                self.release_unused(lease)
            raise
        finally:
            with self._lock:
                queue.waiters.pop(waiter, None)
                if (head := queue.head()) is not None:
                    set_from_any_thread(head.ready)
                else:
                    queue.down_since = None

    def _seconds_until_recheck(self, queue: Queue, waiter: Waiter) -> float | None:
        """Serve who can be served, and tell the first of the queue when that may change."""
        if queue.head() is not waiter:
            return None
        now = time.monotonic()
        self._serve(queue, now)
        if waiter.lease is not None:
            return None
        endpoints = [self.endpoint(name) for name in queue.group.names]
        down = [endpoint for endpoint in endpoints if not endpoint.usable(now)]
        known = [change for e in down if (change := e.next_change()) is not None]
        change = min(known, default=float("inf"))
        queue.down_since = (queue.down_since or now) if len(down) == len(endpoints) else None
        if queue.down_since is not None:
            until = queue.down_since + queue.group.wait_timeout
            _raise_if_hopeless(queue.group, endpoints, change if known else now, until)
            change = min(change, until)
        return None if change == float("inf") else max(0.0, change - now)

    def _lease(self, group: EndpointGroup, placement: Placement, now: float) -> Lease | None:
        usable = [
            (placement.tried_endpoints.count(name), endpoint, weight)
            for name, weight in zip(group.names, group.weights, strict=True)
            if (endpoint := self.endpoint(name)).usable(now)
        ]
        # Another endpoint first, even if it is busy now; the same one again if no other works.
        min_attempts = min((tries for tries, _, _ in usable), default=0)
        free = {
            endpoint.name: (endpoint, weight)
            for tries, endpoint, weight in usable
            if tries == min_attempts
            and endpoint.limit.has_room(endpoint.outstanding, group.max_concurrency)
        }
        if not free:
            return None
        pinned = self._affinity.get(placement.affinity) if placement.affinity is not None else None
        if pinned in free:
            endpoint = free[pinned][0]
        else:
            endpoint, _ = min(
                free.values(), key=lambda f: ((f[0].outstanding + 1) / f[1], f[0].started / f[1])
            )
            if placement.affinity is not None and pinned is None:
                self._pin(placement.affinity, endpoint.name)
        return Lease(endpoint=endpoint, started=now, is_probe=endpoint.start_call())

    def _pin(self, affinity: str, name: str) -> None:
        self._affinity[affinity] = name
        if len(self._affinity) > MAX_AFFINITIES:
            self._affinity.popitem(last=False)

    def _clear_outages(self, endpoint: EndpointState) -> None:
        for queue in self._queues.values():
            if endpoint.name in queue.group.names:
                queue.down_since = None

    def _serve_all(self, endpoint: EndpointState, now: float) -> None:
        """Hand an endpoint's free places to those who wait, the one that waits longest first."""
        queues = [q for q in self._queues.values() if q.waiters and endpoint.name in q.group.names]
        for queue in sorted(queues, key=lambda q: next(iter(q.waiters)).since):
            self._serve(queue, now)
            if not endpoint.usable(now) and (head := queue.head()) is not None:
                set_from_any_thread(head.ready)

    def _serve(self, queue: Queue, now: float) -> None:
        served = True
        while served and self._has_room(queue.group, now):
            served = False
            for waiter in list(islice(queue.waiters, MAX_WAITERS_SCANNED)):
                waiter.lease = self._lease(queue.group, waiter.placement, now)
                if waiter.lease is not None:
                    del queue.waiters[waiter]
                    set_from_any_thread(waiter.ready)
                    served = True
                if not self._has_room(queue.group, now):
                    return

    def _has_room(self, group: EndpointGroup, now: float) -> bool:
        endpoints = (self.endpoint(name) for name in group.names)
        return any(
            e.usable(now) and e.limit.has_room(e.outstanding, group.max_concurrency)
            for e in endpoints
        )


def _raise_if_hopeless(
    group: EndpointGroup, endpoints: list[EndpointState], next_change: float, deadline: float
) -> None:
    """Raise where no endpoint has ever answered, or none will before the patience ends."""
    never_there = all(
        not e.ever_responded and e.circuit.failed_probes >= group.max_attempts for e in endpoints
    )
    if never_there or next_change >= deadline:
        faults = [e.last_error for e in endpoints if e.last_error is not None]
        raise NoEndpointError(faults[0] if faults else unreachable_error())
