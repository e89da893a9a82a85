"""The clients under comparison (arms), each in a separate process to measure its CPU time.

`python -m benchmarks.arms ARM URLS QUESTIONS CONCURRENCY` prints one line of JSON.
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
# The tests use one with all imports done: the measurement starts after the imports.
INTERPRETER = os.environ.get("BENCHMARK_PYTHON", sys.executable)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of an arm: samples per second, and milliseconds of CPU time per sample."""

    throughput: float
    cpu: float


async def openai_default(urls: list[str]) -> Ask:
    """A bare `AsyncOpenAI` loop on its default transport."""
    return _bare(openai.AsyncOpenAI(base_url=urls[0], api_key="none"))


async def openai_aiohttp(urls: list[str]) -> Ask:
    """The same loop on OpenAI's aiohttp transport."""
    http = openai.DefaultAioHttpClient()
    return _bare(openai.AsyncOpenAI(base_url=urls[0], api_key="none", http_client=http))


async def a2r(urls: list[str]) -> Ask:
    """The full workflow: sample, extract, cluster, gate, result."""
    role = {"model": "small", "endpoints": urls, "samples": SAMPLES, "concurrency": 512}
    solver = A2R({"kind": "math", "explorer": {**role, "sampling": {"max_tokens": 64}}})

    async def ask(_: int) -> object:
        result = await solver.aask("What is 2+2?")
        assert (result.answer, len(result.samples)) == ("4", SAMPLES)
        return result

    return ask


async def a2r_capped(urls: list[str]) -> Ask:
    """The workflow with one request per endpoint slot at a time."""
    role = {"model": "small", "endpoints": urls, "samples": SAMPLES, "concurrency": 16}
    solver = A2R({"kind": "math", "explorer": role})
    return solver.aask  # type: ignore[return-value]


ARMS = {arm.__name__: arm for arm in (openai_default, openai_aiohttp, a2r, a2r_capped)}


def measure_cost(arm: str, urls: list[str], *, questions: int, concurrency: int = 64) -> Cost:
    """Run an arm in a separate process."""
    command = [INTERPRETER, "-m", "benchmarks.arms", arm, ",".join(urls)]
    completed = subprocess.run(
        [*command, str(questions), str(concurrency)], stdout=subprocess.PIPE, text=True, check=True
    )
    return Cost(**json.loads(completed.stdout))


def cpu_seconds() -> float:
    """Return the CPU time of this process, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _bare(client: object) -> Ask:
    async def sample(seed: int) -> object:
        return await client.chat.completions.create(  # type: ignore[attr-defined]
            model="small", messages=MESSAGES, seed=seed, temperature=0.5, max_tokens=64
        )

    async def ask(_: int) -> object:
        return await asyncio.gather(*(sample(seed) for seed in range(SAMPLES)))

    return ask


async def _run(arm: str, urls: list[str], questions: int, concurrency: int) -> Cost:
    ask = await ARMS[arm](urls)
    semaphore = asyncio.Semaphore(concurrency)

    async def ask_one(number: int) -> None:
        async with semaphore:
            await ask(f"What is {number}+1?" if arm == "a2r_capped" else number)  # type: ignore[arg-type]

    await asyncio.gather(*(ask_one(n) for n in range(min(questions, concurrency))))
    gc.collect()
    start, cpu = time.perf_counter(), cpu_seconds()
    await asyncio.gather(*(ask_one(n) for n in range(questions)))
    elapsed, cpu_used = time.perf_counter() - start, cpu_seconds() - cpu
    samples = questions * SAMPLES
    return Cost(throughput=samples / elapsed, cpu=cpu_used / samples * 1e3)


if __name__ == "__main__":
    _, arm_name, url_list, question_count, max_concurrency = sys.argv
    cost = asyncio.run(
        _run(arm_name, url_list.split(","), int(question_count), int(max_concurrency))
    )
    print(json.dumps({"throughput": cost.throughput, "cpu": cost.cpu}), flush=True)
    # The bare clients are not closed; a normal exit would warn about each connection.
    os._exit(0)
