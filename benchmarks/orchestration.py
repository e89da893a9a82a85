"""Client overhead of A2R against bare loops with the same calls, in the same run.

`python -m benchmarks.orchestration [short]` exits with 1 if a limit fails.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from contextlib import ExitStack

import psutil

from a2r.config import RoleConfig
from a2r.inference.transport.completion_request import CompletionTransport
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from benchmarks.arms import Cost, cpu_seconds, measure_cost
from benchmarks.endpoint import COMPLETIONS, endpoint
from benchmarks.memory import memory_per_question
from benchmarks.metrics import Metric, print_metrics

TOKENS = 10_000
ROLE = RoleConfig(model="small", endpoints=["http://127.0.0.1:1/v1"])


def throughput(questions: int, delay: float, rounds: int = 3) -> list[Metric]:
    """Compare the workflow with the bare loops at 64 concurrent questions of 8 samples.

    The arms run in turn and the medians are compared, so that other load affects all arms alike.
    """
    arms = ("openai_default", "openai_aiohttp", "a2r")
    costs: dict[str, list[Cost]] = {arm: [] for arm in arms}
    with endpoint(delay=delay) as url:
        for _ in range(rounds):
            for arm in arms:
                costs[arm].append(measure_cost(arm, [url], questions=questions))
    speed = {arm: statistics.median(c.throughput for c in costs[arm]) for arm in arms}
    cpu = {arm: statistics.median(c.cpu for c in costs[arm]) for arm in arms}
    summary = ", ".join(f"{arm} {speed[arm]:.0f}/s {cpu[arm]:.2f} ms" for arm in arms)
    print(f"endpoint with {delay:g} s per reply: {summary}")
    return [
        Metric(
            name=f"throughput / AsyncOpenAI loop, default transport, {delay:g} s",
            value=speed["a2r"] / speed["openai_default"],
            unit="x",
            limit=1.5,
            is_minimum=True,
        ),
        Metric(
            name=f"CPU time / AsyncOpenAI loop, default transport, {delay:g} s",
            value=cpu["a2r"] / cpu["openai_default"],
            unit="x",
            limit=0.3,
        ),
        Metric(
            name=f"throughput / AsyncOpenAI loop, aiohttp transport, {delay:g} s",
            value=speed["a2r"] / speed["openai_aiohttp"],
            unit="x",
            limit=0.65,
            is_minimum=True,
        ),
    ]


def scaling(questions: int) -> list[Metric]:
    """Compare two and four endpoints of 16 slots and 0.2 s per sample with one."""
    speed = {}
    for count in (1, 2, 4):
        with ExitStack() as stack:
            urls = [stack.enter_context(endpoint(delay=0.2, slots=16)) for _ in range(count)]
            cost = measure_cost("a2r_capped", urls, questions=questions * count, concurrency=64)
            speed[count] = cost.throughput
    return [
        Metric(
            name=f"throughput of {count} endpoints / of one",
            value=speed[count] / speed[1],
            unit="x",
            limit=limit,
            is_minimum=True,
        )
        for count, limit in ((2, 1.9), (4, 3.7))
    ]


def streaming(rounds: int, samples: int) -> list[Metric]:
    """Compare a streamed sample of 10,000 tokens with a bare asyncio and json reader."""
    with endpoint(tokens=TOKENS, pace=0.0) as url:
        pairs = [
            (asyncio.run(_a2r_cpu(url, samples)), asyncio.run(_bare_cpu(url, samples)))
            for _ in range(rounds)
        ]
        ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    with endpoint(tokens=TOKENS) as url:
        unstreamed = asyncio.run(_a2r_cpu(url, samples, stream=False))
    return [
        Metric(
            name=f"CPU time of a streamed sample of {TOKENS} tokens",
            value=ours * 1e3,
            unit="ms",
            limit=1000,
        ),
        Metric(
            name="the same / a bare asyncio and json reader", value=ours / bare, unit="x", limit=2.0
        ),
        Metric(
            name="CPU time of the same sample without streaming",
            value=unstreamed * 1e3,
            unit="ms",
            limit=100,
        ),
    ]


async def _a2r_cpu(url: str, samples: int, *, stream: bool = True) -> float:
    request = CompletionTransport(
        http=HttpSessions(), base_url=url, headers=headers(ROLE, url), stream=stream
    )

    async def run_one() -> None:
        accumulator = StreamAccumulator()
        async for _ in request.stream_deltas({"messages": []}, accumulator, emit_deltas=False):
            raise AssertionError("deltas are not requested")
        assert accumulator.reported_usage["completion_tokens"] == TOKENS
        assert accumulator.split()[0].endswith("\\boxed{4}")

    start = cpu_seconds()
    await asyncio.gather(*(run_one() for _ in range(samples)))
    return (cpu_seconds() - start) / samples


async def _bare_cpu(url: str, samples: int) -> float:
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps({"stream": True}).encode()

    async def run_one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        text = []
        while not (line := await reader.readline()).startswith(b"data: [DONE]"):
            if line.startswith(b"data: "):
                for choice in json.loads(line[6:])["choices"]:
                    text.append(choice["delta"].get("content", ""))
        writer.close()
        assert "".join(text).endswith("\\boxed{4}")

    start = cpu_seconds()
    await asyncio.gather(*(run_one() for _ in range(samples)))
    return (cpu_seconds() - start) / samples


def main() -> int:
    """Print all metrics; return 1 if one is beyond its limit."""
    short = sys.argv[1:] == ["short"]
    questions, rounds, streams = (16, 1, 1) if short else (400, 3, 4)
    load = psutil.cpu_percent(interval=1.0)
    print(f"started {time.strftime('%H:%M')}; CPU load of other processes {load:.0f}%")
    metrics = [
        *throughput(questions, 0.0, rounds),
        *throughput(questions, 0.2, rounds),
        *scaling(8 if short else 60),
        *streaming(rounds, streams),
        memory_per_question(200 if short else 1000),
    ]
    return print_metrics(metrics)


if __name__ == "__main__":
    raise SystemExit(main())
