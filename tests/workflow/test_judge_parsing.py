"""The reference that a judge's text selects."""

from __future__ import annotations

import time

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


def seconds(text: str) -> float:
    """The least CPU time of three readings."""
    times = []
    for _ in range(3):
        start = time.process_time()
        parse_judgment(text, FOUR)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "unit",
    [
        *("\n", " \n", "\n\t", "*", "**\n", "_", "- ", "the ", "the\n", "final  ", "my\n\n"),
        *("judgment", "judgment ", "judgment\n", "judgment\n\n", "judgment:", "judgment: \n"),
        *("1.", "option ", "option (", "candidate\n"),
    ],
    ids=repr,
)
def test_a_judgment_is_read_in_linear_time(unit: str) -> None:
    short, long = (unit * (size // len(unit)) + "!" for size in (40_000, 80_000))
    # Twice the text takes twice the time; if it took four times as long, it would take seconds.
    assert seconds(long) < 3 * seconds(short) + 0.02
