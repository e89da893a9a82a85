"""How fast `a2r.answers` is, beside math-verify in the same run; exits with 1 over a limit.

`python -m benchmarks.answers [HOSTILE]`, HOSTILE being how many hostile texts to go through.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import statistics
import sys
import time
from collections.abc import Callable

import psutil
from math_verify import parse, verify

from a2r.answers import acluster, cluster, equivalent, extract
from a2r.answers.sandbox.worker_pool import get_worker_pool
from a2r.answers.settings import DEFAULTS
from benchmarks.measures import Measure, report
from tests.support.adversarial import hostile_texts

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
LAG_STEP = 0.001


def best(work: Callable[[], object], repeats: int = 7) -> float:
    """The fastest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def numbers() -> Measure:
    """64 samples with plain numeric answers."""
    answers = [str(n % 32 * 1000 + 234) if n % 2 else f"{n % 32 * 1000 + 234:,}" for n in range(64)]
    return Measure(
        name="64 plain numbers", value=best(lambda: cluster(answers)) * 1e3, unit="ms", limit=1.0
    )


def symbolic() -> Measure:
    """64 samples in 8 symbolic groups, against every pair through math-verify."""
    answers = [group[n % 3] for n in range(8) for group in GROUPS]
    assert len(cluster(answers)) == len(GROUPS)
    ours = best(lambda: cluster(answers), 3)

    def all_pairs() -> None:
        parsed = [parse(f"${answer}$", parsing_timeout=None) for answer in answers]
        for first, second in itertools.combinations(parsed, 2):
            verify(first, second, timeout_seconds=None)

    return Measure(
        name="64 samples in 8 symbolic groups / all pairs of math-verify",
        value=ours / best(all_pairs, 1),
        unit="",
        limit=0.1,
    )


def pair() -> Measure:
    """A warm symbolic comparison, against a direct call of math-verify."""
    pairs = [(group[0], group[1]) for group in GROUPS]
    spelled = itertools.count(2)

    def fresh(text: str) -> str:
        # math-verify caches what it parsed; a factor that is new each time defeats that for both.
        return f"{next(spelled) // 2}\\cdot\\left({text}\\right)"

    def ours() -> None:
        for first, second in pairs:
            equivalent(fresh(first), fresh(second))

    def theirs() -> None:
        for first, second in pairs:
            left, right = (parse(f"${fresh(t)}$", parsing_timeout=None) for t in (first, second))
            verify(left, right, timeout_seconds=None)

    ours()
    theirs()
    return Measure(
        name="a warm symbolic comparison / a direct call of math-verify",
        value=best(ours) / best(theirs),
        unit="",
        limit=2.0,
    )


def lag() -> Measure:
    """How late the event loop is, 99th percentile, while hostile answers are compared."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(LAG_STEP)
            lags.append(time.perf_counter() - start - LAG_STEP)

    async def compare() -> None:
        watching = asyncio.create_task(watch())
        for texts in hostile_texts(count=160, seed=5, together=8):
            await acluster(texts, "math")
        watching.cancel()

    asyncio.run(compare())
    value = statistics.quantiles(lags, n=100)[98] * 1e3
    return Measure(
        name="lag of the event loop, 99th percentile", value=value, unit="ms", limit=50.0
    )


def hostile(count: int) -> list[Measure]:
    """Minutes and memory that hostile texts take through extract and cluster."""
    process = psutil.Process()
    cluster([r"\sqrt{2}", r"\int_0^1 x\,dx"])
    before, start = process.memory_info().rss, time.perf_counter()
    for texts in hostile_texts(count=count, seed=1, together=8):
        answers = [extract(text, "math") for text in texts]
        cluster([*answers, *texts], "math")
    minutes = (time.perf_counter() - start) / 60
    grown = (process.memory_info().rss - before) / 2**20
    get_worker_pool(DEFAULTS).close()
    return [
        Measure(name=f"{count} hostile texts", value=minutes, unit="min", limit=10.0),
        Measure(name="growth of memory over them", value=grown, unit="MB", limit=50.0),
        Measure(
            name="processes left", value=len(process.children(recursive=True)), unit="", limit=1.0
        ),
    ]


def main() -> int:
    """Print every figure; 1 if one is beyond its limit."""
    logging.disable(logging.WARNING)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    measures = [numbers(), symbolic(), pair(), lag(), *hostile(count)]
    return report(measures)


if __name__ == "__main__":
    raise SystemExit(main())
