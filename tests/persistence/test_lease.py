"""One run at a time on a thread: a second one is refused, in this process and across processes."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from a2r import A2R
from a2r.errors import InterruptedGraphError, ThreadBusyError
from a2r.persistence import lease as lease_module
from a2r.persistence import open_store
from a2r.persistence.lease import thread_lease
from a2r.persistence.lease_holder import LeaseHolder
from a2r.persistence.lease_table import MemoryLeases, SqlLeases, lease_table
from tests.support.counting_server import CountingServer
from tests.support.fake_openai import boxed, config_for, fake_openai, replies
from tests.support.fork_server import start_command

THREAD: Any = {"configurable": {"thread_id": "t"}}


async def cancelled_run(solver: A2R, server: CountingServer, calls: int) -> None:
    """Ask a question on the thread, and cancel it when so many calls have arrived."""
    task = asyncio.create_task(solver.aask("2+2?", THREAD))
    arrived = await asyncio.to_thread(
        server.request_log.until, lambda ledger: len(ledger.calls) >= calls
    )
    assert arrived
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("solvers", [1, 3])
async def test_of_three_resumes_at_once_one_runs(kind: str, solvers: int, tmp_path: Path) -> None:
    held = {"last"}
    with CountingServer(hold=lambda call: call.seed == 3 and bool(held)) as server:
        store: Any = InMemorySaver() if kind == "memory" else tmp_path / "runs.sqlite"
        several = [A2R(config_for(server.url), checkpointer=store) for _ in range(solvers)]
        await cancelled_run(several[0], server, 4)
        start = len(server.request_log.calls)
        resumes = {
            asyncio.create_task(several[number % solvers].aresume(THREAD)) for number in range(3)
        }
        running = resumes
        while len(running) > 1:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        [last] = running
        for refused in resumes - running:
            with pytest.raises(ThreadBusyError, match="thread 't' is running"):
                refused.result()
        # A new question of the thread is refused, too, and so is a stream.
        with pytest.raises(ThreadBusyError):
            await several[0].aask("3+3?", THREAD)
        with pytest.raises(ThreadBusyError):
            await anext(several[0].astream(None, THREAD))
        assert await asyncio.to_thread(
            server.request_log.until,
            lambda ledger: any(call.seed == 3 for call in ledger.calls[start:]),
        )
        last.cancel()
        await asyncio.gather(last, return_exceptions=True)
        assert [call.seed for call in server.request_log.calls[start:]].count(3) == 1
        held.clear()
        result = await several[0].aresume(THREAD)
        assert await asyncio.gather(*(solver.aresume(THREAD) for solver in several)) == (
            [result] * solvers
        )


@pytest.mark.integration
def test_a_run_of_another_process_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    held = {"last"}
    with CountingServer(hold=lambda call: call.seed == 3 and bool(held)) as server:
        config = config_for(server.url)
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        arguments = ["ask", "2+2?", "--thread", "t", "--resume", "--store", str(store)]
        arguments += ["-c", str(tmp_path / "config.yaml")]
        process = start_command(arguments, tmp_path / "out")
        try:
            assert server.request_log.until(lambda ledger: len(ledger.calls) == 4)
            solver = A2R(config, checkpointer=store)
            with pytest.raises(ThreadBusyError, match=f"process {process.pid}"):
                solver.resume(THREAD)
        finally:
            process.kill()
            process.join(60)
        held.clear()
        # The process has ended: its lease, too.
        assert solver.resume(THREAD).answer is not None


def holder(owner: str, **changes: Any) -> LeaseHolder:
    return replace(LeaseHolder.current(owner), **changes)


async def taken(leases: Any, one: LeaseHolder, seconds: float = 60.0) -> bool:
    return await leases.acquire("t", one, seconds) is None


@pytest.mark.parametrize(
    ("changes", "seconds", "free"),
    [
        ({}, 60.0, False),
        ({}, -1.0, True),
        ({"pid": 2**22 + 1}, 60.0, True),
        ({"start": "1"}, 60.0, True),
        ({"host": "elsewhere", "pid": 2**22 + 1}, 60.0, False),
        ({"host": "elsewhere"}, -1.0, True),
    ],
    ids=["running", "expired", "ended", "another process", "elsewhere", "expired elsewhere"],
)
async def test_who_has_a_lease(
    changes: dict[str, Any], seconds: float, free: bool, tmp_path: Path
) -> None:
    async with open_store(tmp_path / "runs.sqlite") as saver:
        leases = lease_table(saver)
        assert isinstance(leases, SqlLeases)
        first, second = holder("a", **changes), holder("b")
        assert await taken(leases, first, seconds)
        assert await taken(leases, second) is free
        # Only its holder gives a lease back.
        await leases.release("t", first)
        assert await taken(leases, holder("c")) is not free
        await leases.release("t", second)
        assert await taken(leases, holder("d")) is free


async def test_a_renewed_lease_does_not_expire(tmp_path: Path) -> None:
    async with open_store(tmp_path / "runs.sqlite") as saver:
        leases = lease_table(saver)
        first = holder("a")
        assert await taken(leases, first, -1.0)
        await leases.renew("t", first, 60.0)
        await leases.renew("t", holder("b"), -1.0)
        assert not await taken(leases, holder("c"))


async def test_a_lease_is_renewed_while_it_is_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    renewed = asyncio.Event()

    async def renew(self: SqlLeases, thread: str, holder: LeaseHolder, seconds: float) -> None:
        renewed.set()

    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.0)
    monkeypatch.setattr(SqlLeases, "renew", renew)
    async with open_store(tmp_path / "runs.sqlite") as saver, thread_lease(saver, "t"):
        await asyncio.wait_for(renewed.wait(), 60)


async def test_leases_in_memory() -> None:
    saver = InMemorySaver()
    leases = lease_table(saver)
    assert isinstance(leases, MemoryLeases)
    assert lease_table(saver) is leases
    assert lease_table(InMemorySaver()) is not leases
    async with thread_lease(saver, "t"):
        with pytest.raises(ThreadBusyError, match=f"process {os.getpid()}"):
            async with thread_lease(saver, "t"):
                pass
        async with thread_lease(saver, "other"):
            pass
    async with thread_lease(saver, "t"):
        pass


@pytest.mark.integration
async def test_an_interrupted_graph_has_no_result(tmp_path: Path) -> None:
    file = tmp_path / "asking.py"
    file.write_text(ASKING_GRAPH)
    with fake_openai(replies(small=boxed("4"))) as server:
        config = config_for(server.url) | {"graph": str(file)}
        solver = A2R(config, checkpointer=InMemorySaver())
        with pytest.raises(InterruptedGraphError, match="at an interrupt"):
            await solver.aask("2+2?", THREAD)
        output = await solver.graph.ainvoke(Command(resume="yes"), THREAD)
    assert output["answer"] == "4"


ASKING_GRAPH = """
from langgraph.types import interrupt

from a2r.graphs import self_consistency


async def approve(state, runtime):
    interrupt("approve?")
    return {}


def build(workflow):
    graph = self_consistency.build(workflow)
    graph.edges.discard(("finalize", "__end__"))
    graph.edges.discard(("extract", "cluster"))
    graph.add_node("approve", workflow.node(approve))
    graph.add_edge("extract", "approve")
    graph.add_edge("approve", "cluster")
    graph.add_edge("finalize", "__end__")
    return graph
"""
