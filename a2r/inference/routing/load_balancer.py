"""The load balancer: choose an endpoint for each request, and queue requests that must wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice

from a2r._internal.futures import set_from_any_thread
from a2r.inference.call_errors import CallError, unreachable_error
from a2r.inference.routing.endpoint_state import EndpointState
from a2r.inference.routing.fair_queue import FairQueue, Lease, Placement, Waiter
from a2r.inference.routing.role_endpoints import EndpointGroup

# A waiter that fits no free endpoint must not block the waiters behind it.
MAX_WAITERS_SCANNED = 32
MAX_AFFINITIES = 4096
SMALL_BATCH, LOAD_TOLERANCE = 8, 1.1


class NoEndpointError(Exception):
    """No endpoint of a group is usable, and none will be before the wait timeout."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass
class Queue:
    """The waiters of a group; `down_since` is set while no endpoint is usable."""

    group: EndpointGroup
    waiters: FairQueue = field(default_factory=FairQueue)
    down_since: float | None = None


@dataclass
class LoadBalancer:
    """Assigns calls to the endpoints with the fewest outstanding requests, questions in turn.

    All event loops and threads with the same client share one instance, so that no role exceeds
    its `max_concurrency` at an endpoint.
    """

    _endpoints: dict[str, EndpointState] = field(default_factory=dict)
    _queues: dict[EndpointGroup, Queue] = field(default_factory=dict)
    _affinity: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def endpoint(self, name: str) -> EndpointState:
        """Return the state of an endpoint."""
        endpoint = self._endpoints.get(name)
        # `setdefault` alone would create a state each time.
        return endpoint or self._endpoints.setdefault(name, EndpointState(name=name))

    def waiting(self) -> int:
        """Return the number of calls that wait for an endpoint."""
        with self._lock:
            return sum(len(queue.waiters) for queue in self._queues.values())

    async def acquire(self, group: EndpointGroup, placement: Placement) -> Lease:
        """Return a lease on an endpoint of the group; wait while all are busy or down.

        Raises:
            NoEndpointError: no endpoint is usable within the group's `wait_timeout`.
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
        """Return a lease after a request, with its error if it failed."""
        with self._lock:
            now = time.monotonic()
            lease.endpoint.finish_call(
                lease.group, started=lease.started, is_probe=lease.is_probe, error=error, now=now
            )
            if lease.endpoint.circuit.closed:
                self._clear_outages(lease.endpoint)
            self._serve_all(lease.endpoint, now)

    def mark_recovered(self, lease: Lease) -> None:
        """Record a response to a probe; if the endpoint was unreachable, its circuit closes."""
        with self._lock:
            now = time.monotonic()
            lease.endpoint.mark_recovered()
            self._end_probe(lease, now)

    def mark_streaming(self, lease: Lease) -> None:
        """Record the first piece of the reply to a probe: the circuit closes."""
        with self._lock:
            if lease.is_probe:
                lease.endpoint.mark_streaming()
                self._end_probe(lease, time.monotonic())

    def release_unused(self, lease: Lease) -> None:
        """Return an unused lease, or the lease of a cancelled request."""
        with self._lock:
            lease.endpoint.release_unused(lease.group, is_probe=lease.is_probe)
            self._serve_all(lease.endpoint, time.monotonic())

    async def _wait(self, queue: Queue, placement: Placement) -> Lease:
        loop = asyncio.get_running_loop()
        waiter = Waiter(placement, loop.create_future(), time.monotonic())
        with self._lock:
            _enqueue(queue, waiter)
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
                # Leave the queue first, so that no other thread assigns a lease afterwards.
                queue.waiters.remove(waiter)
                lease = waiter.lease
            if lease is not None:
                self.release_unused(lease)
            raise
        finally:
            with self._lock:
                queue.waiters.remove(waiter)
                if (head := queue.waiters.head()) is not None:
                    set_from_any_thread(head.ready)
                else:
                    queue.down_since = None

    def _seconds_until_recheck(self, queue: Queue, waiter: Waiter) -> float | None:
        """Assign free leases; return when the head of the queue should check again."""
        if queue.waiters.head() is not waiter:
            return None
        now = time.monotonic()
        self._serve(queue, now)
        if waiter.lease is not None:
            return None
        endpoints = [self.endpoint(name) for name in queue.group.names]
        down = [endpoint for endpoint in endpoints if not endpoint.usable(now)]
        changes = [change for e in down if (change := e.next_change()) is not None]
        next_change = min(changes, default=float("inf"))
        queue.down_since = (queue.down_since or now) if len(down) == len(endpoints) else None
        if queue.down_since is not None:
            deadline = queue.down_since + queue.group.wait_timeout
            _raise_if_hopeless(queue.group, endpoints, next_change if changes else now, deadline)
            next_change = min(next_change, deadline)
        return None if next_change == float("inf") else max(0.0, next_change - now)

    def _lease(self, group: EndpointGroup, placement: Placement, now: float) -> Lease | None:
        usable = [
            (placement.tried_endpoints.count(name), endpoint, weight)
            for name, weight in zip(group.names, group.weights, strict=True)
            if (endpoint := self.endpoint(name)).usable(now)
        ]
        # Prefer an untried endpoint even if it is busy; retry the same one if no other is usable.
        min_attempts = min((attempts for attempts, _, _ in usable), default=0)
        free = {
            endpoint.name: (endpoint, weight)
            for attempts, endpoint, weight in usable
            if attempts == min_attempts and endpoint.has_room(group)
        }
        if not free:
            return None
        endpoint, weight = min(
            free.values(), key=lambda f: ((f[0].outstanding + 1) / f[1], f[0].started / f[1])
        )
        pinned = self._affinity.get(placement.affinity) if placement.affinity is not None else None
        if pinned in free and _is_as_loaded(*free[pinned], endpoint, weight):
            endpoint = free[pinned][0]
        elif placement.affinity is not None and pinned is None:
            self._pin(placement.affinity, endpoint.name)
        is_probe = endpoint.start_call(group)
        return Lease(group=group, endpoint=endpoint, started=now, is_probe=is_probe)

    def _end_probe(self, lease: Lease, now: float) -> None:
        """If the circuit is closed now, the request continues as any other."""
        if lease.endpoint.circuit.closed:
            lease.is_probe = False
            self._clear_outages(lease.endpoint)
        self._serve_all(lease.endpoint, now)

    def _pin(self, affinity: str, name: str) -> None:
        self._affinity[affinity] = name
        if len(self._affinity) > MAX_AFFINITIES:
            self._affinity.popitem(last=False)

    def _clear_outages(self, endpoint: EndpointState) -> None:
        for queue in self._queues.values():
            if endpoint.name in queue.group.names:
                queue.down_since = None

    def _serve_all(self, endpoint: EndpointState, now: float) -> None:
        """Assign an endpoint's free leases to the waiters of all groups, oldest first."""
        heads = [
            (head.since, queue)
            for queue in self._queues.values()
            if endpoint.name in queue.group.names and (head := queue.waiters.head()) is not None
        ]
        for _, queue in sorted(heads, key=lambda item: item[0]):
            self._serve(queue, now)
            if not endpoint.usable(now) and (head := queue.waiters.head()) is not None:
                set_from_any_thread(head.ready)

    def _serve(self, queue: Queue, now: float) -> None:
        while self._has_room(queue.group, now) and self._serve_next(queue, now):
            pass

    def _serve_next(self, queue: Queue, now: float) -> bool:
        """Give a lease to the first waiter that fits a free endpoint; whether there is one."""
        for waiter in islice(queue.waiters, MAX_WAITERS_SCANNED):
            waiter.lease = self._lease(queue.group, waiter.placement, now)
            if waiter.lease is not None:
                queue.waiters.serve(waiter)
                set_from_any_thread(waiter.ready)
                return True
        return False

    def _has_room(self, group: EndpointGroup, now: float) -> bool:
        endpoints = (self.endpoint(name) for name in group.names)
        return any(e.usable(now) and e.has_room(group) for e in endpoints)


