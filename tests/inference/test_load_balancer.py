"""Places at endpoints: caps, load, affinity, failover, circuits, limits, and who waits."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.inference.call_errors import BROKEN_CONNECTION, CallError, unreachable_error
from a2r.inference.routing import load_balancer as module
from a2r.inference.routing.adaptive_limit import AdaptiveLimit
from a2r.inference.routing.circuit_breaker import FAILURE_THRESHOLD, CircuitBreaker
from a2r.inference.routing.load_balancer import (
    EndpointGroup,
    Lease,
    LoadBalancer,
    NoEndpointError,
    Placement,
)

SERVER_ERROR = CallError(
    error_type="server_error", message="HTTP 500", transient=True, generated=True, status=500
)
REJECTED = CallError(error_type="rejected", message="HTTP 400", transient=False, status=400)
BUSY = CallError(
    error_type="rate_limited", message="HTTP 429", transient=True, overloaded=True, status=429
)
ANY = Placement(affinity=None, tried_endpoints=())


def busy(seconds: float) -> CallError:
    return CallError(
        error_type="rate_limited",
        message="HTTP 429",
        transient=True,
        overloaded=True,
        status=429,
        retry_after=seconds,
    )


def group(
    *names: str, weights: tuple[float, ...] = (), cap: int = 4, patience: float = 60.0
) -> EndpointGroup:
    return EndpointGroup(
        names=names,
        weights=weights or (1.0,) * len(names),
        max_concurrency=cap,
        wait_timeout=patience,
        max_attempts=2,
    )


@dataclass
class Clock:
    """A monotonic clock that stands still until it is set."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


async def take(balancer: LoadBalancer, of: EndpointGroup, wish: Placement = ANY) -> Lease:
    """A place that has to be free at once."""
    async with asyncio.timeout(5):
        return await balancer.acquire(of, wish)


async def waiting(
    balancer: LoadBalancer, of: EndpointGroup, wish: Placement = ANY
) -> asyncio.Task[Lease]:
    """A call that waits for a place."""
    task = asyncio.create_task(balancer.acquire(of, wish))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_work_goes_where_least_is_outstanding_by_weight() -> None:
    balancer, of = LoadBalancer(), group("a", "b", weights=(1, 3), cap=100)
    leases = [await take(balancer, of) for _ in range(40)]
    assert Counter(lease.endpoint.name for lease in leases) == {"a": 10, "b": 30}
    for lease in leases:
        balancer.release(lease, None)
    # Nothing outstanding: who has had least for its weight is next.
    assert (await take(balancer, of)).endpoint.name in ("a", "b")


async def test_a_question_stays_at_its_endpoint_while_there_is_room() -> None:
    balancer, of = LoadBalancer(), group("a", "b", cap=3)
    first = [
        await take(balancer, of, Placement(affinity="q1", tried_endpoints=())) for _ in range(3)
    ]
    second = [
        await take(balancer, of, Placement(affinity="q2", tried_endpoints=())) for _ in range(2)
    ]
    assert len({lease.endpoint.name for lease in first}) == 1
    assert {lease.endpoint.name for lease in second} == {"a", "b"} - {first[0].endpoint.name}
    full = await take(balancer, of, Placement(affinity="q1", tried_endpoints=()))
    assert full.endpoint.name == second[0].endpoint.name
    balancer.release(first[0], None)
    again = await take(balancer, of, Placement(affinity="q1", tried_endpoints=()))
    assert again.endpoint.name == first[0].endpoint.name


async def test_a_call_that_failed_goes_elsewhere_even_to_a_busier_endpoint() -> None:
    balancer, of = LoadBalancer(), group("a", "b", cap=10)
    for _ in range(6):
        await take(balancer, of)
    failed = await take(balancer, of)
    balancer.release(failed, SERVER_ERROR)
    retry = await take(
        balancer, of, Placement(affinity=None, tried_endpoints=[failed.endpoint.name])
    )
    assert retry.endpoint.name != failed.endpoint.name
    both = await take(balancer, of, Placement(affinity=None, tried_endpoints=["a", "b"]))
    assert both.endpoint.name in ("a", "b")


