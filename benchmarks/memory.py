"""Memory per concurrent question."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from typing import Any

import psutil

from a2r import A2R
from benchmarks.arms import INTERPRETER
from benchmarks.endpoint import endpoint
from benchmarks.metrics import Metric

SAMPLES = 8
DELAY = 1.0
POLL_SECONDS = 0.02


def memory_per_question(questions: int) -> Metric:
    """Measure the memory of concurrent questions with 8 samples each, in a separate process."""
    with endpoint(delay=DELAY) as url:
        completed = subprocess.run(
            [INTERPRETER, "-m", "benchmarks.memory", url, str(questions)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return Metric(
        name=f"memory per concurrent question, {questions} questions",
        value=json.loads(completed.stdout),
        unit="KB",
        limit=150,
    )


async def _growth(url: str, questions: int) -> float:
    role = {"model": "small", "endpoints": [url], "samples": SAMPLES, "concurrency": 256}
    solver = A2R({"kind": "math", "explorer": role})
    await asyncio.gather(*(solver.aask(f"{n}?") for n in range(8)))
    gc.collect()
    process = psutil.Process()
    before = peak = process.memory_info().rss
    tasks = [asyncio.create_task(solver.aask(f"{n} and one?")) for n in range(questions)]
    pending: set[asyncio.Task[Any]] = set(tasks)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=POLL_SECONDS)
        peak = max(peak, process.memory_info().rss)
    return (peak - before) / questions / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_growth(sys.argv[1], int(sys.argv[2])))), flush=True)
