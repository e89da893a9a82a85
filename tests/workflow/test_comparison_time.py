"""Hard comparisons hold up neither other work of the process nor the deadline of the question."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from a2r import A2R
from a2r.answers import Settings, acluster
from tests.fault_server import Behavior, FaultServer

pytestmark = pytest.mark.integration

HARD = "\\int_0^1 x^{{x^{{x^x+{0}}}}} dx + {0}"


async def test_waiting_comparisons_do_not_fill_the_default_thread_pool() -> None:
    settings = Settings(cluster_seconds=5.0)
    hard = [
        asyncio.create_task(acluster([HARD.format(n), HARD.format(n + 1)], "math", settings))
        for n in range(1, 41, 2)
    ]
    async with asyncio.timeout(30):
        await asyncio.to_thread(int)
    assert not all(task.done() for task in hard)
    for task in hard:
        task.cancel()
    await asyncio.gather(*hard, return_exceptions=True)


async def test_comparisons_leave_time_for_the_synthesis_within_the_deadline() -> None:
    numbers = count(1)

    def answer(body: dict[str, Any], number: int) -> Behavior:
        return Behavior(text=f"$\\boxed{{{HARD.format(next(numbers))}}}$")

    big = Behavior(text="\\boxed{5}")
    with FaultServer(answer) as explorer, FaultServer(big) as synthesizer:
        solver = A2R(
            {
                "kind": "math",
                "explorer": {"model": "small", "endpoints": [explorer.url], "samples": 4},
                "synthesizer": {"model": "big", "endpoints": [synthesizer.url]},
                "deadline": {"call": 6, "question": 6},
            }
        )
        results = await asyncio.gather(*(solver.aask(f"hard {n}?") for n in range(12)))
    assert {result.method for result in results} == {"synthesized"}
    assert synthesizer.request_log.arrived == 12
