"""Roles, questions and clients share the endpoints: none waits for all the work of another."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from a2r import A2R
from tests.fault_server import Behavior, FaultServer

pytestmark = pytest.mark.integration

TEXT = "\\boxed{42}"


def config_over(*servers: FaultServer, **explorer: Any) -> dict[str, Any]:
    return {
        "kind": "math",
        "explorer": {
            "model": "small",
            "endpoints": [server.url for server in servers],
            "retries": 1,
            **explorer,
        },
        "deadline": {"call": 20, "question": 60},
        "stop": {"lossless": False},
    }


async def test_a_failing_synthesizer_does_not_stop_questions_that_agree() -> None:
    def answer(body: dict[str, Any], number: int) -> Behavior:
        is_open = "open" in body["messages"][-1]["content"]
        return Behavior(text=f"\\boxed{{{number}}}" if is_open else TEXT)

    with FaultServer(answer) as explorer, FaultServer(Behavior(status=503)) as synthesizer:
        config = config_over(explorer, samples=2, concurrency=2)
        config["synthesizer"] = {"model": "big", "endpoints": [synthesizer.url], "concurrency": 8}
        solver = A2R(config)
        disagreeing = [asyncio.create_task(solver.aask(f"open {n}?")) for n in range(20)]
        async with asyncio.timeout(30):
            while not synthesizer.request_log.arrived:
                await asyncio.wait(disagreeing, timeout=0.05)
            results = await asyncio.gather(*(solver.aask(f"settled {n}?") for n in range(20)))
        assert {result.method for result in results} == {"unanimous"}
        assert not any(task.done() for task in disagreeing)
        for task in disagreeing:
            task.cancel()
        await asyncio.gather(*disagreeing, return_exceptions=True)


async def test_a_small_question_does_not_wait_for_a_large_one() -> None:
    with FaultServer(Behavior(text=TEXT, tokens=2, token_delay=0.02)) as server:
        solver = A2R(config_over(server, samples=64, concurrency=4))
        large = asyncio.create_task(solver.aask("large?"))
        async with asyncio.timeout(30):
            while server.request_log.arrived < 4:
                await asyncio.wait([large], timeout=0.01)
            small = await solver.aask("small?", overrides={"explorer.samples": 4})
        assert small.method == "unanimous"
        assert not large.done()
        assert len((await large).samples) == 64


async def test_a_large_question_uses_all_idle_endpoints() -> None:
    with ExitStack() as stack:
        behavior = Behavior(text=TEXT, tokens=2, token_delay=0.05)
        servers = [stack.enter_context(FaultServer(behavior)) for _ in range(4)]
        result = await A2R(config_over(*servers, samples=64, concurrency=64)).aask("large?")
        counts = [server.request_log.arrived for server in servers]
    assert len(result.samples) == sum(counts) == 64
    assert max(counts) <= 2 * min(counts)
