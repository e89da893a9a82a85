"""The arms of the comparisons, each run in a process of its own so that its CPU time is its own.

`python -m benchmarks.arms ARM URLS QUESTIONS IN_FLIGHT` prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import openai

from a2r import A2R

SAMPLES = 8
MESSAGES = [{"role": "user", "content": "What is 2+2?\n\nPut your answer within \\boxed{}."}]
Ask = Callable[[int], Awaitable[object]]
# The tests put in one that has imported everything: what is measured begins after that.
INTERPRETER = os.environ.get("BENCHMARK_PYTHON", sys.executable)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an arm took: samples a second, and milliseconds of CPU time a sample."""

    throughput: float
    cpu: float


async def openai_default(urls: list[str]) -> Ask:
    """A bare `AsyncOpenAI` loop on its default transport."""
    return _bare(openai.AsyncOpenAI(base_url=urls[0], api_key="none"))


async def openai_aiohttp(urls: list[str]) -> Ask:
    """The same loop on the aiohttp transport that OpenAI's client offers."""
    http = openai.DefaultAioHttpClient()
    return _bare(openai.AsyncOpenAI(base_url=urls[0], api_key="none", http_client=http))


async def a2r(urls: list[str]) -> Ask:
    """The whole flow: sample, extract, cluster, gate, result."""
    role = {"model": "small", "endpoints": urls, "samples": SAMPLES, "concurrency": 512}
    solver = A2R({"kind": "math", "explorer": {**role, "sampling": {"max_tokens": 64}}})

    async def ask(_: int) -> object:
        result = await solver.aask("What is 2+2?")
        assert (result.answer, len(result.samples)) == ("4", SAMPLES)
        return result

    return ask


async def a2r_capped(urls: list[str]) -> Ask:
    """The flow with as many requests at once to an endpoint as it has slots."""
    role = {"model": "small", "endpoints": urls, "samples": SAMPLES, "concurrency": 16}
    solver = A2R({"kind": "math", "explorer": role})
    return solver.aask  # type: ignore[return-value]


ARMS = {arm.__name__: arm for arm in (openai_default, openai_aiohttp, a2r, a2r_capped)}


def cost_of(arm: str, urls: list[str], *, questions: int, in_flight: int = 64) -> Cost:
    """Run an arm in a process of its own."""
    command = [INTERPRETER, "-m", "benchmarks.arms", arm, ",".join(urls)]
    ended = subprocess.run(
        [*command, str(questions), str(in_flight)], stdout=subprocess.PIPE, text=True, check=True
    )
    return Cost(**json.loads(ended.stdout))


def cpu_seconds() -> float:
    """The CPU time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _bare(client: object) -> Ask:
    async def sample(seed: int) -> object:
        return await client.chat.completions.create(  # type: ignore[attr-defined]
            model="small", messages=MESSAGES, seed=seed, temperature=0.5, max_tokens=64
        )

    async def ask(_: int) -> object:
        return await asyncio.gather(*(sample(seed) for seed in range(SAMPLES)))

    return ask


async def _run(arm: str, urls: list[str], questions: int, in_flight: int) -> Cost:
    ask = await ARMS[arm](urls)
    places = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with places:
            await ask(f"What is {number}+1?" if arm == "a2r_capped" else number)  # type: ignore[arg-type]

    await asyncio.gather(*(one(n) for n in range(min(questions, in_flight))))
    gc.collect()
    start, cpu = time.perf_counter(), cpu_seconds()
    await asyncio.gather(*(one(n) for n in range(questions)))
    took, used = time.perf_counter() - start, cpu_seconds() - cpu
    samples = questions * SAMPLES
    return Cost(throughput=samples / took, cpu=used / samples * 1e3)


if __name__ == "__main__":
    _, name, addresses, count, flight = sys.argv
    cost = asyncio.run(_run(name, addresses.split(","), int(count), int(flight)))
    print(json.dumps({"throughput": cost.throughput, "cpu": cost.cpu}), flush=True)
    # The bare clients are left open, of which each of their connections would complain.
    os._exit(0)
