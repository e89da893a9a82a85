"""Early stopping of waves: cancelled samples, their usage, and unchanged results."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from a2r import A2R, Result, build_graph
from a2r.inference import run_tracker
from tests.support.fake_openai import (
    RequestLog,
    ScriptedReply,
    boxed,
    config_for,
    fake_openai,
    replies,
)

pytestmark = pytest.mark.integration

HANG = ScriptedReply(hang=True)


def voting(url: str, samples: int = 8, **changes: Any) -> dict[str, Any]:
    changes = {"graph": "self_consistency", "gate__rule": "never"} | changes
    return config_for(url, explorer__samples=samples, **changes)


async def test_a_majority_that_cannot_be_overtaken_ends_the_wave() -> None:
    scripted = [boxed("4"), HANG, boxed("4"), boxed("4"), boxed("5"), boxed("4"), HANG, HANG]
    with fake_openai(replies(small=scripted)) as server:
        solver = A2R(voting(server.url))
        result = await solver.aask("2+2?")
        await server.request_log.until(lambda log: log.outstanding == 0)
    assert (result.answer, result.method) == ("4", "majority")
    cancelled = [sample for sample in result.samples if sample.status == "cancelled"]
    assert [sample.index for sample in cancelled] == [1, 6, 7]
    assert {sample.error_type for sample in cancelled} == {"stopped"}
    assert result.warnings == []
    # The usage before the cancellation is counted.
    assert server.request_log.cancelled == 3
    assert all(sample.usage.calls == 1 for sample in cancelled)
    assert all(sample.usage.estimated for sample in cancelled)
    assert solver.usage.total == result.usage.total


async def test_queued_samples_are_never_sent() -> None:
    # Four of eight win a tie by index; the fifth is in flight when that becomes certain.
    with fake_openai(replies(small=[boxed("4")] * 4 + [HANG])) as server:
        result = await A2R(voting(server.url, explorer__concurrency=1)).aask("2+2?")
    assert (result.answer, result.method) == ("4", "majority")
    assert (result.agreement, result.agreement_samples) == (0.5, 8)
    assert len(server.request_log.requests) == 4 + 1
    assert [s.usage.calls for s in result.samples] == [1] * 5 + [0] * 3


@pytest.mark.parametrize(("limit", "most"), [(1, 5), (2, 6), (3, 7)])
async def test_a_certain_vote_ends_the_wave_under_max_concurrency(limit: int, most: int) -> None:
    """Five of nine decide; LangGraph starts the samples one after the other."""
    with fake_openai(replies(small=boxed("4"))) as server:
        config = voting(server.url, samples=9)
        result = await A2R(config).aask("2+2?", {"max_concurrency": limit})
        await server.request_log.until(lambda log: log.outstanding == 0)
    assert (result.answer, len(result.samples)) == ("4", 9)
    assert 5 <= len(server.request_log.requests) <= most
    assert sum(sample.usage.calls for sample in result.samples) == len(server.request_log.requests)


async def test_a_wave_is_watched_to_its_end_beside_many_other_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every question is idle between its samples, and all but one of them lose their caches."""
    monkeypatch.setattr(run_tracker, "MAX_IDLE_CACHES", 1)
    with fake_openai(replies(small=boxed("4"))) as server:
        solver = A2R(voting(server.url, samples=9))
        limit = {"max_concurrency": 1}
        results = await asyncio.gather(*(solver.aask(f"{n}?", limit) for n in range(12)))
    assert {result.answer for result in results} == {"4"}
    assert len(server.request_log.requests) == 12 * 5


async def test_a_certain_vote_skips_later_waves() -> None:
    config = voting("", explorer__waves=[5, 3])
    del config["explorer"]["samples"]
    with fake_openai(replies(small=boxed("4"))) as server:
        config["explorer"]["endpoints"] = config["synthesizer"]["endpoints"] = [server.url]
        result = await A2R(config).aask("2+2?")
        config["stop"] = {"lossless": False}
        complete = await A2R(config).aask("2+2?")
    assert (len(result.samples), len(complete.samples)) == (5, 8)
    assert result.gate is not None
    assert "cannot be overtaken by the remaining 3 samples" in result.gate.reason
    assert result.savings is not None
    assert (result.savings.fixed.samples, result.savings.saved.samples) == (8, 3)


@pytest.mark.parametrize("rule", ["share", "beta", "sprt"])
async def test_a_rule_that_is_sure_to_accept_ends_the_wave(rule: str) -> None:
    scripted = [HANG, *[boxed("4")] * 7]
    with fake_openai(replies(small=scripted)) as server:
        config = config_for(server.url, explorer__samples=8, gate__rule=rule)
        result = await A2R(config).aask("2+2?")
    assert (result.answer, result.gate and result.gate.decision) == ("4", "accept")
    first, *others = [s.status for s in result.samples]
    # It may be certain before the last sample has answered.
    assert (first, {*others}) in [("cancelled", {"answered"}), ("cancelled", {"answered", first})]
    assert others.count("answered") >= 4


