"""Questions begin while their calls keep the endpoints busy; the others wait."""

from __future__ import annotations

import asyncio

import pytest

from a2r.inference.routing import admission as module
from a2r.inference.routing.admission import AdmissionController

CAPACITY = 8


async def begun(
    admission: AdmissionController, question: str, calls: int = 4
) -> asyncio.Task[None]:
    task = asyncio.create_task(admission.admit(question, calls, CAPACITY))
    for _ in range(4):
        await asyncio.sleep(0)
    return task


async def test_questions_begin_until_their_calls_fill_the_endpoints_twice() -> None:
    admission = AdmissionController()
    tasks = [await begun(admission, f"q{n}") for n in range(6)]
    assert [task.done() for task in tasks] == [True] * 4 + [False] * 2
    with admission.call("q0"), admission.call("q0"), admission.call("q0"), admission.call("q0"):
        # What was announced is now under way: nothing has changed for the others.
        assert not (await begun(admission, "q6")).done()
    for _ in range(4):
        await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True] * 5 + [False]


async def test_a_question_larger_than_all_endpoints_begins_alone() -> None:
    admission = AdmissionController()
    assert (await begun(admission, "huge", calls=1000)).done()
    small = await begun(admission, "small")
    assert not small.done()
    small.cancel()


async def test_a_cancelled_question_lets_the_next_one_in() -> None:
    admission = AdmissionController()
    await begun(admission, "huge", calls=1000)
    gone, after = await begun(admission, "gone"), await begun(admission, "after")
    gone.cancel()
    for _ in range(1000):
        with admission.call("huge"):
            pass
    async with asyncio.timeout(5):
        await after
    assert gone.cancelled()


async def test_calls_that_were_announced_and_never_begun_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RESERVATION_SECONDS", 0.05)
    admission = AdmissionController()
    await begun(admission, "cancelled later", calls=1000)
    async with asyncio.timeout(5):
        await admission.admit("next", 4, CAPACITY)


async def test_questions_that_were_given_up_take_nobodys_turn() -> None:
    admission = AdmissionController()
    first = await begun(admission, "huge", calls=1000)
    given_up = [await begun(admission, f"q{n}") for n in range(50)]
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    for _ in range(1000):
        with admission.call("huge"):
            pass
    assert first.done()
    # Nobody is in the way: it begins at once.
    assert (await begun(admission, "next")).done()
