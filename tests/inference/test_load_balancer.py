"""The load balancer: limits, load, affinity, failover, and waiters."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.inference.call_errors import unreachable_error
from a2r.inference.routing import load_balancer as module
from a2r.inference.routing.fair_queue import Placement
from a2r.inference.routing.load_balancer import LoadBalancer, NoEndpointError
from tests.support.routing import (
    ANY,
    BUSY,
    REJECTED,
    SERVER_ERROR,
    Clock,
    acquire_now,
    group,
    overloaded,
    start_waiting,
)


async def test_least_outstanding_requests_by_weight() -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", weights=(1, 3), max_concurrency=100)
    leases = [await acquire_now(balancer, endpoints) for _ in range(40)]
    assert Counter(lease.endpoint.name for lease in leases) == {"a": 10, "b": 30}
    for lease in leases:
        balancer.release(lease, None)
    # Without outstanding requests, the endpoint with the fewest requests by weight is next.
    assert (await acquire_now(balancer, endpoints)).endpoint.name in ("a", "b")


async def test_an_affinity_key_stays_at_its_endpoint_while_it_has_capacity() -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", max_concurrency=3)
    first = [
        await acquire_now(balancer, endpoints, Placement(affinity="q1", tried_endpoints=()))
        for _ in range(3)
    ]
    second = [
        await acquire_now(balancer, endpoints, Placement(affinity="q2", tried_endpoints=()))
        for _ in range(2)
    ]
    assert len({lease.endpoint.name for lease in first}) == 1
    assert {lease.endpoint.name for lease in second} == {"a", "b"} - {first[0].endpoint.name}
    full = await acquire_now(balancer, endpoints, Placement(affinity="q1", tried_endpoints=()))
    assert full.endpoint.name == second[0].endpoint.name
    balancer.release(first[0], None)
    again = await acquire_now(balancer, endpoints, Placement(affinity="q1", tried_endpoints=()))
    assert again.endpoint.name == first[0].endpoint.name


async def test_a_retry_prefers_an_untried_endpoint_even_if_busier() -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", max_concurrency=10)
    for _ in range(6):
        await acquire_now(balancer, endpoints)
    failed = await acquire_now(balancer, endpoints)
    balancer.release(failed, SERVER_ERROR)
    retry = await acquire_now(
        balancer, endpoints, Placement(affinity=None, tried_endpoints=[failed.endpoint.name])
    )
    assert retry.endpoint.name != failed.endpoint.name
    both = await acquire_now(
        balancer, endpoints, Placement(affinity=None, tried_endpoints=["a", "b"])
    )
    assert both.endpoint.name in ("a", "b")


async def test_a_waiter_for_an_untried_endpoint_does_not_block_others() -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", max_concurrency=2)
    leases = [await acquire_now(balancer, endpoints) for _ in range(4)]
    a = [lease for lease in leases if lease.endpoint.name == "a"]
    b = [lease for lease in leases if lease.endpoint.name == "b"]
    picky = await start_waiting(
        balancer, endpoints, Placement(affinity=None, tried_endpoints=["a"])
    )
    others = [await start_waiting(balancer, endpoints) for _ in range(40)]
    for lease in a:
        balancer.release(lease, None)
    async with asyncio.timeout(5):
        done, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        served = [task.result() for task in done]
        # The others are served by the endpoint that the head of the queue has tried.
        while served:
            balancer.release(served.pop(), None)
            await asyncio.sleep(0)
            served += [t.result() for t in others if t.done() and t not in done]
            done |= {t for t in others if t.done()}
    assert not picky.done()
    balancer.release(b[0], None)
    assert (await asyncio.wait_for(picky, 5)).endpoint.name == "b"


async def test_waiters_are_served_in_order_within_the_limit() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=2)
    leases = [await acquire_now(balancer, endpoints) for _ in range(2)]
    order: list[int] = []

    async def call(n: int) -> None:
        lease = await balancer.acquire(endpoints, ANY)
        order.append(n)
        assert lease.endpoint.outstanding <= 2
        balancer.release(lease, None)

    tasks = [asyncio.create_task(call(n)) for n in range(50)]
    await asyncio.sleep(0)
    for lease in leases:
        balancer.release(lease, None)
    await asyncio.gather(*tasks)
    assert order == list(range(50))
    assert balancer.endpoint("a").outstanding == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3))
def test_limits_hold_and_all_leases_are_returned(
    seed: int, max_concurrency: int, count: int
) -> None:
    rng = random.Random(seed)
    balancer, peaks = LoadBalancer(), Counter[str]()
    endpoints = group(*(f"e{n}" for n in range(count)), max_concurrency=max_concurrency)

    async def call() -> None:
        lease = await balancer.acquire(
            endpoints, Placement(affinity=rng.choice("qrs"), tried_endpoints=())
        )
        name = lease.endpoint.name
        peaks[name] = max(peaks[name], lease.endpoint.outstanding)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            balancer.release_unused(lease)
            raise
        balancer.release(lease, rng.choice([None, None, None, BUSY, REJECTED]))

    async def main() -> None:
        tasks = [asyncio.create_task(call()) for _ in range(60)]
        for task in rng.sample(tasks, 15):
            await asyncio.sleep(0)
            task.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert max(peaks.values()) <= max_concurrency
    assert all(balancer.endpoint(f"e{n}").outstanding == 0 for n in range(count))


async def test_a_cancelled_waiter_passes_its_lease_on() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=1)
    leases = await acquire_now(balancer, endpoints)
    gone, next_one = (
        await start_waiting(balancer, endpoints),
        await start_waiting(balancer, endpoints),
    )
    # The lease is assigned, and the waiter cancelled before it can run.
    balancer.release(leases, None)
    gone.cancel()
    lease = await asyncio.wait_for(next_one, 5)
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert lease.endpoint.outstanding == 1


def test_the_limit_holds_across_threads_and_loops() -> None:
    balancer, endpoints, lock = LoadBalancer(), group("a", max_concurrency=3), threading.Lock()
    running, peaks = Counter[str](), []

    async def call() -> None:
        lease = await balancer.acquire(endpoints, ANY)
        with lock:
            running["now"] += 1
            peaks.append(running["now"])
        await asyncio.sleep(0)
        with lock:
            running["now"] -= 1
        balancer.release(lease, None)

    async def many() -> None:
        await asyncio.gather(*(call() for _ in range(100)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(peaks) == 400
    assert max(peaks) <= 3


async def test_retry_after_pauses_the_endpoint_and_the_others_work(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", max_concurrency=100)
    first = await acquire_now(balancer, endpoints)
    balancer.release(first, overloaded(30))
    names = {(await acquire_now(balancer, endpoints)).endpoint.name for _ in range(10)}
    assert names == {"a", "b"} - {first.endpoint.name}
    clock.now += 30
    assert (await acquire_now(balancer, endpoints)).endpoint.name == first.endpoint.name


async def test_a_pause_beyond_the_wait_timeout_fails_at_once(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", wait_timeout=10)
    balancer.release(await acquire_now(balancer, endpoints), overloaded(3000))
    with pytest.raises(NoEndpointError) as caught:
        await acquire_now(balancer, endpoints)
    assert caught.value.error.error_type == "rate_limited"


async def test_endpoints_that_never_responded_fail_after_max_attempts(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b")
    for _ in range(2):
        clock.now += 5
        for name, other in (("a", "b"), ("b", "a")):
            lease = await acquire_now(
                balancer, endpoints, Placement(affinity=None, tried_endpoints=[other])
            )
            assert lease.endpoint.name == name
            balancer.release(lease, unreachable_error())
    with pytest.raises(NoEndpointError) as caught:
        await acquire_now(balancer, endpoints)
    assert caught.value.error.error_type == "unreachable"


async def test_an_endpoint_that_responded_before_is_waited_for() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=5)
    balancer.release(await acquire_now(balancer, endpoints), None)
    leases = [await acquire_now(balancer, endpoints) for _ in range(2)]
    for lease in leases:
        balancer.release(lease, unreachable_error())
    # All wait until the circuit half-opens; the first is the probe, which admits the others.
    calls = [asyncio.create_task(balancer.acquire(endpoints, ANY)) for _ in range(4)]
    done, _ = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    [probe] = [task.result() for task in done]
    assert probe.is_probe
    balancer.release(probe, None)
    async with asyncio.timeout(5):
        rest = await asyncio.gather(*(task for task in calls if task not in done))
    assert [lease.is_probe for lease in rest] == [False] * 3


async def test_a_recovered_server_gets_all_waiters_at_once() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=5)
    balancer.release(await acquire_now(balancer, endpoints), None)
    balancer.release(await acquire_now(balancer, endpoints), unreachable_error())
    calls = [asyncio.create_task(balancer.acquire(endpoints, ANY)) for _ in range(4)]
    done, waiting_still = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    [probe] = [task.result() for task in done]
    balancer.mark_recovered(probe)
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting_still)
    balancer.release(probe, SERVER_ERROR)
    assert balancer.endpoint("a").circuit.closed


async def test_each_outage_has_its_own_wait_timeout(clock: Clock) -> None:
    balancer, endpoints = LoadBalancer(), group("a", wait_timeout=10)
    balancer.release(await acquire_now(balancer, endpoints), None)
    for _ in range(3):
        balancer.release(await acquire_now(balancer, endpoints), unreachable_error())
        waiter = await start_waiting(balancer, endpoints)
        clock.now += 5
        waiter.cancel()
        await asyncio.wait([waiter])
        probe = await acquire_now(balancer, endpoints)
        balancer.mark_recovered(probe)
        balancer.release(probe, None)
        clock.now += 100


async def test_retry_after_zero_still_backs_off(
    clock: Clock,
) -> None:
    balancer, endpoints = LoadBalancer(), group("a", wait_timeout=60)
    for _ in range(5):
        balancer.release(await acquire_now(balancer, endpoints), overloaded(0))
        clock.now += max(0.0, balancer.endpoint("a").paused_until - clock.now)
    assert balancer.endpoint("a").overload_count == 5
    balancer.release(await acquire_now(balancer, endpoints), overloaded(0))
    assert balancer.endpoint("a").paused_until > clock.now


async def test_a_pause_ends_for_questions_that_wait_in_turn() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=9)
    balancer.release(await acquire_now(balancer, endpoints), overloaded(0.2))
    served: list[str] = []

    async def call(question: str) -> None:
        placement = Placement(affinity=question, tried_endpoints=())
        balancer.release(await balancer.acquire(endpoints, placement), None)
        served.append(question)

    async with asyncio.timeout(10):
        await asyncio.gather(*map(call, "ababa"))
    assert sorted(served) == list("aaabb")


async def test_all_waiters_fail_at_the_wait_timeout() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=5, wait_timeout=0.2)
    balancer.release(await acquire_now(balancer, endpoints), None)
    for _ in range(3):
        balancer.endpoint("a").circuit.failed_probes = 8
        balancer.endpoint("a").circuit.on_failure(
            module.time.monotonic(), unreachable=True, is_probe=False
        )
    async with asyncio.timeout(10):
        results = await asyncio.gather(
            *(balancer.acquire(endpoints, ANY) for _ in range(20)), return_exceptions=True
        )
    assert all(isinstance(result, NoEndpointError) for result in results)


async def test_the_limits_of_two_roles_at_one_endpoint_are_independent() -> None:
    balancer = LoadBalancer()
    small = group("a", max_concurrency=1, role="explorer")
    large = group("a", max_concurrency=3, role="synthesizer")
    busy = [await acquire_now(balancer, large) for _ in range(3)]
    lease = await acquire_now(balancer, small)
    waiting = await start_waiting(balancer, small)
    balancer.release(busy[0], None)
    assert not waiting.done()
    balancer.release(lease, None)
    async with asyncio.timeout(5):
        await waiting


async def test_a_smaller_limit_of_one_question_does_not_add_to_that_of_its_role() -> None:
    balancer = LoadBalancer()
    usual, limited = group("a", max_concurrency=2), group("a", max_concurrency=1)
    leases = [await acquire_now(balancer, usual) for _ in range(2)]
    waiting = await start_waiting(balancer, limited)
    assert not waiting.done()
    balancer.release(leases[0], None)
    async with asyncio.timeout(5):
        lease = await waiting
    assert balancer.endpoint("a").outstanding == 2
    balancer.release(lease, None)


async def test_the_calls_of_a_small_question_come_first() -> None:
    balancer, endpoints = LoadBalancer(), group("a", max_concurrency=1)
    lease = await acquire_now(balancer, endpoints)
    order: list[str] = []

    async def call(question: str) -> None:
        placement = Placement(affinity=question, tried_endpoints=())
        mine = await balancer.acquire(endpoints, placement)
        order.append(question)
        balancer.release(mine, None)

    tasks = [asyncio.create_task(call("large")) for _ in range(6)]
    tasks += [asyncio.create_task(call("small")) for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert balancer.waiting() == len(tasks)
    balancer.release(lease, None)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert order == ["small"] * 2 + ["large"] * 6


async def test_a_large_question_is_spread_over_idle_endpoints() -> None:
    balancer, endpoints = LoadBalancer(), group("a", "b", "c", "d", max_concurrency=64)
    placement = Placement(affinity="q", tried_endpoints=())
    leases = [await acquire_now(balancer, endpoints, placement) for _ in range(64)]
    counts = Counter(lease.endpoint.name for lease in leases)
    assert max(counts.values()) <= 19
    assert min(counts.values()) >= 14
    few = LoadBalancer()
    small = [await acquire_now(few, endpoints, placement) for _ in range(8)]
    assert len({lease.endpoint.name for lease in small}) == 1
