"""Roles, questions and endpoints that share each other's limits, against what each takes alone.

`python -m benchmarks.fairness` exits with 1 if a limit fails. Each figure is a ratio in one run.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from itertools import count
from typing import Any

from a2r import A2R
from benchmarks.metrics import Metric, print_metrics
from benchmarks.server_client import server_client
from benchmarks.server_process import server
from tests.fault_server import Behavior, FaultServer

SAMPLE_SECONDS = 0.1
SYNTHESIS_SECONDS = 0.5
AGREEING = Behavior(text="\\boxed{5}", tokens=2, first_token_delay=SAMPLE_SECONDS)
SYNTHESIS = Behavior(text="\\boxed{5}", tokens=2, first_token_delay=SYNTHESIS_SECONDS)


def disagreeing() -> Any:
    """Every sample has an answer of its own, but those of questions that agree."""
    numbers = count(1)

    def reply(body: dict[str, Any], _: int) -> Behavior:
        if "agree" in body["messages"][-1]["content"]:
            return AGREEING
        text = f"\\boxed{{{next(numbers)}}}"
        return Behavior(text=text, tokens=2, first_token_delay=SAMPLE_SECONDS)

    return reply


def solver(
    explorers: list[str], synthesizer: str | None = None, syntheses: int = 64, **explorer: Any
) -> A2R:
    """A solver whose samples all end; up to `syntheses` run at once."""
    role = {"model": "small", "endpoints": explorers, "samples": 2, **explorer}
    config: dict[str, Any] = {"kind": "math", "explorer": role, "stop": {"lossless": False}}
    if synthesizer is not None:
        config["synthesizer"] = {
            "model": "big",
            "endpoints": [synthesizer],
            "concurrency": syntheses,
        }
    return A2R(config)


async def seconds(work: Coroutine[Any, Any, Any]) -> float:
    """The seconds that some work takes."""
    start = time.monotonic()
    await work
    return time.monotonic() - start


async def roles_of_unlike_limits() -> Metric:
    """128 questions with 4 samples and 64 syntheses at once: the samples set the pace."""
    with FaultServer(disagreeing()) as small, FaultServer(SYNTHESIS) as big:
        asked = solver([small.url], big.url, concurrency=8)
        questions = [asked.aask(f"{n}?") for n in range(128)]
        took = await seconds(asyncio.gather(*questions))  # type: ignore[arg-type]
    return Metric(
        name="128 disagreeing questions / their samples, one after the other in 8 slots",
        value=took / (128 * 2 * SAMPLE_SECONDS / 8),
        unit="x",
        limit=1.6,
    )


async def beside_a_failing_role() -> Metric:
    """20 agreeing questions while those of others wait for a synthesizer of 503s."""
    with FaultServer(disagreeing()) as small, FaultServer(Behavior(status=503)) as big:
        asked = solver([small.url], big.url, concurrency=4)
        alone = await seconds(agreeing_questions(asked))
        waiting = [asyncio.create_task(asked.aask(f"{n}?")) for n in range(20)]
        await big.request_log.until(lambda log: log.arrived >= 1)
        beside = await seconds(agreeing_questions(asked))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return Metric(
        name="20 agreeing questions beside a synthesizer of 503s / alone",
        value=beside / alone,
        unit="x",
        limit=2.5,
    )


async def agreeing_questions(asked: A2R) -> None:
    """Ask 20 questions whose samples agree."""
    await asyncio.gather(*(asked.aask(f"agree {n}?") for n in range(20)))


async def roles_at_one_endpoint() -> Metric:
    """64 questions whose samples fill the explorer's 16 slots of an endpoint of both roles.

    The syntheses have 4 slots there, and take a third of the samples' time.
    """

    def reply(body: dict[str, Any], number: int) -> Behavior:
        return small(body, number) if body["model"] == "small" else AGREEING

    small = disagreeing()
    with FaultServer(reply) as server:
        asked = solver([server.url], server.url, syntheses=4, concurrency=16, samples=8)
        took = sorted(await asyncio.gather(*(seconds(asked.aask(f"{n}?")) for n in range(64))))
    return Metric(
        name="median of 64 questions, both roles at one endpoint / half of their samples' time",
        value=took[32] / (64 * 8 * SAMPLE_SECONDS / 16 / 2),
        unit="x",
        limit=1.6,
    )


async def small_behind_many_choices() -> Metric:
    """A request of 4 samples behind one with 8 choices of 64 samples, in 16 slots of a server."""
    with FaultServer(AGREEING) as endpoint, ExitStack() as stack:
        role = {"model": "small", "endpoints": [endpoint.url], "samples": 4, "concurrency": 16}
        settings = {"kind": "math", "explorer": role, "stop": {"lossless": False}}
        url, _ = stack.enter_context(server(settings))
        async with server_client(url) as client:
            await client.ask("to warm up?")
            alone, _ = await client.ask("small?")
            arrived = endpoint.request_log.arrived
            large = asyncio.create_task(client.ask("large?", choices=8, samples=64))
            await endpoint.request_log.until(lambda log: log.arrived >= arrived + 16)
            behind, _ = await client.ask("small again?")
            assert not large.done()
            await large
    return Metric(
        name="a request of 4 samples behind one of 8 times 64 / alone",
        value=behind / alone,
        unit="x",
        limit=4.0,
    )


async def small_behind_large() -> Metric:
    """A question of 4 samples behind one of 64, in 4 slots."""
    with FaultServer(AGREEING) as server:
        asked = solver([server.url], concurrency=4, samples=4)
        alone = await seconds(asked.aask("small?"))
        large = asyncio.create_task(asked.aask("large?", overrides={"explorer.samples": 64}))
        await server.request_log.until(lambda log: log.arrived >= 8)
        behind = await seconds(asked.aask("small again?"))
        await large
    return Metric(
        name="a question of 4 samples behind one of 64 / alone",
        value=behind / alone,
        unit="x",
        limit=4.0,
    )


async def large_on_idle_endpoints() -> Metric:
    """A question of 64 samples on 4 idle endpoints: the share of the busiest one."""
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(AGREEING)) for _ in range(4)]
        await solver([server.url for server in servers], concurrency=64, samples=64).aask("large?")
        arrived = [server.request_log.arrived for server in servers]
    return Metric(
        name="64 samples on 4 idle endpoints: those of the busiest / a quarter",
        value=max(arrived) / 16,
        unit="x",
        limit=1.5,
    )


async def main() -> int:
    """Measure and print."""
    figures = (
        roles_of_unlike_limits,
        beside_a_failing_role,
        roles_at_one_endpoint,
        small_behind_large,
        small_behind_many_choices,
        large_on_idle_endpoints,
    )
    return print_metrics([await figure() for figure in figures])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
