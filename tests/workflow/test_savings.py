"""The savings of early stopping, estimated from the averages of the samples."""

from __future__ import annotations

from typing import Any

import pytest

from a2r.config import Config
from a2r.result import Sample, Synthesis
from a2r.usage import Usage
from a2r.workflow.savings import estimate_savings
from a2r.workflow.state import Task, Wave

TASK = Task(
    run_id="r",
    question="?",
    history=[],
    asked_kind="math",
    kind="math",
    waves=[Wave(role="explorer", size=2), Wave(role="explorer", size=6)],
    cut=False,
    rounds=[1],
    started_at=0.0,
)


def config(**changes: Any) -> Config:
    role = {"model": "m", "endpoints": ["http://h/v1"]}
    priced = role | {"price": {"input": 1.0, "output": 2.0}}
    sections = {"explorer": priced | {"waves": [2, 6]}, "synthesizer": priced} | changes
    return Config.model_validate(sections)


def usage(prompt: int | None, completion: int | None) -> Usage:
    return Usage(calls=1, prompt_tokens=prompt, completion_tokens=completion, cost=None)


def sample(index: int, prompt: int | None, completion: int | None, **changes: Any) -> Sample:
    defaults = {"status": "answered", "finish_reason": "stop", "usage": usage(prompt, completion)}
    return Sample(**{"index": index, **defaults, **changes})


def test_early_stopping_saves_the_remaining_samples_and_the_synthesis() -> None:
    drawn = [sample(0, 10, 100), sample(1, 10, 200)]
    savings = estimate_savings(drawn, [], config(), TASK)
    assert savings is not None
    # Eight samples of 10 + 150; a synthesis reads 10 + 8 x 150, and writes 150.
    assert (savings.fixed.samples, savings.fixed.syntheses) == (8, 1)
    assert savings.fixed.tokens == 8 * 160 + (10 + 8 * 150 + 150)
    assert savings.saved.tokens == savings.fixed.tokens - 320
    assert (savings.saved.samples, savings.saved.syntheses) == (6, 1)
    assert savings.fixed.cost == pytest.approx((8 * (10 + 300) + 1210 + 300) / 1_000_000)
    assert savings.estimated


@pytest.mark.parametrize("failed_usage", [Usage(), usage(10, 7)])
def test_a_failed_sample_is_not_saved(failed_usage: Usage) -> None:
    task = Task(**{**TASK, "waves": [Wave(role="explorer", size=2)], "rounds": []})
    failure = {"status": "failed", "finish_reason": None, "usage": failed_usage}
    savings = estimate_savings(
        [sample(0, 10, 100), sample(1, None, None, **failure)], [], config(), task
    )
    assert savings is not None
    assert (savings.saved.samples, savings.saved.tokens) == (0, 0)
    assert savings.fixed.tokens == 220


@pytest.mark.parametrize(
    ("references", "read"),
    [
        ({}, 8 * 40),
        ({"content": "answer"}, 8 * 1),
        ({"include": "clusters"}, 2 * 40),
        ({"include": "clusters", "per_cluster": 2, "content": "answer"}, 4 * 1),
    ],
)
def test_saved_prompt_tokens_are_those_of_the_references(
    references: dict[str, Any], read: int
) -> None:
    thought = {"reasoning_tokens": 5960, "text": "x" * 999}
    drawn = [sample(n, 10, 6000, answer=str(n), **thought) for n in range(2)]
    savings = estimate_savings(drawn, [], config(references=references), TASK)
    assert savings is not None
    assert savings.fixed.tokens == 8 * 6010 + (10 + read + 6000)


def test_uncounted_thinking_is_not_part_of_the_prompt() -> None:
    savings = estimate_savings([sample(0, 10, 6000, text="x" * 400)], [], config(), TASK)
    assert savings is not None
    assert savings.fixed.tokens == 8 * 6010 + (10 + 8 * 100 + 6000)


def test_an_existing_synthesis_is_used_for_the_estimate() -> None:
    drawn = [sample(n, 10, 100) for n in range(8)]
    made = [Synthesis(index=0, status="answered", finish_reason="stop", usage=usage(900, 50))]
    savings = estimate_savings(drawn, made, config(), TASK)
    assert savings is not None
    assert savings.fixed.tokens == 8 * 110 + 950
    assert savings.saved.tokens == 0
    assert "syntheses" in savings.basis


@pytest.mark.parametrize("failed_usage", [Usage(), usage(0, 0), usage(900, 7)])
def test_a_failed_synthesis_is_not_saved(failed_usage: Usage) -> None:
    drawn = [sample(n, 10, 100) for n in range(8)]
    failed = Synthesis(index=0, status="failed", usage=failed_usage)
    savings = estimate_savings(drawn, [failed], config(), TASK)
    assert savings is not None
    assert savings.saved.syntheses == 0
    assert (savings.saved.tokens or 0) <= 0
    # Repeated with success, only the failed attempt's own tokens are extra.
    made = Synthesis(index=1, status="answered", finish_reason="stop", usage=usage(900, 50))
    repeated = estimate_savings(drawn, [failed, made], config(), TASK)
    assert repeated is not None
    assert repeated.saved.tokens == -(failed_usage.prompt_tokens or 0) - (
        failed_usage.completion_tokens or 0
    )


def test_truncated_samples_do_not_count_for_the_average() -> None:
    drawn = [
        sample(0, 10, 100),
        sample(1, 10, 3, status="cancelled", finish_reason=None),
        sample(2, 10, 4, status="failed", finish_reason=None),
    ]
    savings = estimate_savings(drawn, [], config(synthesizer=None), TASK | {"rounds": []})  # type: ignore[arg-type]
    assert savings is not None
    assert savings.fixed.tokens == 8 * 110
    # What the failed sample did not use is no saving.
    assert savings.saved.tokens == 8 * 110 - (110 + 13 + 110)


def test_without_measurements_there_is_no_estimate() -> None:
    failed = [sample(0, 10, 4, status="failed", finish_reason=None)]
    assert estimate_savings(failed, [], config(), TASK) is None
    assert estimate_savings([sample(0, None, None)], [], config(), TASK) is None


def test_samples_of_the_bigger_model_have_a_separate_average() -> None:
    waves = [Wave(role="explorer", size=2), Wave(role="synthesizer", size=2)]
    task = TASK | {"rounds": [], "waves": waves}
    drawn = [sample(0, 10, 100), sample(1, 10, 100), sample(2, 10, 500, role="synthesizer")]
    savings = estimate_savings(drawn, [], config(), task)  # type: ignore[arg-type]
    assert savings is not None
    assert savings.fixed.tokens == 2 * 110 + 2 * 510
    assert (savings.saved.tokens, savings.saved.samples) == (510, 1)
    # Without samples of the bigger model, its replies are assumed as long as the explorer's.
    early = estimate_savings(drawn[:2], [], config(), task)  # type: ignore[arg-type]
    assert early is not None
    assert early.fixed.tokens == 4 * 110
    assert early.fixed.cost == pytest.approx(4 * 210 / 1_000_000)


def test_a_synthesis_cancelled_by_the_budget_is_a_saving() -> None:
    drawn = [sample(n, 10, 100) for n in range(8)]
    refused = [Synthesis(index=0, status="cancelled", error_type="budget")]
    savings = estimate_savings(drawn, refused, config(), TASK)
    assert savings is not None
    assert savings.saved.syntheses == 1
