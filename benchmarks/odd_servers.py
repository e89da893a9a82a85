"""Accounting over servers whose streams, finish reasons and errors differ at random.

`python -m benchmarks.odd_servers [QUESTIONS]` samples eight times a question over four endpoints
and checks that no sample is lost, and that calls, tokens and money equal the servers' own logs.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import Counter
from contextlib import ExitStack
from typing import Any

from a2r import A2R
from tests.fault_server import Behavior, FaultServer, Rule, Scenario

TEXT = "So it is \\boxed{42}."
PING = 'data: {"type":"ping"}'
OVERLOADED = 'error: {"message":"busy","code":"overloaded_error"}'
UPSTREAM = 'event: error\ndata: {"message":"bad","code":"upstream_error"}'
SAMPLES, SERVERS = 8, 4
INPUT_PRICE, OUTPUT_PRICE = 1.0, 10.0


def reply(**changes: Any) -> Behavior:
    """A reply with the answer 42."""
    return Behavior(**{"text": TEXT, "tokens": 8, **changes})


# Kinds that answer, kinds that end without an answer, and kinds whose samples are retried.
ANSWERING = [
    reply(),
    reply(events=[PING, "event: ping\ndata: ping"], bare_end=True),
    reply(events=['data: {"sources":[]}', 'data: {"choices":null}']),
    reply(finish_reason=""),
    reply(finish_reason=None),
    reply(finish_reason="STOP"),
    reply(stream_as_json=True, finish_reason=None),
]
WITHOUT_ANSWER = [
    reply(kind="truncated", text="So it is", finish_reason="MAX_TOKENS"),
    reply(kind="truncated", text="So it is", finish_reason="model_length"),
    reply(kind="abstained", text="So it is", finish_reason="SAFETY"),
    reply(kind="abstained", text="", tokens=0),
    reply(kind="abstained", text="", reasoning="Is it 42?", tokens=0),
]
RETRIED = [
    reply(finish_reason="error"),
    reply(finish_reason=None, done=False),
    reply(stream_error=3),
    reply(events=[PING], only_events=True),
    reply(events=[OVERLOADED], only_events=True, rejects=True),
    reply(events=[UPSTREAM], only_events=True),
    reply(status=503, error="busy", retry_after=0.01),
    reply(events=['{"error": "crash"}'], only_events=True, done=False),
]


def scenario(seed: int) -> Scenario:
    """A server that does all of them at random."""
    shares = ((ANSWERING, 0.08), (WITHOUT_ANSWER, 0.02), (RETRIED, 0.03))
    rules = [
        Rule(behavior=behavior, share=share)
        for behaviors, share in shares
        for behavior in behaviors
    ]
    return Scenario(default=reply(), rules=tuple(rules), seed=seed)


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
        prompt = sum(log.prompt_tokens for log in logs)
        generated = sum(log.generated for log in logs)
        ended = {kind: sum(log.kinds[kind] for log in logs) for kind in ("truncated", "abstained")}
    total = solver.usage.total
    samples = [sample for result in results for sample in result.samples]
    statuses = Counter(sample.status for sample in samples)
    expected = {"answered": questions * SAMPLES - sum(ended.values()), **ended}
    money = (prompt * INPUT_PRICE + generated * OUTPUT_PRICE) / 1_000_000
    checks = {
        f"samples {dict(statuses)}, {expected} by the logs": statuses == expected,
        "all answers are 42": {s.answer for s in samples if s.status == "answered"} == {"42"},
        f"{total.calls} calls, {arrived} arrived": total.calls == arrived > questions * SAMPLES,
        f"{total.completion_tokens} completion tokens, {generated} generated": (
            total.completion_tokens == generated
        ),
        f"{total.prompt_tokens} prompt tokens, {prompt} read": total.prompt_tokens == prompt,
        f"cost {total.cost:.6f}, {money:.6f} by the logs": (
            total.cost is not None and math.isclose(total.cost, money)
        ),
        "the results' usages add up": (
            sum(result.usage.total.calls for result in results) == total.calls
            and sum(result.usage.total.prompt_tokens or 0 for result in results) == prompt
        ),
    }
    for check, holds in checks.items():
        print(f"{'ok    ' if holds else 'FAILED'} {check}")
    return [check for check, holds in checks.items() if not holds]


if __name__ == "__main__":
    sys.exit(bool(asyncio.run(failures(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))))
