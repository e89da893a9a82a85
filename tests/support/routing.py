"""Calls, errors and a clock for the load balancer, without a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from a2r.inference.call_errors import CallError
from a2r.inference.routing.fair_queue import Lease, Placement
from a2r.inference.routing.load_balancer import LoadBalancer
from a2r.inference.routing.role_endpoints import EndpointGroup
from a2r.result import Role

SERVER_ERROR = CallError(
    error_type="server_error", message="HTTP 500", transient=True, generated=True, status=500
)


REJECTED = CallError(error_type="rejected", message="HTTP 400", transient=False, status=400)


BUSY = CallError(
    error_type="rate_limited", message="HTTP 429", transient=True, overloaded=True, status=429
)


ANY = Placement(affinity=None, tried_endpoints=())


def overloaded(seconds: float) -> CallError:
    return CallError(
        error_type="rate_limited",
        message="HTTP 429",
        transient=True,
        overloaded=True,
        status=429,
        retry_after=seconds,
    )


def group(
    *names: str,
    weights: tuple[float, ...] = (),
    max_concurrency: int = 4,
    wait_timeout: float = 60.0,
    role: Role = "explorer",
) -> EndpointGroup:
    return EndpointGroup(
        role=role,
        names=names,
        weights=weights or (1.0,) * len(names),
        max_concurrency=max_concurrency,
        wait_timeout=wait_timeout,
        max_attempts=2,
    )


@dataclass
class Clock:
    """A monotonic clock that only advances when set."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


async def acquire_now(
    balancer: LoadBalancer, endpoints: EndpointGroup, placement: Placement = ANY
) -> Lease:
    """Acquire a lease that has to be free at once."""
    async with asyncio.timeout(5):
        return await balancer.acquire(endpoints, placement)


async def start_waiting(
    balancer: LoadBalancer, endpoints: EndpointGroup, placement: Placement = ANY
) -> asyncio.Task[Lease]:
    """Start a call that has to wait for a lease."""
    task = asyncio.create_task(balancer.acquire(endpoints, placement))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    return task
