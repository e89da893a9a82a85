"""The reference that a judge's text selects."""

from __future__ import annotations

import pytest

from a2r.nodes.select import parse_judgment
from a2r.workflow.reference import Reference

FOUR = [Reference(text=f"solution {n}", attempt=n, answer=str(10 + n)) for n in range(1, 5)]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("Judgment: 2", 2),
        ("Judgment: 2\nThis judgment is based on step 3 of the solution.", 2),
        ("Judgment: of the 4 candidates, candidate 2 is best", 2),
        ("Judgment: the correct answer is 70000, as in candidate 2", 2),
        ("Judgment: 70000 is right, as in candidate 2", 2),
        ("Judgment: 3 is better than candidate 1", 3),
        ("Judgment: 1\nOn second thought:\n**Final Judgment:** 4", 4),
        ("Judgment: 1\nNo.\nJudgment: none", None),
        ('{"judgment": 3}', 3),
        ("Judgment：2", 2),
        ("## Judgement\n3", 3),
        ("My judgment is that solution 4 holds", 4),
        ("Judgment: 9", None),
        ("Judgment: none of them", None),
        ("Candidates 1 and 2 err.\nSo I take candidate 3", 3),
        ("Candidate 1 errs in step 2.\nSo it is \\boxed{14}.", 4),
        ("There are 3 mistakes.", None),
    ],
)
def test_the_selected_reference(text: str, chosen: int | None) -> None:
    judgment = parse_judgment(text, FOUR)
    assert (judgment and judgment.attempt) == chosen