async def test_who_waits_for_another_endpoint_neither_spins_nor_blocks_the_others() -> None:
    balancer, of = LoadBalancer(), group("a", "b", cap=2)
    places = [await take(balancer, of) for _ in range(4)]
    a = [lease for lease in places if lease.endpoint.name == "a"]
    b = [lease for lease in places if lease.endpoint.name == "b"]
    picky = await waiting(balancer, of, Placement(affinity=None, tried_endpoints=["a"]))
    others = [await waiting(balancer, of) for _ in range(40)]
    for lease in a:
        balancer.release(lease, None)
    async with asyncio.timeout(5):
        done, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        served = [task.result() for task in done]
        # One after the other, all but the first in line are served by what it does not want.
        while served:
            balancer.release(served.pop(), None)
            await asyncio.sleep(0)
            served += [t.result() for t in others if t.done() and t not in done]
            done |= {t for t in others if t.done()}
    assert not picky.done()
    balancer.release(b[0], None)
    assert (await asyncio.wait_for(picky, 5)).endpoint.name == "b"


async def test_first_come_first_served_and_never_above_the_cap() -> None:
    balancer, of = LoadBalancer(), group("a", cap=2)
    held = [await take(balancer, of) for _ in range(2)]
    order: list[int] = []

    async def call(n: int) -> None:
        lease = await balancer.acquire(of, ANY)
        order.append(n)
        assert lease.endpoint.outstanding <= 2
        balancer.release(lease, None)

    tasks = [asyncio.create_task(call(n)) for n in range(50)]
    await asyncio.sleep(0)
    for lease in held:
        balancer.release(lease, None)
    await asyncio.gather(*tasks)
    assert order == list(range(50))
    assert balancer.endpoint("a").outstanding == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3))
def test_whatever_happens_no_cap_is_broken_and_every_place_comes_back(
    seed: int, cap: int, endpoints: int
) -> None:
    chance = random.Random(seed)
    balancer, peaks = LoadBalancer(), Counter[str]()
    of = group(*(f"e{n}" for n in range(endpoints)), cap=cap)

    async def call() -> None:
        lease = await balancer.acquire(
            of, Placement(affinity=chance.choice("qrs"), tried_endpoints=())
        )
        name = lease.endpoint.name
        peaks[name] = max(peaks[name], lease.endpoint.outstanding)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            balancer.release_unused(lease)
            raise
        balancer.release(lease, chance.choice([None, None, None, BUSY, REJECTED]))

    async def main() -> None:
        tasks = [asyncio.create_task(call()) for _ in range(60)]
        for task in chance.sample(tasks, 15):
            await asyncio.sleep(0)
            task.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert max(peaks.values()) <= cap
    assert all(balancer.endpoint(f"e{n}").outstanding == 0 for n in range(endpoints))


async def test_a_cancelled_waiter_passes_its_place_on() -> None:
    balancer, of = LoadBalancer(), group("a", cap=1)
    held = await take(balancer, of)
    gone, next_one = await waiting(balancer, of), await waiting(balancer, of)
    # The place is handed over and the waiter cancelled before it can run.
    balancer.release(held, None)
    gone.cancel()
    lease = await asyncio.wait_for(next_one, 5)
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert lease.endpoint.outstanding == 1


def test_the_cap_holds_across_threads_and_loops() -> None:
    balancer, of, lock = LoadBalancer(), group("a", cap=3), threading.Lock()
    running, peaks = Counter[str](), []

    async def call() -> None:
        lease = await balancer.acquire(of, ANY)
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


async def test_repeated_failure_opens_the_circuit_and_it_half_opens_by_itself(
    clock: Clock,
) -> None:
    balancer, of = LoadBalancer(), group("a", "b", cap=100)
    a = balancer.endpoint("a")
    for _ in range(FAILURE_THRESHOLD):
        lease = await take(balancer, of, Placement(affinity=None, tried_endpoints=["b"]))
        assert (lease.endpoint, lease.is_probe) == (a, False)
        balancer.release(lease, SERVER_ERROR)
    assert not a.usable(clock.now)
    others = [await take(balancer, of) for _ in range(20)]
    assert {lease.endpoint.name for lease in others} == {"b"}
    clock.now += 1
    trial = await take(balancer, of)
    assert (trial.endpoint.name, trial.is_probe) == ("a", True)
    # One trial at a time.
    assert (await take(balancer, of)).endpoint.name == "b"
    balancer.release(trial, None)
    after = [await take(balancer, of) for _ in range(10)]
    assert {lease.endpoint.name for lease in after} == {"a"}


