"""Budgets: calls that are skipped or cancelled, and the warnings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from a2r import A2R
from a2r.config import Config
from a2r.errors import BudgetError, NoAnswerError
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6"), boxed("4"), boxed("7"), boxed("8")]
# The fake server reports ten prompt tokens and five completion tokens a call.
TOKENS = 15


def in_waves(url: str, waves: list[int], **changes: Any) -> dict[str, Any]:
    config = config_for(url, explorer__waves=waves, **changes)
    del config["explorer"]["samples"]
    return config


@pytest.mark.parametrize(
    ("question", "samples", "words"),
    [
        ({"samples": 3}, 3, "budget.question.samples is exhausted: 3 of 3"),
        ({"samples": 4}, 4, "budget.question.samples is exhausted: 4 of 4"),
        ({"tokens": 2 * TOKENS}, 2, "budget.question.tokens is exhausted: 30 of 30 tokens"),
        ({"tokens": 2 * TOKENS + 1}, 4, "budget.question.tokens is exhausted: 60 of 31 tokens"),
        ({"cost": 0.00005}, 4, "budget.question.cost is exhausted: 8e-05 of 5e-05"),
    ],
)
async def test_an_exhausted_budget_returns_the_best_answer_so_far(
    question: dict[str, Any], samples: int, words: str
) -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("9"))) as server:
        config = in_waves(server.url, [2, 2, 3], budget={"question": question})
        config["explorer"]["price"] = config["synthesizer"]["price"] = {"input": 1, "output": 2}
        result = await A2R(config).aask("2+2?")
    assert len(server.request_log.requests) == len(result.samples) == samples
    assert (result.answer, result.method) == ("4", "majority")
    assert any(words in warning for warning in result.warnings), result.warnings
    assert result.gate is not None
    assert "exhausted" in result.gate.reason


async def test_no_synthesis_beyond_the_budget() -> None:
    with fake_openai(replies(small=DISAGREEING)) as server:
        config = config_for(server.url, budget__question__syntheses=0)
        result = await A2R(config).aask("2+2?")
    assert len(server.request_log.requests) == 4
    assert (result.answer, result.method) == ("4", "majority")
    assert any("budget.question.syntheses is exhausted: 0 of 0" in w for w in result.warnings)


async def test_a_budget_limits_the_syntheses_of_a_round() -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("4"))) as server:
        config = config_for(server.url, budget__question__syntheses=2, synthesizer__samples=3)
        result = await A2R(config).aask("2+2?")
    assert len(server.request_log.calls("big")) == 2
    assert result.method == "synthesized"
    assert [attempt.error_type for attempt in result.synthesis] == [None, None, "budget"]


async def test_a_time_budget_cancels_running_calls() -> None:
    scripted = [boxed("4"), boxed("4"), boxed("5"), ScriptedReply(hang=True)]
    with fake_openai(replies(small=scripted)) as server:
        config = config_for(server.url, budget__question__seconds=1.0)
        result = await A2R(config).aask("2+2?")
        await server.request_log.until(lambda log: log.outstanding == 0)
    assert (result.answer, result.method) == ("4", "majority")
    assert any("budget.question.seconds is exhausted" in warning for warning in result.warnings)
    assert (result.samples[3].status, result.samples[3].error_type) == ("cancelled", "budget")
    assert result.seconds < 20


@pytest.mark.parametrize(
    ("changes", "scripted"),
    [
        # Accepted although one sample was cancelled.
        ({}, [boxed("4"), boxed("4"), boxed("4"), ScriptedReply(hang=True)]),
        # The synthesis is cancelled.
        ({}, [boxed("4"), boxed("5"), boxed("6"), boxed("7")]),
    ],
)
async def test_an_exhausted_time_budget_is_always_named(
    changes: dict[str, Any], scripted: list[ScriptedReply]
) -> None:
    with fake_openai(replies(small=scripted, big=ScriptedReply(hang=True))) as server:
        config = config_for(server.url, budget__question__seconds=1.0, **changes)
        result = await A2R(config).aask("2+2?")
    assert result.answer == "4"
    assert any("budget.question.seconds is exhausted" in w for w in result.warnings)


@pytest.mark.parametrize(
    ("changes", "samples"),
    [
        ({"graph": "self_consistency", "explorer__waves": [2, 6]}, 2),
        ({"graph": "self_consistency", "explorer__waves": [8], "gate__rule": "never"}, 2),
        ({"explorer__waves": [4]}, 1),
    ],
)
async def test_fewer_samples_than_planned_are_reported(
    changes: dict[str, Any], samples: int
) -> None:
    with fake_openai(replies(small=DISAGREEING)) as server:
        config = config_for(server.url, budget__question__samples=samples, **changes)
        del config["explorer"]["samples"]
        result = await A2R(config).aask("2+2?")
    assert (len(result.samples), result.answer) == (samples, "4")
    expected = f"budget.question.samples is exhausted: {samples} of {samples}"
    assert any(expected in warning for warning in result.warnings), result.warnings


async def test_a_rule_that_accepts_within_the_budget_warns_of_nothing() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        config = config_for(server.url, budget__question__samples=2)
        result = await A2R(config).aask("2+2?")
    assert (len(result.samples), result.method, result.warnings) == (2, "unanimous", [])


async def test_truncating_references_is_not_another_synthesis() -> None:
    scripted = [ScriptedReply(text=f"{'Step by step. ' * 300} \\boxed{{{n}}}") for n in range(4)]
    with fake_openai(replies(small=scripted, big=boxed("5")), context=1000) as server:
        solver = A2R(config_for(server.url, budget__session__syntheses=1))
        result = await solver.aask("2+2?")
    assert len(server.request_log.calls("big")) > 1
    assert (result.method, solver.workflow.models.runs.syntheses) == ("synthesized", 1)


async def test_a_run_budget_covers_all_questions_of_a_solver() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        config = config_for(server.url, budget__session__samples=6, explorer__concurrency=3)
        solver = A2R(config)
        first = await solver.aask("1+3?")
        second = await solver.aask("2+2?")
        with pytest.raises(BudgetError, match="allows no sample"):
            await solver.aask("3+1?")
    assert (len(first.samples), len(second.samples)) == (4, 2)
    assert len(server.request_log.requests) == 6
    assert second.answer == "4"


async def test_concurrent_questions_share_the_run_budget() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        solver = A2R(config_for(server.url, budget__session__samples=10))
        questions = (solver.aask(f"{n}+1?") for n in range(5))
        results = await asyncio.gather(*questions, return_exceptions=True)
    assert len(server.request_log.requests) == 10
    assert any(not isinstance(result, BaseException) for result in results)
    assert all(
        isinstance(result, NoAnswerError | BudgetError)
        for result in results
        if isinstance(result, BaseException)
    )


async def test_retries_count_for_the_budget() -> None:
    scripted = ScriptedReply(status=500)
    with fake_openai(replies(small=scripted)) as server:
        config = config_for(server.url, explorer__retries=50, budget__question__seconds=0.7)
        with pytest.raises(NoAnswerError) as caught:
            await A2R(config).aask("2+2?")
    assert caught.value.result.usage.total.calls == len(server.request_log.requests)


def test_an_unknown_cost_cannot_be_limited() -> None:
    with pytest.raises(ValueError, match=r"budget.question.cost requires price"):
        Config.model_validate(config_for("http://h/v1", budget__question__cost=1.0))


async def test_cancelled_questions_are_forgotten() -> None:
    with fake_openai(lambda _body, _number: ScriptedReply(hang=True)) as server:
        config = config_for(server.url)
        config["explorer"]["concurrency"] = 8
        solver = A2R(config)
        runs = solver.workflow.models.runs
        # Some of them hang at the server, the others wait for admission.
        tasks = [asyncio.create_task(solver.aask(f"{n} + 1?")) for n in range(6)]
        await server.request_log.until(lambda log: len(log.requests) == 8)
        stream = solver.astream("2+2?")
        await anext(stream)
        assert len(runs) > 0
        for task in tasks:
            task.cancel()
        await stream.aclose()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(runs) == 0