def _enqueue(queue: Queue, waiter: Waiter) -> None:
    """Add a waiter; if that passes the turn to another one, let it check for its lease.

    With a further call, a question may have its turn after another one.
    """
    before = queue.waiters.head()
    queue.waiters.add(waiter)
    head = queue.waiters.head()
    if head is not None and head not in (before, waiter):
        set_from_any_thread(head.ready)


def _is_as_loaded(
    pinned: EndpointState, pinned_weight: float, other: EndpointState, weight: float
) -> bool:
    """Whether the endpoint with the prefix cache has little to do, or about as much as another.

    A small batch of one prompt decodes almost as fast as a single sequence, and its prompt is
    processed once; a larger one is faster where it is spread over idle endpoints.
    """
    if pinned.outstanding < SMALL_BATCH:
        return True
    return pinned.outstanding / pinned_weight <= LOAD_TOLERANCE * other.outstanding / weight + 1


def _raise_if_hopeless(
    group: EndpointGroup, endpoints: list[EndpointState], next_change: float, deadline: float
) -> None:
    """Raise if no endpoint has ever responded, or none is usable before the deadline."""
    never_responded = all(
        not e.ever_responded and e.circuit.failed_probes >= group.max_attempts for e in endpoints
    )
    if never_responded or next_change >= deadline:
        errors = [e.last_error for e in endpoints if e.last_error is not None]
        raise NoEndpointError(errors[0] if errors else unreachable_error())
