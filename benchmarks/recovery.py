"""A question whose endpoint comes back while all of its samples wait.

`python -m benchmarks.recovery` exits with 1 if a limit fails. One sample tries the endpoint first;
the others start with the first piece of its reply, not with the end.
"""

from __future__ import annotations

import asyncio
import sys

from a2r import A2R
from benchmarks.metrics import Metric, print_metrics
from tests.fault_server import Behavior, FaultServer

SAMPLES, TOKENS, TOKEN_SECONDS, DOWN_SECONDS = 16, 60, 0.05, 1.0
SLOW = Behavior(text="word " * TOKENS + "\\boxed{5}", tokens=TOKENS, token_delay=TOKEN_SECONDS)


async def wait_of_the_others() -> Metric:
    """The time from the first request after the restart to the last reply."""
    with FaultServer(SLOW) as server:
        role = {"model": "small", "endpoints": [server.url], "samples": SAMPLES}
        solver = A2R({"kind": "math", "explorer": role, "stop": {"lossless": False}})
        await asyncio.to_thread(server.kill)
        asking = asyncio.create_task(solver.aask("6 times 7?"))
        await asyncio.sleep(DOWN_SECONDS)
        await asyncio.to_thread(server.revive)
        result = await asking
        records = server.request_log.records
    assert [sample.status for sample in result.samples] == ["answered"] * SAMPLES
    ends = [record.end for record in records if record.end is not None]
    took = max(ends) - min(record.start for record in records)
    return Metric(
        name=f"{SAMPLES} samples at an endpoint that comes back / one reply",
        value=took / (TOKENS * TOKEN_SECONDS),
        unit="x",
        limit=1.5,
    )


async def main() -> int:
    """Measure and print."""
    return print_metrics([await wait_of_the_others()])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
