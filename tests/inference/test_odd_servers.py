"""Servers whose streams, finish reasons and errors differ at random: nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from a2r import A2R
from tests.fault_server import Behavior, FaultServer, Rule, Scenario

pytestmark = pytest.mark.integration

TEXT = "So it is \\boxed{42}."
PING = 'data: {"type":"ping"}'
OVERLOADED = 'error: {"message":"busy","code":"overloaded_error"}'
UPSTREAM = 'event: error\ndata: {"message":"bad","code":"upstream_error"}'
QUESTIONS, SAMPLES = 40, 8


def reply(**changes: Any) -> Behavior:
    return Behavior(**{"text": TEXT, "tokens": 8, **changes})


# Kinds that answer, and kinds whose samples are retried.
ANSWERING = [
    reply(),
    reply(events=[PING, "event: ping\ndata: ping"], bare_end=True),
    reply(finish_reason=""),
    reply(finish_reason=None),
    reply(finish_reason="STOP"),
    reply(stream_as_json=True, finish_reason=None),
]
RETRIED = [
    reply(finish_reason="error"),
    reply(finish_reason=None, done=False),
    reply(stream_error=3),
    reply(events=[PING], only_events=True),
    reply(events=[OVERLOADED], only_events=True),
    reply(events=[UPSTREAM], only_events=True),
    reply(events=['{"error": "crash"}'], only_events=True, done=False),
]


def scenario(seed: int) -> Scenario:
    answering = [Rule(behavior=behavior, share=0.1) for behavior in ANSWERING]
    retried = [Rule(behavior=behavior, share=0.03) for behavior in RETRIED]
    return Scenario(default=reply(), rules=(*answering, *retried), seed=seed)


async def test_no_sample_and_no_token_is_lost() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(scenario(seed))) for seed in range(4)]
        solver = A2R(
            {
                "kind": "math",
                "explorer": {
                    "model": "small",
                    "endpoints": [server.url for server in servers],
                    "samples": SAMPLES,
                    "retries": 20,
                    "price": {"input": 1.0, "output": 10.0},
                },
                "stop": {"lossless": False},
            }
        )
        results = await asyncio.gather(*(solver.aask(f"6 times {n}?") for n in range(QUESTIONS)))
        arrived = sum(server.request_log.arrived for server in servers)
        generated = sum(server.request_log.generated for server in servers)
    samples = [sample for result in results for sample in result.samples]
    assert [sample.answer for sample in samples] == ["42"] * (QUESTIONS * SAMPLES)
    total = solver.usage.total
    assert total.calls == sum(result.usage.total.calls for result in results) == arrived
    assert arrived > QUESTIONS * SAMPLES
    assert total.completion_tokens == generated
