"""What a question in flight costs in memory."""

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
from benchmarks.measures import Measure

SAMPLES = 8
DELAY = 1.0
LOOK_SECONDS = 0.02


def growth_of_a_question(questions: int) -> Measure:
    """The growth of memory by so many questions of 8 samples at once, in a process of its own."""
    with endpoint(delay=DELAY) as url:
        ended = subprocess.run(
            [INTERPRETER, "-m", "benchmarks.memory", url, str(questions)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return Measure(
        name=f"memory of a question in flight, of {questions}",
        value=json.loads(ended.stdout),
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
    asking = [asyncio.create_task(solver.aask(f"{n} and one?")) for n in range(questions)]
    pending: set[asyncio.Task[Any]] = set(asking)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=LOOK_SECONDS)
        peak = max(peak, process.memory_info().rss)
    return (peak - before) / questions / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_growth(sys.argv[1], int(sys.argv[2])))), flush=True)
