"""The golden cases of `a2r.answers`, and the variety of their categories."""

from __future__ import annotations

import pytest

from tests.answers.golden.exam import (
    Category,
    a2r_judge,
    agrees,
    categories,
    expected,
    normalized,
    other_graders,
    score,
)

CATEGORIES = list(categories())


@pytest.mark.integration
@pytest.mark.parametrize("category", CATEGORIES, ids=lambda c: f"{c.part}-{c.name}")
def test_every_case_has_the_expected_verdict(category: Category) -> None:
    assert score(category, a2r_judge(category.part)).wrong == []


@pytest.mark.integration
def test_other_graders_agree_unless_their_verdict_is_disputed() -> None:
    cases = other_graders()
    wrong = [case for case in cases if "disputed" not in case and not agrees(case)]
    settled = [case for case in cases if "disputed" in case and agrees(case)]
    assert len(cases) >= 300
    assert wrong == []
    assert settled == []


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda c: f"{c.part}-{c.name}")
def test_a_category_has_cases_of_both_verdicts(category: Category) -> None:
    positive = sum(expected(case) for case in category.cases)
    assert len(category.cases) >= 20
    assert 0.2 <= positive / len(category.cases) <= 0.85


def test_half_of_the_pairs_differ_and_few_equal_pairs_have_equal_text() -> None:
    pairs = [case for c in CATEGORIES if c.part != "extraction" for case in c.cases]
    same = [case for case in pairs if case["verdict"]]
    alike = [case for case in same if normalized(case["pred"]) == normalized(case["gold"])]
    assert len(pairs) >= 600
    assert 0.45 <= len(same) / len(pairs) <= 0.55
    assert len(alike) <= len(same) / 3
