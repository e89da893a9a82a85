"""Accounting over servers whose streams, finish reasons and errors differ at random.

`python -m benchmarks.odd_servers [QUESTIONS]` samples eight times a question over four endpoints
and checks that no sample is lost, and that calls and completion tokens equal the servers' own logs.
A request that fails reports no usage: its prompt is estimated, unless another request had the same
one. So prompt tokens and money are only close to the logs.
"""

from __future__ import annotations

import asyncio
import math
import sys
from contextlib import ExitStack
from typing import Any

from a2r import A2R
from tests.fault_server import Behavior, FaultServer, Rule, Scenario

TEXT = "So it is \\boxed{42}."
PING = 'data: {"type":"ping"}'
OVERLOADED = 'error: {"message":"busy","code":"overloaded_error"}'
UPSTREAM = 'event: error\ndata: {"message":"bad","code":"upstream_error"}'
SAMPLES, SERVERS = 8, 4
MAX_ESTIMATE_ERROR = 0.1
INPUT_PRICE, OUTPUT_PRICE = 1.0, 10.0


def reply(**changes: Any) -> Behavior:
    """A reply with the answer 42."""
    return Behavior(**{"text": TEXT, "tokens": 8, **changes})


# Kinds that answer, and kinds whose samples are retried.
ANSWERING = [
    reply(),
    reply(events=[PING, "event: ping\ndata: ping"], bare_end=True),
    reply(events=['data: {"sources":[]}', 'data: {"choices":null}']),
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
    """A server that does all of them at random."""
    answering = [Rule(behavior=behavior, share=0.1) for behavior in ANSWERING]
    retried = [Rule(behavior=behavior, share=0.03) for behavior in RETRIED]
    return Scenario(default=reply(), rules=(*answering, *retried), seed=seed)


async def failures(questions: int) -> list[str]:
    """Ask the questions and return what is lost or differs from the servers' logs."""
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(scenario(seed))) for seed in range(SERVERS)]
        solver = A2R(
            {
                "kind": "math",
                "explorer": {
                    "model": "small",
                    "endpoints": [server.url for server in servers],
                    "samples": SAMPLES,
                    "retries": 20,
                    "price": {"input": INPUT_PRICE, "output": OUTPUT_PRICE},
                },
                "stop": {"lossless": False},
            }
        )
        results = await asyncio.gather(*(solver.aask(f"6 times {n}?") for n in range(questions)))
        logs = [server.request_log for server in servers]
        arrived = sum(log.arrived for log in logs)
        prompt, generated = (
            sum(log.prompt_tokens for log in logs),
            sum(log.generated for log in logs),
        )
    total = solver.usage.total
    answers = [sample.answer for result in results for sample in result.samples]
    money = (prompt * INPUT_PRICE + generated * OUTPUT_PRICE) / 1_000_000
    checks = {
        f"{answers.count('42')} of {questions * SAMPLES} samples answered 42": (
            answers == ["42"] * (questions * SAMPLES)
        ),
        f"{total.calls} calls, {arrived} arrived": total.calls == arrived > questions * SAMPLES,
        f"{total.completion_tokens} completion tokens, {generated} generated": (
            total.completion_tokens == generated
        ),
        f"{total.prompt_tokens} prompt tokens, {prompt} read": math.isclose(
            total.prompt_tokens or 0, prompt, rel_tol=MAX_ESTIMATE_ERROR
        ),
        f"cost {total.cost:.5f}, {money:.5f} by the logs": math.isclose(
            total.cost or 0.0, money, rel_tol=MAX_ESTIMATE_ERROR
        ),
        "estimates are marked as such": total.estimated,
        "the results' calls add up": (
            sum(result.usage.total.calls for result in results) == total.calls
        ),
    }
    for check, holds in checks.items():
        print(f"{'ok    ' if holds else 'FAILED'} {check}")
    return [check for check, holds in checks.items() if not holds]


if __name__ == "__main__":
    sys.exit(bool(asyncio.run(failures(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))))
