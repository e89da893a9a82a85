"""Speed of `a2r.answers`, against math-verify in the same run; exits with 1 if a limit fails.

`python -m benchmarks.answers [TEXTS]`: TEXTS is the number of hostile texts (default 800).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
from math_verify import parse, verify

from a2r.answers import Kind, acluster, cluster, equivalent, extract
from a2r.answers.sandbox.worker_pool import get_worker_pool
from a2r.answers.settings import DEFAULTS
from benchmarks.metrics import Metric, print_metrics
from tests.support.adversarial import adversarial_texts

GROUPS = (
    (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}", r"2^{-1/2}"),
    (r"\sqrt{12}", r"2\sqrt{3}", r"12^{1/2}"),
    (r"(x+1)^2", r"x^2+2x+1", r"(1+x)(x+1)"),
    (r"\sin^2 x", r"1-\cos^2 x", r"\frac{1-\cos 2x}{2}"),
    (r"\frac{\pi}{4}", r"\arctan 1", r"0.25\pi"),
    (r"\ln 8", r"3\ln 2", r"\ln 4+\ln 2"),
    (r"\frac{x}{7}+\frac{2}{7}", r"\frac{x+2}{7}", r"\frac{1}{7}(x+2)"),
    (r"\sqrt{5}+\sqrt{2}", r"\sqrt2+\sqrt5", r"5^{1/2}+2^{1/2}"),
)
POLL_SECONDS = 0.001
FRAMES = Path(__file__).parents[1] / "tests" / "answers" / "data" / "frames.jsonl"
LONG_CHARACTERS = 1 << 15
QUESTION = "Which of the following?\nA) red\nB) green\nC) blue"


def best_time(function: Callable[[], object], repeats: int = 7) -> float:
    """Return the time of the fastest call, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def numeric_answers() -> Metric:
    """Cluster 64 plain numbers."""
    answers = [str(n % 32 * 1000 + 234) if n % 2 else f"{n % 32 * 1000 + 234:,}" for n in range(64)]
    return Metric(
        name="64 plain numbers",
        value=best_time(lambda: cluster(answers)) * 1e3,
        unit="ms",
        limit=1.0,
    )


def symbolic_answers() -> Metric:
    """Cluster 64 symbolic answers of 8 groups, against math-verify on all pairs."""
    answers = [group[n % 3] for n in range(8) for group in GROUPS]
    assert len(cluster(answers)) == len(GROUPS)
    ours = best_time(lambda: cluster(answers), 3)

    def all_pairs() -> None:
        parsed = [parse(f"${answer}$", parsing_timeout=None) for answer in answers]
        for first, second in itertools.combinations(parsed, 2):
            verify(first, second, timeout_seconds=None)

    return Metric(
        name="64 symbolic answers in 8 groups / math-verify on all pairs",
        value=ours / best_time(all_pairs, 1),
        unit="",
        limit=0.1,
    )


def symbolic_pair() -> Metric:
    """Compare two symbolic answers with a warm worker, against a direct call of math-verify."""
    pairs = [(group[0], group[1]) for group in GROUPS]
    factors = itertools.count(2)

    def unique(text: str) -> str:
        # math-verify caches parsed texts; a new factor in each call disables the cache for both.
        return f"{next(factors) // 2}\\cdot\\left({text}\\right)"

    def ours() -> None:
        for first, second in pairs:
            equivalent(unique(first), unique(second))

    def theirs() -> None:
        for first, second in pairs:
            left, right = (parse(f"${unique(t)}$", parsing_timeout=None) for t in (first, second))
            verify(left, right, timeout_seconds=None)

    ours()
    theirs()
    return Metric(
        name="one symbolic comparison, warm / one call of math-verify",
        value=best_time(ours) / best_time(theirs),
        unit="",
        limit=2.0,
    )


def event_loop_lag() -> Metric:
    """Return the lag of the event loop (99th percentile) while hostile answers are compared."""
    lags: list[float] = []

    async def measure_lag() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(POLL_SECONDS)
            lags.append(time.perf_counter() - start - POLL_SECONDS)

    async def compare() -> None:
        watcher = asyncio.create_task(measure_lag())
        for texts in adversarial_texts(count=160, seed=5, batch_size=8):
            await acluster(texts, "math")
        watcher.cancel()

    asyncio.run(compare())
    value = statistics.quantiles(lags, n=100)[98] * 1e3
    return Metric(name="event loop lag, 99th percentile", value=value, unit="ms", limit=50.0)


def hostile_input(count: int) -> list[Metric]:
    """Return time, memory growth and leftover processes of extracting from hostile texts."""
    process = psutil.Process()
    cluster([r"\sqrt{2}", r"\int_0^1 x\,dx"])
    before, start = process.memory_info().rss, time.perf_counter()
    for texts in adversarial_texts(count=count, seed=1, batch_size=8):
        answers = [extract(text, "math") for text in texts]
        cluster([*answers, *texts], "math")
    minutes = (time.perf_counter() - start) / 60
    growth = (process.memory_info().rss - before) / 2**20
    get_worker_pool(DEFAULTS).close()
    return [
        Metric(
            name=f"extract and cluster {count} hostile texts", value=minutes, unit="min", limit=10.0
        ),
        Metric(name="memory growth over hostile texts", value=growth, unit="MB", limit=50.0),
        Metric(
            name="leftover worker processes",
            value=len(process.children(recursive=True)),
            unit="",
            limit=1.0,
        ),
    ]


def long_texts() -> Metric:
    """Return the largest ratio of the times of a text and of half of it, over all frames."""
    worst = 0.0
    for kind, frame in frames():
        text = f"{frame}\n" * (LONG_CHARACTERS // len(frame))
        half, whole = (
            best_time(partial(extract, part, kind, QUESTION), repeats=3)
            for part in (text[: len(text) // 2], text)
        )
        worst = max(worst, whole / half)
    return Metric(name="time of a long text, to its half", value=worst, unit="x", limit=3.0)


def frames() -> Iterator[tuple[Kind, str]]:
    """Yield the kinds and texts of the frames of the fuzz."""
    kinds: dict[str, Kind] = {"number": "math", "letter": "choice", "letters": "choice"}
    for line in FRAMES.read_text("utf-8").splitlines():
        frame = json.loads(line)
        answer = "42" if frame["answer"] == "number" else "B"
        yield kinds[frame["answer"]], frame["frame"].format(answer=answer, decoy="C")


def main() -> int:
    """Print all metrics; return 1 if one is beyond its limit."""
    logging.disable(logging.WARNING)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    metrics = [
        numeric_answers(),
        symbolic_answers(),
        symbolic_pair(),
        event_loop_lag(),
        long_texts(),
        *hostile_input(count),
    ]
    return print_metrics(metrics)


if __name__ == "__main__":
    raise SystemExit(main())