async def test_a_failed_trial_keeps_the_circuit_open_for_longer(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", "b")
    lease = await take(balancer, of, Placement(affinity=None, tried_endpoints=["b"]))
    balancer.release(lease, unreachable_error())
    waits = []
    for _ in range(4):
        wait = (balancer.endpoint("a").next_change() or 0) - clock.now
        waits.append(wait)
        clock.now += wait
        trial = await take(balancer, of, Placement(affinity=None, tried_endpoints=["b"]))
        assert trial.is_probe
        balancer.release(trial, unreachable_error())
    assert all(later > earlier for earlier, later in pairwise(waits))


async def test_refusals_and_rejections_open_no_circuit(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", cap=100)
    for fault in [REJECTED] * 20 + [BUSY] * 2:
        balancer.release(await take(balancer, of), fault)
    assert balancer.endpoint("a").circuit.closed


async def test_retry_after_pauses_the_endpoint_and_the_others_work(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", "b", cap=100)
    first = await take(balancer, of)
    balancer.release(first, busy(30))
    names = {(await take(balancer, of)).endpoint.name for _ in range(10)}
    assert names == {"a", "b"} - {first.endpoint.name}
    clock.now += 30
    assert (await take(balancer, of)).endpoint.name == first.endpoint.name


async def test_a_pause_beyond_the_patience_is_told_at_once(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", patience=10)
    balancer.release(await take(balancer, of), busy(3000))
    with pytest.raises(NoEndpointError) as caught:
        await take(balancer, of)
    assert caught.value.error.error_type == "rate_limited"


async def test_endpoints_that_never_answered_are_given_up_after_their_tries(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", "b")
    for _ in range(2):
        clock.now += 5
        for name, other in (("a", "b"), ("b", "a")):
            lease = await take(balancer, of, Placement(affinity=None, tried_endpoints=[other]))
            assert lease.endpoint.name == name
            balancer.release(lease, unreachable_error())
    with pytest.raises(NoEndpointError) as caught:
        await take(balancer, of)
    assert caught.value.error.error_type == "unreachable"


async def test_an_endpoint_that_has_answered_before_is_waited_for() -> None:
    balancer, of = LoadBalancer(), group("a", cap=5)
    balancer.release(await take(balancer, of), None)
    leases = [await take(balancer, of) for _ in range(2)]
    for lease in leases:
        balancer.release(lease, unreachable_error())
    # All of these wait until the circuit half-opens; the first is the trial that lets all in.
    calls = [asyncio.create_task(balancer.acquire(of, ANY)) for _ in range(4)]
    done, _ = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    [trial] = [task.result() for task in done]
    assert trial.is_probe
    balancer.release(trial, None)
    async with asyncio.timeout(5):
        rest = await asyncio.gather(*(task for task in calls if task not in done))
    assert [lease.is_probe for lease in rest] == [False] * 3


async def test_a_server_that_is_back_is_given_everything_before_its_first_answer() -> None:
    balancer, of = LoadBalancer(), group("a", cap=5)
    balancer.release(await take(balancer, of), None)
    balancer.release(await take(balancer, of), unreachable_error())
    calls = [asyncio.create_task(balancer.acquire(of, ANY)) for _ in range(4)]
    done, waiting_still = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    [trial] = [task.result() for task in done]
    balancer.mark_recovered(trial)
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting_still)
    balancer.release(trial, SERVER_ERROR)
    assert balancer.endpoint("a").circuit.closed


async def test_one_that_failed_at_its_work_has_to_show_that_it_works(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", cap=100)
    for _ in range(FAILURE_THRESHOLD):
        balancer.release(await take(balancer, of), SERVER_ERROR)
    clock.now += 1
    trial = await take(balancer, of)
    balancer.mark_recovered(trial)
    assert not balancer.endpoint("a").usable(clock.now)
    balancer.release(trial, None)
    assert balancer.endpoint("a").usable(clock.now)


async def test_each_outage_has_its_own_patience(clock: Clock) -> None:
    balancer, of = LoadBalancer(), group("a", patience=10)
    balancer.release(await take(balancer, of), None)
    for _ in range(3):
        balancer.release(await take(balancer, of), unreachable_error())
        waiter = await waiting(balancer, of)
        clock.now += 5
        waiter.cancel()
        await asyncio.wait([waiter])
        trial = await take(balancer, of)
        balancer.mark_recovered(trial)
        balancer.release(trial, None)
        clock.now += 100


async def test_a_refusal_that_says_to_come_back_at_once_is_no_invitation_to_hammer(
    clock: Clock,
) -> None:
    balancer, of = LoadBalancer(), group("a", patience=60)
    for _ in range(5):
        balancer.release(await take(balancer, of), busy(0))
        clock.now += max(0.0, balancer.endpoint("a").paused_until - clock.now)
    assert balancer.endpoint("a").overload_count == 5
    balancer.release(await take(balancer, of), busy(0))
    assert balancer.endpoint("a").paused_until > clock.now


async def test_all_that_wait_give_up_when_the_patience_ends() -> None:
    balancer, of = LoadBalancer(), group("a", cap=5, patience=0.2)
    balancer.release(await take(balancer, of), None)
    for _ in range(3):
        balancer.endpoint("a").circuit.failed_probes = 8
        balancer.endpoint("a").circuit.on_failure(
            module.time.monotonic(), unreachable=True, is_probe=False
        )
    async with asyncio.timeout(10):
        results = await asyncio.gather(
            *(balancer.acquire(of, ANY) for _ in range(20)), return_exceptions=True
        )
    assert all(isinstance(result, NoEndpointError) for result in results)


@dataclass
class Book:
    """A limit under a scripted endpoint that takes `capacity` requests at once."""

    capacity: int
    cap: int
    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    now: float = 0.0

    def round(self) -> tuple[int, int]:
        """Fill up to the limit once; how many were sent and how many of them refused."""
        sent = self.limit.effective(self.cap)
        for n in range(sent):
            if n < self.capacity:
                self.limit.on_success()
            else:
                self.limit.on_overload(outstanding=sent, started=self.now, now=self.now + 0.5)
        self.now += 1
        return sent, max(0, sent - self.capacity)


def test_the_limit_settles_around_what_the_endpoint_takes() -> None:
    book = Book(capacity=40, cap=256)
    rounds = [book.round() for _ in range(300)]
    assert rounds[0] == (256, 216)
    later = [sent for sent, _ in rounds[20:]]
    assert min(later) >= 18
    assert max(later) <= 42


def test_the_limit_never_leaves_one_and_the_cap() -> None:
    limit = AdaptiveLimit()
    for n in range(50):
        limit.on_overload(outstanding=1, started=n, now=n)
    assert limit.effective(8) == 1
    for _ in range(1000):
        limit.on_success()
    assert limit.effective(8) == 8


def test_refusals_of_one_burst_lower_the_limit_once() -> None:
    limit = AdaptiveLimit()
    for _ in range(100):
        limit.on_overload(outstanding=100, started=1.0, now=2.0)
    assert limit.effective(256) == 50


def test_an_abandoned_trial_leaves_the_circuit_half_open() -> None:
    circuit = CircuitBreaker()
    circuit.on_failure(0.0, unreachable=True, is_probe=False)
    assert circuit.start()
    assert not circuit.allows(100.0)
    circuit.on_abandoned(is_probe=True)
    assert circuit.allows(100.0)


async def test_a_trial_ends_however_its_call_does(clock: Clock) -> None:
    odd = CallError(error_type="engine", message="", transient=False, reached=False)
    for fault in (odd, SERVER_ERROR, BUSY, REJECTED, None):
        balancer, of = LoadBalancer(), group("a")
        balancer.release(await take(balancer, of), unreachable_error())
        clock.now += 5
        trial = await take(balancer, of)
        assert trial.is_probe
        balancer.release(trial, fault)
        clock.now += 60
        assert balancer.endpoint("a").usable(clock.now), fault


def test_a_broken_connection_counts_as_a_failure() -> None:
    circuit: Any = CircuitBreaker()
    for _ in range(FAILURE_THRESHOLD):
        circuit.on_failure(0.0, unreachable=not BROKEN_CONNECTION.reached, is_probe=False)
    assert not circuit.closed
