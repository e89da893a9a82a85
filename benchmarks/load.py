"""Questions of unlike sizes under load: what the small ones wait, against what they take alone.

`python -m benchmarks.load` exits with 1 if a limit fails. Small questions arrive all the time,
beside large ones that disagree (so that the synthesizer works, which is slower and has another
limit), questions whose answers are hard to compare, an endpoint that dies and comes back, and
clients that hold connections with half of a request.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from contextlib import ExitStack
from itertools import count
from typing import Any

from benchmarks.metrics import Metric, print_metrics
from benchmarks.server_client import ServerClient, server_client
from benchmarks.server_process import server
from benchmarks.slow_clients import slow_clients
from tests.fault_server import Behavior, FaultServer

SMALL, LARGE, HARD, SLOW_CLIENTS = 120, 4, 8, 300
SMALL_SAMPLES, LARGE_SAMPLES = 4, 64
INTERVAL, SAMPLE_SECONDS, SYNTHESIS_SECONDS = 0.05, 0.2, 1.0
COMPARE_SECONDS, RETRY_SECONDS = 0.5, 2.0
DOWN, UP = 2.0, 4.0
INTEGRAL = "\\int_0^1 x^{{x^{{x^x+{0}}}}} dx + {0}"


def explorer(numbers: count[int]) -> Any:
    """Samples that agree on small questions and differ on the others."""

    def reply(body: dict[str, Any], _: int) -> Behavior:
        question = body["messages"][-1]["content"]
        number = next(numbers)
        answer = "5"
        if "large" in question:
            answer = str(number)
        elif "hard" in question:
            answer = INTEGRAL.format(number)
        return Behavior(text=f"\\boxed{{{answer}}}", tokens=4, first_token_delay=SAMPLE_SECONDS)

    return reply


def config(explorers: list[str], synthesizer: str) -> dict[str, Any]:
    """Both roles; the synthesizer has a quarter of the explorer's limit."""
    return {
        "kind": "math",
        "explorer": {
            "model": "small",
            "endpoints": explorers,
            "samples": SMALL_SAMPLES,
            "concurrency": 16,
            "retries": 3,
        },
        "synthesizer": {"model": "big", "endpoints": [synthesizer], "concurrency": 4},
        "answers": {"compare_seconds": COMPARE_SECONDS},
        "stop": {"lossless": False},
        "deadline": {"call": 20, "question": 120},
    }


async def ask_small_questions(client: ServerClient) -> list[float]:
    """The seconds of the small questions, which arrive at a constant rate."""
    tasks = []
    for number in range(SMALL):
        tasks.append(asyncio.create_task(client.ask(f"small {number}?")))
        await asyncio.sleep(INTERVAL)
    done = await asyncio.gather(*tasks)
    assert {result["answer"] for _, result in done} == {"5"}
    return sorted(seconds for seconds, _ in done)


async def restart(server: FaultServer) -> None:
    """Kill a server while the questions run, and start it again."""
    await asyncio.sleep(DOWN)
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(UP - DOWN)
    await asyncio.to_thread(server.revive)


async def seconds_of_small(*, alone: bool) -> list[float]:
    """The seconds of the small questions, alone or beside all the others."""
    synthesis = Behavior(text="\\boxed{5}", tokens=4, first_token_delay=SYNTHESIS_SECONDS)
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(explorer(count(1)))) for _ in range(3)]
        big = stack.enter_context(FaultServer(synthesis))
        settings = config([endpoint.url for endpoint in servers], big.url)
        url, _ = stack.enter_context(server(settings))
        async with server_client(url) as client:
            await client.ask("small, to warm up?")
            if alone:
                return await ask_small_questions(client)
            with slow_clients(url, SLOW_CLIENTS):
                return await beside_others(client, servers[0])


async def beside_others(client: ServerClient, endpoint: FaultServer) -> list[float]:
    """The seconds of the small questions beside the others, while an endpoint restarts."""
    others = [
        asyncio.create_task(client.ask(f"large {n}?", samples=LARGE_SAMPLES)) for n in range(LARGE)
    ]
    others += [asyncio.create_task(client.ask(f"hard {n}?")) for n in range(HARD)]
    restarting = asyncio.create_task(restart(endpoint))
    seconds = await ask_small_questions(client)
    await restarting
    done = await asyncio.gather(*others)
    assert {result["method"] for _, result in done} == {"synthesized"}
    started = sum(result["samples"] for _, result in done)
    votes = sum(cluster["votes"] for _, result in done for cluster in result["clusters"])
    expected = LARGE * LARGE_SAMPLES + HARD * SMALL_SAMPLES
    assert votes == started == expected, f"{votes} answers of {started} samples, not {expected}"
    return seconds


def metrics(alone: list[float], beside: list[float]) -> list[Metric]:
    """The waits of the small questions as ratios."""
    p50, p99 = statistics.median, lambda seconds: seconds[int(0.99 * len(seconds))]
    print(f"small questions alone: p50 {p50(alone):.2f} s, p99 {p99(alone):.2f} s")
    print(f"beside the others: p50 {p50(beside):.2f} s, p99 {p99(beside):.2f} s")
    most = 2 * p50(alone) + RETRY_SECONDS + COMPARE_SECONDS
    return [
        Metric(
            name="p50 of small questions under load / alone",
            value=p50(beside) / p50(alone),
            unit="x",
            limit=2.0,
        ),
        Metric(
            name="p99 of small questions / twice alone, a retry and a comparison",
            value=p99(beside) / most,
            unit="x",
            limit=1.0,
        ),
    ]


async def main() -> int:
    """Measure and print."""
    alone = await seconds_of_small(alone=True)
    return print_metrics(metrics(alone, await seconds_of_small(alone=False)))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
