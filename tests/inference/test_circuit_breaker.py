"""The circuits of endpoints: when they open, and what closes them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from a2r.inference.call_errors import BROKEN_CONNECTION, CallError, unreachable_error
from a2r.inference.routing.circuit_breaker import FAILURE_THRESHOLD, CircuitBreaker
from a2r.inference.routing.fair_queue import Lease, Placement
from a2r.inference.routing.load_balancer import LoadBalancer
from a2r.inference.routing.role_endpoints import EndpointGroup
from tests.support.routing import (
    BUSY,
    REJECTED,
    SERVER_ERROR,
    Clock,
    acquire_now,
    group,
    start_waiting,
)


async def test_repeated_failures_open_the_circuit_until_a_delay(
    clock: Clock,
) -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", max_concurrency=100)
    a = balancer.endpoint("a")
    for _ in range(FAILURE_THRESHOLD):
        lease = await acquire_now(
            balancer, endpoints, Placement(affinity=None, tried_endpoints=["b"])
        )
        assert (lease.endpoint, lease.is_probe) == (a, False)
        balancer.release(lease, SERVER_ERROR)
    assert not a.usable(clock.now)
    others = [await acquire_now(balancer, endpoints) for _ in range(20)]
    assert {lease.endpoint.name for lease in others} == {"b"}
    clock.now += 1
    probe = await acquire_now(balancer, endpoints)
    assert (probe.endpoint.name, probe.is_probe) == ("a", True)
    # One probe at a time.
    assert (await acquire_now(balancer, endpoints)).endpoint.name == "b"
    balancer.release(probe, None)
    after = [await acquire_now(balancer, endpoints) for _ in range(10)]
    assert {lease.endpoint.name for lease in after} == {"a"}


async def test_a_failed_probe_keeps_the_circuit_open_longer(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b")
    lease = await acquire_now(balancer, endpoints, Placement(affinity=None, tried_endpoints=["b"]))
    balancer.release(lease, unreachable_error())
    waits = []
    for _ in range(4):
        wait = (balancer.endpoint("a").next_change() or 0) - clock.now
        waits.append(wait)
        clock.now += wait
        probe = await acquire_now(
            balancer, endpoints, Placement(affinity=None, tried_endpoints=["b"])
        )
        assert probe.is_probe
        balancer.release(probe, unreachable_error())
    assert all(later > earlier for earlier, later in pairwise(waits))


async def test_overload_and_rejections_do_not_open_the_circuit(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=100)
    for error in [REJECTED] * 20 + [BUSY] * 2:
        balancer.release(await acquire_now(balancer, endpoints), error)
    assert balancer.endpoint("a").circuit.closed


async def test_after_failed_requests_only_a_success_closes_the_circuit(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=100)
    for _ in range(FAILURE_THRESHOLD):
        balancer.release(await acquire_now(balancer, endpoints), SERVER_ERROR)
    clock.now += 1
    probe = await acquire_now(balancer, endpoints)
    balancer.mark_recovered(probe)
    assert not balancer.endpoint("a").usable(clock.now)
    balancer.release(probe, None)
    assert balancer.endpoint("a").usable(clock.now)


async def recovering(clock: Clock) -> tuple[LoadBalancer, EndpointGroup, Lease]:
    """A balancer whose only endpoint recovers, and the lease of its trial."""
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=100)
    for _ in range(FAILURE_THRESHOLD):
        balancer.release(await acquire_now(balancer, endpoints), SERVER_ERROR)
    clock.now += 1
    trial = await acquire_now(balancer, endpoints)
    assert trial.is_probe
    return balancer, endpoints, trial


async def test_the_first_piece_of_a_trial_closes_the_circuit(clock: Clock) -> None:
    balancer, endpoints, trial = await recovering(clock)
    waiters = [await start_waiting(balancer, endpoints) for _ in range(15)]
    balancer.mark_streaming(trial)
    leases = await asyncio.gather(*waiters)
    assert not any(lease.is_probe for lease in (trial, *leases))
    for lease in (*leases, trial):
        balancer.release(lease, None)
    assert balancer.endpoint("a").circuit == CircuitBreaker()


async def test_a_trial_that_breaks_later_opens_the_circuit_for_longer(clock: Clock) -> None:
    balancer, _, trial = await recovering(clock)
    balancer.mark_streaming(trial)
    balancer.release(trial, BROKEN_CONNECTION)
    circuit = balancer.endpoint("a").circuit
    assert not circuit.closed
    assert circuit.failed_probes == 2
    assert not balancer.endpoint("a").usable(clock.now + 0.3)


async def test_the_end_of_an_earlier_trial_leaves_the_next_one(clock: Clock) -> None:
    balancer, endpoints, trial = await recovering(clock)
    balancer.mark_streaming(trial)
    balancer.release(await acquire_now(balancer, endpoints), SERVER_ERROR)
    clock.now += 5
    assert (await acquire_now(balancer, endpoints)).is_probe
    balancer.release_unused(trial)
    assert balancer.endpoint("a").circuit.half_open


def test_an_abandoned_probe_leaves_the_circuit_half_open() -> None:
    circuit = CircuitBreaker()
    circuit.on_failure(0.0, unreachable=True, is_probe=False)
    assert circuit.start()
    assert not circuit.allows(100.0)
    circuit.on_abandoned(is_probe=True)
    assert circuit.allows(100.0)


async def test_a_probe_ends_with_its_call(clock: Clock) -> None:
    odd = CallError(error_type="engine", message="", transient=False, reached=False)
    for error in (odd, SERVER_ERROR, BUSY, REJECTED, None):
        balancer, endpoints = LoadBalancer(), group("a")
        balancer.release(await acquire_now(balancer, endpoints), unreachable_error())
        clock.now += 5
        probe = await acquire_now(balancer, endpoints)
        assert probe.is_probe
        balancer.release(probe, error)
        clock.now += 60
        assert balancer.endpoint("a").usable(clock.now), error


def test_a_broken_connection_counts_as_a_failure() -> None:
    circuit: Any = CircuitBreaker()
    for _ in range(FAILURE_THRESHOLD):
        circuit.on_failure(0.0, unreachable=not BROKEN_CONNECTION.reached, is_probe=False)
    assert not circuit.closed
