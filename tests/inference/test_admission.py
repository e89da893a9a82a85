"""Admission control: runs start up to the capacity of the endpoints; the others wait."""

from __future__ import annotations

import asyncio

import pytest

from a2r.inference.routing import admission as module
from a2r.inference.routing.admission import AdmissionController

CAPACITY = 8


async def start_admission(
    admission: AdmissionController, question: str, calls: int = 4
) -> asyncio.Task[None]:
    task = asyncio.create_task(admission.admit(question, calls, CAPACITY))
    for _ in range(4):
        await asyncio.sleep(0)
    return task


async def test_runs_are_admitted_up_to_twice_the_capacity() -> None:
    admission = AdmissionController(min_runs=0)
    tasks = [await start_admission(admission, f"q{n}") for n in range(6)]
    assert [task.done() for task in tasks] == [True] * 4 + [False] * 2
    with admission.call("q0"), admission.call("q0"), admission.call("q0"), admission.call("q0"):
        # The reserved calls are in flight now: nothing changes for the waiters.
        assert not (await start_admission(admission, "q6")).done()
    for _ in range(4):
        await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True] * 5 + [False]


async def test_a_run_above_the_capacity_starts_alone() -> None:
    admission = AdmissionController(min_runs=0)
    assert (await start_admission(admission, "huge", calls=1000)).done()
    small = await start_admission(admission, "small")
    assert not small.done()
    small.cancel()


async def test_a_cancelled_waiter_is_skipped() -> None:
    admission = AdmissionController(min_runs=0)
    await start_admission(admission, "huge", calls=1000)
    cancelled, after = (
        await start_admission(admission, "cancelled"),
        await start_admission(admission, "after"),
    )
    cancelled.cancel()
    for _ in range(1000):
        with admission.call("huge"):
            pass
    async with asyncio.timeout(5):
        await after
    assert cancelled.cancelled()


async def test_unused_reservations_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RESERVATION_SECONDS", 0.05)
    admission = AdmissionController(min_runs=0)
    await start_admission(admission, "cancelled later", calls=1000)
    async with asyncio.timeout(5):
        await admission.admit("next", 4, CAPACITY)


async def test_many_cancelled_waiters_do_not_block_the_next_run() -> None:
    admission = AdmissionController(min_runs=0)
    first = await start_admission(admission, "huge", calls=1000)
    cancelled = [await start_admission(admission, f"q{n}") for n in range(50)]
    for task in cancelled:
        task.cancel()
    await asyncio.wait(cancelled)
    for _ in range(1000):
        with admission.call("huge"):
            pass
    assert first.done()
    # Without other waiters, it starts immediately.
    assert (await start_admission(admission, "next")).done()


async def test_a_small_run_is_admitted_beside_a_large_one() -> None:
    admission = AdmissionController(min_runs=2)
    large = await start_admission(admission, "large", calls=1000)
    small = await start_admission(admission, "small")
    third = await start_admission(admission, "third")
    async with asyncio.timeout(5):
        await asyncio.gather(large, small)
    assert not third.done()
    third.cancel()


async def test_a_run_with_a_smaller_capacity_does_not_hold_up_the_others() -> None:
    admission = AdmissionController(min_runs=0)
    with admission.call("open"), admission.call("open"):
        limited = asyncio.create_task(admission.admit("limited", 4, 1))
        other = await start_admission(admission, "other")
        async with asyncio.timeout(5):
            await other
        assert not limited.done()
    for _ in range(4):
        with admission.call("other"):
            pass
    async with asyncio.timeout(5):
        await limited