async def test_a_certain_vote_cancels_nothing_if_synthesis_may_follow() -> None:
    scripted = [boxed("4"), boxed("5"), boxed("4"), boxed("4")]
    with fake_openai(replies(small=scripted, big=boxed("4"))) as server:
        result = await A2R(config_for(server.url)).aask("2+2?")
    assert [s.status for s in result.samples] == ["answered"] * 4
    assert result.method == "synthesized"


async def test_early_stopping_considers_units_of_later_answers() -> None:
    # Three of five agree; the first is representative only if no other unit follows.
    scripted = [boxed("5 \\text{ cm}"), boxed("5"), boxed("5"), HANG, HANG]
    with fake_openai(replies(small=scripted)) as server:
        config = voting(server.url, samples=5, deadline__sample=0.5)
        result = await A2R(config).aask("How long is it?")
    assert [sample.error_type for sample in result.samples[3:]] == ["deadline", "deadline"]
    assert (result.clusters[0].votes, result.answer) == (3, "5 \\text{ cm}")


async def straggling(scripted: list[ScriptedReply], **stop: Any) -> tuple[Result, RequestLog]:
    with fake_openai(replies(small=scripted, big=boxed("5"))) as server:
        config = config_for(server.url, explorer__samples=len(scripted), stop=stop)
        result = await A2R(config).aask("2+2?")
        await server.request_log.until(lambda log: log.outstanding == 0)
    return result, server.request_log


async def test_stragglers_are_cancelled_once_the_gate_cannot_accept() -> None:
    scripted = [boxed("4"), boxed("5"), HANG, HANG]
    result, log = await straggling(scripted, straggler="decided")
    assert (result.method, result.answer) == ("synthesized", "5")
    assert [s.error_type for s in result.samples] == [None, None, "straggler", "straggler"]
    assert any("2 of 4 samples were cancelled as stragglers" in w for w in result.warnings)
    [request] = log.calls("big")
    assert request["messages"][0]["content"].count("<reference number=") == 2


async def test_slow_samples_are_cancelled_after_a_multiple_of_the_others_time() -> None:
    scripted = [boxed("4"), boxed("4"), boxed("4"), HANG]
    result, _ = await straggling(scripted, straggler="slow", share=0.75, factor=3)
    assert [s.error_type for s in result.samples] == [None, None, None, "straggler"]
    # The sample that was given up votes for nobody.
    assert (result.method, result.answer, result.agreement) == ("majority", "4", 0.75)
    assert result.warnings


async def test_cancellation_from_another_thread() -> None:
    scripted = [boxed("4"), HANG, boxed("4"), boxed("4")]
    with fake_openai(replies(small=scripted)) as server:
        solver = A2R(voting(server.url, samples=4))
        # Without a running event loop, each sample runs in a separate thread and event loop.
        output = solver.graph.invoke({"question": "2+2?"})
    assert output["answer"] == "4"
    # Two votes of four may be certain already, where a tie would go to the lower index.
    cancelled = [s["status"] for s in output["result"]["samples"]].count("cancelled")
    assert cancelled in (1, 2)


def straggler_timers() -> int:
    """The number of timers of waves in the running event loop."""
    scheduled: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return sum("WaveMonitor" in repr(it) for it in scheduled if not it.cancelled())


async def test_the_timers_of_stragglers_are_no_threads() -> None:
    scripted = [boxed("4"), boxed("4"), boxed("4"), HANG]
    with fake_openai(replies(small=scripted)) as server:
        stop = {"straggler": "slow", "share": 0.5, "factor": 1000}
        solver = A2R(config_for(server.url, explorer__samples=4, stop=stop))
        tasks = [asyncio.create_task(solver.aask(f"{n}+2?")) for n in range(9)]
        while straggler_timers() < len(tasks):  # noqa: ASYNC110 - no event signals a timer
            await asyncio.sleep(0)
        assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert straggler_timers() == 0


def test_slow_samples_are_cancelled_in_a_synchronous_graph_too() -> None:
    # Each sample runs in an event loop of its own, which ends with it.
    scripted = [boxed("4"), boxed("4"), boxed("4"), HANG]
    with fake_openai(replies(small=scripted)) as server:
        stop = {"straggler": "slow", "share": 0.75, "factor": 3}
        config = config_for(server.url, explorer__samples=4, stop=stop)
        output: Any = build_graph(config).invoke({"question": "2+2?"})
    samples = output["result"]["samples"]
    assert [sample["error_type"] for sample in samples] == [None, None, None, "straggler"]
