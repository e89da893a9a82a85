"""A replica that is killed during its work."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from a2r import A2R
from tests.inference.vllm.servers import Servers, run_question, still_running, until

pytestmark = [pytest.mark.integration, pytest.mark.vllm]

RESTART_SECONDS = 180.0


async def test_a_killed_replica_loses_no_question_and_restarts(servers: Servers) -> None:
    killed, other = servers.replicas
    processes = killed.processes()
    sampling = {
        "temperature": 0.7,
        "max_tokens": 200,
        "seed": 0,
        "extra_body": {"ignore_eos": True},
    }
    before = [replica.counters().completion_tokens for replica in servers.replicas]
    solver = A2R(servers.config(explorer__samples=2, explorer__sampling=sampling))
    questions = [f"Tell me a story about {n} cats." for n in range(8)]
    tasks = [asyncio.create_task(run_question(solver, question)) for question in questions]

    def both_write() -> bool:
        now = [replica.counters().completion_tokens for replica in servers.replicas]
        # The gauge of running requests may be stale; the counter of tokens is not.
        return all(tokens > old + 40 for tokens, old in zip(now, before, strict=True))

    await until(both_write, seconds=30)
    processes[0].kill()
    results = await asyncio.gather(*tasks)
    samples = [sample for result in results for sample in result.samples]
    assert {sample.status for sample in samples} == {"truncated"}
    retried = [sample for sample in samples if sample.usage.calls > 1]
    assert retried
    assert {sample.endpoint for sample in retried} == {other.endpoint}
    assert all(sample.usage.estimated for sample in retried)

    await until(killed.healthy, seconds=RESTART_SECONDS)
    assert not still_running(processes)
    async with asyncio.timeout(60):
        dogs = count()
        while killed.counters().requests == 0:
            await run_question(solver, f"Tell me a story about {next(dogs)} dogs.")
