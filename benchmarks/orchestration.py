"""What A2R costs its client beside bare loops that make the same calls, in the same run.

`python -m benchmarks.orchestration [short]`; exits with 1 where a limit does not hold.
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
from a2r.inference.transport.completion_request import CompletionRequest
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from benchmarks.arms import Cost, cost_of, cpu_seconds
from benchmarks.endpoint import COMPLETIONS, endpoint
from benchmarks.measures import Measure, report
from benchmarks.memory import growth_of_a_question

TOKENS = 10_000
ROLE = RoleConfig(model="small", endpoints=["http://127.0.0.1:1/v1"])


def throughput(questions: int, delay: float, rounds: int = 3) -> list[Measure]:
    """The flow against the bare loops, 64 questions of 8 samples in flight.

    The arms take turns, and of each the median counts: what else the machine does then hits all.
    """
    arms = ("openai_default", "openai_aiohttp", "a2r")
    costs: dict[str, list[Cost]] = {arm: [] for arm in arms}
    with endpoint(delay=delay) as url:
        for _ in range(rounds):
            for arm in arms:
                costs[arm].append(cost_of(arm, [url], questions=questions))
    speed = {arm: statistics.median(c.throughput for c in costs[arm]) for arm in arms}
    cpu = {arm: statistics.median(c.cpu for c in costs[arm]) for arm in arms}
    told = ", ".join(f"{arm} {speed[arm]:.0f}/s {cpu[arm]:.2f} ms" for arm in arms)
    print(f"endpoint of {delay:g} s: {told}")
    return [
        Measure(
            name=f"throughput / a loop on OpenAI's default transport, {delay:g} s",
            value=speed["a2r"] / speed["openai_default"],
            unit="x",
            limit=1.5,
            at_least=True,
        ),
        Measure(
            name=f"CPU time / a loop on OpenAI's default transport, {delay:g} s",
            value=cpu["a2r"] / cpu["openai_default"],
            unit="x",
            limit=0.7,
        ),
        Measure(
            name=f"throughput / a loop on OpenAI's aiohttp transport, {delay:g} s",
            value=speed["a2r"] / speed["openai_aiohttp"],
            unit="x",
            limit=0.65,
            at_least=True,
        ),
    ]


def scaling(questions: int) -> list[Measure]:
    """Two and four endpoints of 16 places and 0.2 s a sample, against one."""
    speed = {}
    for count in (1, 2, 4):
        with ExitStack() as stack:
            urls = [stack.enter_context(endpoint(delay=0.2, slots=16)) for _ in range(count)]
            cost = cost_of("a2r_capped", urls, questions=questions * count, in_flight=64)
            speed[count] = cost.throughput
    return [
        Measure(
            name=f"throughput of {count} endpoints / of one",
            value=speed[count] / speed[1],
            unit="x",
            limit=limit,
            at_least=True,
        )
        for count, limit in ((2, 1.9), (4, 3.7))
    ]


def streaming(rounds: int, samples: int) -> list[Measure]:
    """A sample of 10,000 tokens, streamed and not, against a bare asyncio and json reader."""
    with endpoint(tokens=TOKENS, pace=0.0) as url:
        pairs = [
            (asyncio.run(_streamed(url, samples)), asyncio.run(_bare(url, samples)))
            for _ in range(rounds)
        ]
        ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    with endpoint(tokens=TOKENS) as url:
        whole = asyncio.run(_streamed(url, samples, stream=False))
    return [
        Measure(
            name=f"CPU time of a streamed sample of {TOKENS} tokens",
            value=ours * 1e3,
            unit="ms",
            limit=1000,
        ),
        Measure(
            name="the same / a bare asyncio and json reader", value=ours / bare, unit="x", limit=2.0
        ),
        Measure(
            name="CPU time of the sample without a stream", value=whole * 1e3, unit="ms", limit=100
        ),
    ]


async def _streamed(url: str, samples: int, *, stream: bool = True) -> float:
    exchange = CompletionRequest(
        http=HttpSessions(), base_url=url, headers=headers(ROLE, url), stream=stream
    )

    async def one() -> None:
        transcript = StreamAccumulator()
        async for _ in exchange.stream_deltas({"messages": []}, transcript, watched=False):
            raise AssertionError("nobody watches")
        assert transcript.reported_usage["completion_tokens"] == TOKENS
        assert transcript.split()[0].endswith("\\boxed{4}")

    start = cpu_seconds()
    await asyncio.gather(*(one() for _ in range(samples)))
    return (cpu_seconds() - start) / samples


async def _bare(url: str, samples: int) -> float:
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps({"stream": True}).encode()

    async def one() -> None:
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
    await asyncio.gather(*(one() for _ in range(samples)))
    return (cpu_seconds() - start) / samples


def main() -> int:
    """Print every figure; 1 if one is beyond its limit."""
    short = sys.argv[1:] == ["short"]
    questions, rounds, streams = (16, 1, 1) if short else (400, 3, 4)
    load = psutil.cpu_percent(interval=1.0)
    print(f"the machine is {load:.0f}% busy with other things; started {time.strftime('%H:%M')}")
    measures = [
        *throughput(questions, 0.0, rounds),
        *throughput(questions, 0.2, rounds),
        *scaling(8 if short else 60),
        *streaming(rounds, streams),
        growth_of_a_question(200 if short else 1000),
    ]
    return report(measures)


if __name__ == "__main__":
    raise SystemExit(main())
