"""The metrics of the local pair in the docs equal the report; strategies on small examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.local_pair.report import bootstrap, rows, table
from benchmarks.local_pair.strategies import Attempt, Question, cascade, single, vote, waves
from benchmarks.local_pair.variants import BIG, BIG_HOT, PARAMETERS, SMALL, SMALL_HOT

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "synthesis.md").read_text()


@pytest.mark.integration
def test_the_table_of_the_docs_is_the_report() -> None:
    [documented] = re.findall(r"^\| flow \|.*\n(?:\|.*\n)+", PAGE, re.MULTILINE)
    assert documented.strip() == table(rows())


def attempts(answers: list[int | None], model: str, tokens: int = 10) -> list[Attempt]:
    return [Attempt(answer=answer, tokens=tokens, model=model) for answer in answers]


def question(
    small: list[int | None], big: list[int | None], synthesis: int | None = None
) -> Question:
    return Question(
        is_correct=[True, False, False, False, False],
        samples={SMALL_HOT.name: attempts(small, SMALL), BIG_HOT.name: attempts(big, BIG)},
        syntheses={"s": Attempt(answer=synthesis, tokens=100, model=BIG)},
    )


def test_strategies_on_small_examples() -> None:
    split = question([0, 1, 1, 2], [0, 0, 1, None])
    assert single(SMALL_HOT)(split).accuracy == 0.25
    assert vote(BIG_HOT)(split).accuracy == 1.0
    assert vote(SMALL_HOT)(split).accuracy == 0.0
    assert vote(BIG_HOT)(split).tokens == 40
    assert vote(BIG_HOT)(split).flops == 2 * PARAMETERS[BIG] * 40
    agreed = question([0, 0, 0, 0], [0, 0, 0, 0])
    assert waves(BIG_HOT, [2, 2], any_two=False)(agreed).tokens == 20
    # One in six orders of 0, 0, 1 and none starts with both zeros.
    until_two = waves(BIG_HOT, [2, 1, 1], any_two=True)(split)
    assert until_two.accuracy == 1.0
    assert until_two.tokens == pytest.approx((20 * 4 + 30 * 8 + 40 * 12) / 24)


def test_questions_without_agreement_are_synthesized() -> None:
    different = question([0, 1, 2, 3], [1, 2, 3, 4], synthesis=0)
    synthesized = waves(BIG_HOT, [2, 1, 1], any_two=True, then=["s"])(different)
    assert (synthesized.accuracy, synthesized.tokens, synthesized.synthesized) == (1.0, 140, 1.0)
    voted = waves(BIG_HOT, [2, 1, 1], any_two=True)(different)
    assert (voted.accuracy, voted.synthesized) == (0.0, 0.0)
    nothing = question([0, 1, 2, 3], [0, 2, 3, 4], synthesis=None)
    assert waves(BIG_HOT, [4], any_two=False, then=["s"])(nothing).accuracy == 0.25


def test_a_cascade_on_small_examples() -> None:
    agreed = question([0, 0, 0, 0], [0, 0, 0, 0])
    outcome = cascade(SMALL_HOT, 1, BIG_HOT, 3)(agreed)
    assert (outcome.accuracy, outcome.tokens) == (1.0, 20)
    accepted = cascade(SMALL_HOT, 2, BIG_HOT, 3, accept=True)(agreed)
    assert (accepted.tokens, accepted.flops) == (20, 2 * PARAMETERS[SMALL] * 20)
    misled = question([1, 1, 1, 1], [0, 0, 0, 0])
    assert cascade(SMALL_HOT, 2, BIG_HOT, 3, accept=True)(misled).accuracy == 0.0
    assert cascade(SMALL_HOT, 2, BIG_HOT, 3)(misled).accuracy == 1.0


def test_the_interval_is_a_bootstrap_of_the_mean() -> None:
    low, high = bootstrap([0.0, 1.0] * 50)
    assert 0.38 < low < 0.42
    assert 0.58 < high < 0.62
    assert bootstrap([1.0] * 9) == (1.0, 1.0)
