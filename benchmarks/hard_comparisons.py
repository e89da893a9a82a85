"""Questions whose answers are hard to compare, beside easy ones: what each of them waits.

`python -m benchmarks.hard_comparisons` exits with 1 if a limit fails. Each figure is a ratio in one
run.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from itertools import count
from typing import Any

from benchmarks.metrics import Metric, print_metrics
from benchmarks.server_client import ServerClient, server_client
from benchmarks.server_process import server
from tests.fault_server import Behavior, FaultServer

SAMPLE_SECONDS, COMPARE_SECONDS, DEADLINE_SECONDS = 0.2, 0.5, 3.0
BESIDE, AT_ONCE = 12, 24
INTEGRAL = "\\int_0^1 x^{{x^{{x^x+{0}}}}} dx + {0}"
SYNTHESIS = Behavior(text="\\boxed{5}", tokens=2)


def explorer(numbers: count[int]) -> Any:
    """Samples that agree on easy questions, and have an integral each on hard ones."""

    def reply(body: dict[str, Any], _: int) -> Behavior:
        hard = "hard" in body["messages"][-1]["content"]
        answer = INTEGRAL.format(next(numbers)) if hard else "5"
        return Behavior(text=f"\\boxed{{{answer}}}", tokens=2, first_token_delay=SAMPLE_SECONDS)

    return reply


def config(small: str, big: str, deadline: float) -> dict[str, Any]:
    """Both roles, with a time for comparisons and for questions."""
    return {
        "kind": "math",
        "explorer": {"model": "small", "endpoints": [small], "samples": 4, "concurrency": 256},
        "synthesizer": {"model": "big", "endpoints": [big], "concurrency": 256},
        "answers": {"compare_seconds": COMPARE_SECONDS},
        "deadline": {"call": deadline, "question": deadline},
    }


async def beside_hard_ones(client: ServerClient) -> list[Metric]:
    """A list of models and an easy question while hard ones are compared."""
    alone, _ = await client.ask("easy?")
    hard = [asyncio.create_task(client.ask(f"hard {n}?")) for n in range(BESIDE)]
    await asyncio.sleep(2 * SAMPLE_SECONDS)
    listed: list[float] = []
    easy = asyncio.create_task(client.ask("easy again?"))
    while not easy.done():
        listed.append(await client.list_models())
        await asyncio.sleep(SAMPLE_SECONDS / 4)
    beside, _ = await easy
    assert not all(task.done() for task in hard), "the hard questions are over too early"
    await asyncio.gather(*hard)
    return [
        Metric(
            name=f"an easy question beside {BESIDE} hard ones / alone and a comparison",
            value=beside / (alone + COMPARE_SECONDS),
            unit="x",
            limit=2.0,
        ),
        Metric(
            name=f"the slowest list of models beside {BESIDE} hard questions / a comparison",
            value=max(listed) / COMPARE_SECONDS,
            unit="x",
            limit=1.0,
        ),
    ]


async def within_deadline(client: ServerClient) -> Metric:
    """Hard questions at once: the slowest of them, all with a synthesis."""
    done = await asyncio.gather(*(client.ask(f"hard {n}?") for n in range(AT_ONCE)))
    methods = {result["method"] for _, result in done}
    assert methods == {"synthesized"}, f"methods {methods}"
    return Metric(
        name=f"the slowest of {AT_ONCE} hard questions / its deadline",
        value=max(seconds for seconds, _ in done) / DEADLINE_SECONDS,
        unit="x",
        limit=1.1,
    )


async def main() -> int:
    """Measure and print."""
    with ExitStack() as stack:
        small = stack.enter_context(FaultServer(explorer(count(1))))
        big = stack.enter_context(FaultServer(SYNTHESIS))
        patient, _ = stack.enter_context(server(config(small.url, big.url, 120.0)))
        hurried, _ = stack.enter_context(server(config(small.url, big.url, DEADLINE_SECONDS)))
        async with server_client(patient) as client:
            await client.ask("easy, to warm up?")
            metrics = await beside_hard_ones(client)
        async with server_client(hurried) as client:
            await client.ask("easy, to warm up?")
            metrics.append(await within_deadline(client))
    return print_metrics(metrics)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
