"""Answers that a reader calls different are never one cluster, and never end as unanimous.

`data/different_answers.jsonl` has the pairs with their kinds and sources.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a2r.answers import Settings, compare, extract, grade
from a2r.config import load_config
from a2r.gates import Plan, build_gate, count_votes, decide
from a2r.result import Sample
from a2r.workflow.voting import cluster_answers_sync, extract_answer

PAIRS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "different_answers.jsonl")
    .read_text("utf-8")
    .splitlines()
]
CONFIG = load_config("a2r", overrides={"answers.units": "strict"}).config
QUESTION = "Which is right?\n" + "\n".join(f"{letter}) option {letter}" for letter in "ABCDE")
# "The answer is (A) is wrong" is no sentence.
DENIALS = "choices found by attack"
FRAMES = {
    "math": ("So the result is $\\boxed{{{}}}$.", "Final answer: {}"),
    "choice": ("The answer is {}", "Final answer: {}"),
    "json": ("The result:\n```json\n{}\n```", "```json\n{}\n```"),
    "code": ("The program:\n```python\n{}\n```", "```python\n{}\n```"),
}

pytestmark = pytest.mark.integration


def failures(check: Any) -> list[str]:
    return [f"{pair['first']!r} | {pair['second']!r}" for pair in PAIRS if check(pair)]


def test_no_pair_is_equivalent_in_either_order() -> None:
    def same(pair: dict[str, Any]) -> bool:
        first, second, kind = pair["first"], pair["second"], pair["kind"]
        return compare(first, second, kind).same or compare(second, first, kind).same

    assert len(PAIRS) >= 300
    assert failures(same) == []


@pytest.mark.parametrize("frame", [0, 1])
def test_samples_with_different_answers_never_end_as_unanimous(frame: int) -> None:
    gate, settings = build_gate(CONFIG.gate), CONFIG.answers.settings

    def agrees(pair: dict[str, Any]) -> bool:
        texts = [FRAMES[pair["kind"]][frame].format(pair[side]) for side in ("first", "second")]
        question = QUESTION if pair["kind"] == "choice" else ""
        samples = [
            extract_answer(answered(index, text), pair["kind"], question, settings)
            for index, text in enumerate(texts)
        ]
        if any(sample.answer is None for sample in samples):
            return False
        clusters = cluster_answers_sync(samples, pair["kind"], settings, question)
        votes = count_votes(samples, clusters, pair["kind"])
        return decide(gate, CONFIG.gate.rule, votes, Plan(synthesis=True)).decision == "accept"

    assert failures(lambda pair: pair["class"] != DENIALS and agrees(pair)) == []


def test_a_formula_is_not_graded_right_for_one_with_other_brackets() -> None:
    brackets = [pair for pair in PAIRS if pair["class"] == "formulas with brackets"]
    for pair in brackets:
        assert not grade(pair["first"], pair["second"], "math"), pair
        assert not grade(pair["second"], pair["first"], "math"), pair


def test_every_answer_is_right_for_itself() -> None:
    for pair in PAIRS:
        assert grade(pair["first"], pair["first"], pair["kind"]), pair
        assert compare(pair["first"], pair["first"], pair["kind"]).same, pair


def test_the_frames_hold_an_answer() -> None:
    found = extract(FRAMES["math"][0].format("a_1 = 3, a_2 = 5"), "math", None, Settings())
    assert found is not None
    assert found.text == "a_1 = 3, a_2 = 5"


def answered(index: int, text: str) -> Sample:
    return Sample(index=index, status="answered", text=text)
